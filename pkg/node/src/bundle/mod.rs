//! The node's software: opened, verified, imported, found and downloaded.
//!
//! Nothing of a bundle runs before [`Bundle::verify`] has seen every file.

pub(crate) mod digest;
pub mod download;
mod error;
mod import;
mod locate;
mod manifest;
pub mod peer;
mod serve;
mod skew;
pub(crate) mod unpack;
mod verified;
mod verify;

pub use error::{BadFile, BundleError, FROM_PEER_HINT, Fault};
pub use import::{Imported, import};
pub use locate::{ImportedBundle, Required, find_bundle, find_version, list_bundles};
pub use serve::serve;
pub use skew::{Skew, compare_versions};
pub use verify::{Check, Progress, Verified};

use std::path::{Path, PathBuf};
use usernetes_api::bundle::{BundleImage, BundleManifest};

/// Name of the manifest within a bundle.
pub const MANIFEST: &str = "bundle.yaml";

/// A bundle's directory with its manifest, whose every field has been checked.
#[derive(Clone, Debug)]
pub struct Bundle {
    dir: PathBuf,
    manifest: BundleManifest,
    digest: String,
}

impl Bundle {
    /// Reads and checks `bundle.yaml`; the files it lists are left to [`Bundle::verify`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, BundleError> {
        let dir = manifest::resolve_directory(dir.as_ref())?;
        let (manifest, digest) = manifest::read_manifest(&dir)?;
        Ok(Self { dir, manifest, digest })
    }

    /// Its directory, absolute and without links.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its manifest.
    pub fn manifest(&self) -> &BundleManifest {
        &self.manifest
    }

    /// SHA-256 of `bundle.yaml`: names everything in the bundle.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Directory name of an imported bundle: its name and the first 12 digits of its digest.
    pub fn directory_name(&self) -> String {
        format!("{}-{}", self.manifest.name, &self.digest[..12])
    }

    /// Path of a program.
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join("bin").join(name)
    }

    /// Path of a CNI plugin.
    pub fn cni(&self, name: &str) -> PathBuf {
        self.dir.join("cni").join(name)
    }

    /// Every image with its archive, `None` where the runtime pulls it.
    pub fn images(&self) -> impl Iterator<Item = (&BundleImage, Option<PathBuf>)> {
        self.manifest.images.iter().map(|image| (image, image.path.as_ref().map(|path| self.dir.join(path))))
    }
}

/// The host's architecture in the words of Kubernetes releases.
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
