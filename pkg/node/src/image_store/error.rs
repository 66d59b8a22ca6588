//! Why images cannot be imported, and with hints.

use std::io;
use std::path::PathBuf;

/// Why images cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file or directory that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory that has none.
    #[error("no image archive in {}", .0.display())]
    NoArchive(PathBuf),
    /// An archive whose list is empty, or has nothing of the wanted base name.
    #[error("{} has none of the wanted images", .0.display())]
    NoImage(PathBuf),
    /// Not a tar file, or one without a list of images.
    #[error("{} is not an image archive", .0.display())]
    NotAnArchive(PathBuf),
    /// An archive that breaks off, or whose list of images is not one.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An image that nothing could refer to.
    #[error("{} has an image without a name", .0.display())]
    Unnamed(PathBuf),
    /// An OCI layout may give its images tags only.
    #[error("{} has an image of which it knows only the tag {tag:?}", path.display())]
    TagOnly {
        /// The archive.
        path: PathBuf,
        /// The tag.
        tag: String,
    },
    /// A word that cannot name an image.
    #[error("{0:?} is not the name of an image")]
    Name(String),
    /// Whoever takes the stream does not.
    #[error("cannot hand {} on", path.display())]
    Send {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ImageError {
    /// The command that helps.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("name an archive, an OCI layout, a directory of them, or - for standard input".into())
            }
            Self::Read { .. } | Self::Send { .. } | Self::NoImage(_) => None,
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
