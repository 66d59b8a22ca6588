//! The bundle's part of a plan: programs, directories and images.

use super::PlanError;
use crate::cri::Cri;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use usernetes_api::Paths;
use usernetes_api::bundle::{BundleImage, BundleManifest};

/// The bundle that a node runs, and where its files are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Software {
    /// Directory of the verified bundle.
    pub bundle: PathBuf,
    /// Copy of this program, see [`Paths::program`].
    pub program: PathBuf,
    /// Directory of component logs.
    pub logs: PathBuf,
    /// Reference of the image of pod sandboxes.
    pub sandbox_image: String,
    /// Image archives of the bundle.
    pub images: Vec<ImageArchive>,
    /// Whether early images are missing in the runtime's store. Until they are imported the Node has the label
    /// [`usernetes_api::constants::IMAGES_LABEL`], or pods would try to pull them from a registry.
    pub importing: bool,
}

/// An image archive of the bundle that is imported into the runtime's store at start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageArchive {
    /// Reference that pods use.
    pub reference: String,
    /// Path of the archive.
    pub path: PathBuf,
    /// SHA-256 of the archive according to the bundle's manifest.
    pub sha256: String,
    /// Whether the node's own pods, which start as soon as the Node is registered, need the image.
    pub early: bool,
}

/// Names of images in the order in which a new cluster needs them; others follow.
const IMAGE_ORDER: [&str; 4] = ["pause", "kube-proxy", "flannel", "coredns"];
/// Number of images in [`IMAGE_ORDER`] that the pods of every node need.
const EARLY_IMAGES: usize = 3;

impl Software {
    pub(super) fn new(paths: &Paths, bundle: &Path, manifest: &BundleManifest, cri: &Cri) -> Result<Self, PlanError> {
        let pause = manifest.image("pause");
        let pause = pause.ok_or_else(|| PlanError::NoImage { bundle: bundle.to_owned(), image: "pause" })?;
        let images = list_archives(bundle, manifest);
        let store = paths.node(cri.store());
        Ok(Self {
            bundle: bundle.to_owned(),
            program: paths.program(),
            logs: paths.logs(),
            sandbox_image: pause.reference.clone(),
            importing: images.iter().any(|image| image.early && !image.is_imported(&store)),
            images,
        })
    }
}

impl ImageArchive {
    /// An empty file that marks the archive as imported; below the store, so that both are deleted together.
    pub(crate) fn marker(&self, store: &Path) -> PathBuf {
        store.join("imported").join(&self.sha256)
    }

    /// Whether the image is in the store.
    pub(crate) fn is_imported(&self, store: &Path) -> bool {
        self.marker(store).exists()
    }
}

/// Image archives of the bundle, the most urgent first.
fn list_archives(bundle: &Path, manifest: &BundleManifest) -> Vec<ImageArchive> {
    let mut images: Vec<_> = manifest.images.iter().collect();
    images.sort_by_key(|image| urgency(image).unwrap_or(IMAGE_ORDER.len()));
    images.into_iter().filter_map(|image| archive_of(image, bundle, manifest)).collect()
}

/// `None` for an image that the runtime pulls.
fn archive_of(image: &BundleImage, bundle: &Path, manifest: &BundleManifest) -> Option<ImageArchive> {
    let path = image.path.as_ref()?;
    let file = manifest.files.iter().find(|file| &file.path == path)?;
    Some(ImageArchive {
        reference: image.reference.clone(),
        path: bundle.join(path),
        sha256: file.sha256.clone(),
        early: urgency(image).is_some_and(|position| position < EARLY_IMAGES),
    })
}

/// Position in [`IMAGE_ORDER`].
fn urgency(image: &BundleImage) -> Option<usize> {
    IMAGE_ORDER.iter().position(|name| *name == image.name)
}
