//! Bundles, the node's software: open, verify, import, find, download and serve them.
//!
//! No program of a bundle runs before [`Bundle::verify`] has checked every file.

pub(crate) mod digest;
pub mod download;
mod error;
mod import;
mod locate;
mod manifest;
pub mod peer;
mod pin;
mod serve;
mod skew;
pub(crate) mod unpack;
mod verified;
mod verify;

pub use error::{BadFile, BundleError, FROM_PEER_HINT, Fault};
pub use import::{Imported, import};
pub use locate::{ImportedBundle, Required, find_bundle, find_patch_release, find_version, list_bundles};
pub use pin::{pin_bundle, stamps_directory, unpin_bundle};
pub use serve::serve;
pub use skew::{Skew, compare_versions};
pub use verify::{Check, Progress, Verified};

use std::path::{Path, PathBuf};
use usernetes_api::bundle::{BundleImage, BundleManifest};

/// Name of the manifest within a bundle.
pub const MANIFEST: &str = "bundle.yaml";

/// A bundle's directory and its validated manifest.
#[derive(Clone, Debug)]
pub struct Bundle {
    dir: PathBuf,
    manifest: BundleManifest,
    digest: String,
}

impl Bundle {
    /// Reads and validates `bundle.yaml` in `dir`. [`Bundle::verify`] checks the files that it lists.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, BundleError> {
        let dir = manifest::resolve_directory(dir.as_ref())?;
        let (manifest, digest) = manifest::read_manifest(&dir)?;
        Ok(Self { dir, manifest, digest })
    }

    /// Absolute path of the directory, without symbolic links.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The manifest, `bundle.yaml`.
    pub fn manifest(&self) -> &BundleManifest {
        &self.manifest
    }

    /// SHA-256 of `bundle.yaml` in hexadecimal. It identifies the bundle, since the manifest lists the SHA-256 of every file.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Name of the directory into which the bundle is imported: `NAME-DIGEST` with the first 12 digits of the digest.
    pub fn directory_name(&self) -> String {
        format!("{}-{}", self.manifest.name, &self.digest[..12])
    }

    /// Path of the program `name`; it may not exist.
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join("bin").join(name)
    }

    /// Path of the CNI plugin `name`; it may not exist.
    pub fn cni(&self, name: &str) -> PathBuf {
        self.dir.join("cni").join(name)
    }

    /// Every image with the path of its archive; `None` if the runtime pulls the image from a registry.
    pub fn images(&self) -> impl Iterator<Item = (&BundleImage, Option<PathBuf>)> {
        self.manifest.images.iter().map(|image| (image, image.path.as_ref().map(|path| self.dir.join(path))))
    }
}

/// The host's architecture as Kubernetes releases name it: `amd64`, `arm64`.
pub fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
