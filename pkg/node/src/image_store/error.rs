//! Errors of images, with hints.

use crate::runtime_api::RuntimeError;
use std::io;
use std::path::PathBuf;

/// Why images cannot be imported, inspected or removed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The runtime does not answer, or refuses.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// No image of this name is in the store.
    #[error("image {0} is not on this host")]
    NotStored(String),
    /// The image belongs to the bundle.
    #[error("image {0} is one of the bundle's, which the node needs")]
    Needed(String),
    /// A container of a pod has the image.
    #[error("image {name} is in use by pod {pod}")]
    Used {
        /// Name as it was given.
        name: String,
        /// Namespace and name of the pod.
        pod: String,
    },
    /// A file or directory cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Underlying error.
        source: io::Error,
    },
    /// The directory contains no archive.
    #[error("no image archive in {}", .0.display())]
    NoArchive(PathBuf),
    /// The archive has no image, or none with the base name.
    #[error("{} has none of the wanted images", .0.display())]
    NoImage(PathBuf),
    /// The file is not a tar archive, or has no list of images.
    #[error("{} is not an image archive", .0.display())]
    NotAnArchive(PathBuf),
    /// The archive is truncated, or its list of images cannot be parsed.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// Underlying error.
        source: io::Error,
    },
    /// An image of the archive has no name.
    #[error("{} has an image without a name", .0.display())]
    Unnamed(PathBuf),
    /// An image of an OCI layout has a tag only, and no base name is given.
    #[error("{} has an image of which it knows only the tag {tag:?}", path.display())]
    TagOnly {
        /// The archive.
        path: PathBuf,
        /// The tag.
        tag: String,
    },
    /// The text is not the name of an image.
    #[error("{0:?} is not the name of an image")]
    Name(String),
    /// The archive cannot be written to the importing process.
    #[error("cannot hand {} on", path.display())]
    Send {
        /// The archive.
        path: PathBuf,
        /// Underlying error.
        source: io::Error,
    },
}

impl ImageError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("name an archive, an OCI layout, a directory of them, or - for standard input".into())
            }
            Self::Read { .. } | Self::Send { .. } | Self::NoImage(_) | Self::Needed(_) | Self::Runtime(_) => None,
            Self::NotStored(_) => Some("usernetes-rs images list".into()),
            Self::Used { pod, .. } => {
                let (namespace, name) = pod.split_once('/').unwrap_or(("default", pod));
                Some(format!("delete what runs it first: usernetes-rs kubectl delete pod -n {namespace} {name}"))
            }
            Self::NoArchive(_) => Some("archives end in .tar, .tar.gz, .tgz, .tar.zst or .tzst".into()),
            Self::NotAnArchive(_) => Some(
                "make one with: docker save -o FILE.tar IMAGE, or skopeo copy docker://IMAGE oci-archive:FILE.tar:NAME"
                    .into(),
            ),
            Self::Damaged { path, .. } => Some(format!("copy {} again and compare its sha256sum", path.display())),
            Self::Unnamed(_) => {
                Some("save the image by its name, not by its id: docker save -o FILE.tar NAME:TAG".into())
            }
            Self::TagOnly { .. } => {
                Some("say which repository the tag belongs to: --base-name REGISTRY/REPOSITORY".into())
            }
            Self::Name(_) => Some("a name looks like registry.example/team/app:1.0".into()),
        }
    }
}
