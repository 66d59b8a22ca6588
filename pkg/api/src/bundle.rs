//! `bundle.yaml`: what a bundle holds, with a checksum of every file.

use serde::{Deserialize, Serialize};

/// Kind `Bundle` of `usernetes.rs/v1alpha1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BundleManifest {
    /// `usernetes.rs/v1alpha1`.
    pub api_version: String,
    /// `Bundle`.
    pub kind: String,
    /// Human-readable name, such as `v1.36.3-amd64`.
    pub name: String,
    /// Version of every Kubernetes binary in it.
    pub kubernetes_version: String,
    /// `amd64` or `arm64`.
    pub architecture: String,
    /// What is in it, sorted by name.
    pub components: Vec<BundleComponent>,
    /// Images, by the name that manifests use.
    pub images: Vec<BundleImage>,
    /// Every file but `bundle.yaml`, sorted by path.
    pub files: Vec<BundleFile>,
}

/// A component and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BundleComponent {
    /// Name, such as `containerd`.
    pub name: String,
    /// Version as its makers write it.
    pub version: String,
}

/// A container image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BundleImage {
    /// `busybox`, `coredns`, `flannel`, `kube-proxy` or `pause`.
    pub name: String,
    /// Reference that pods use.
    pub reference: String,
    /// Its archive in the bundle; pulled by the runtime when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BundleFile {
    /// Path relative to the bundle, without `..`.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256, 64 hexadecimal digits.
    pub sha256: String,
    /// Whether it is a program.
    #[serde(default)]
    pub executable: bool,
}

impl BundleManifest {
    /// The image of that name.
    pub fn image(&self, name: &str) -> Option<&BundleImage> {
        self.images.iter().find(|image| image.name == name)
    }

    /// Whether there is a file of that path.
    pub fn has_file(&self, path: &str) -> bool {
        self.files.iter().any(|file| file.path == path)
    }
}
