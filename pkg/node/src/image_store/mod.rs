//! Images in the runtime's store: import archives and OCI layouts, pull by name, list, remove. An archive is read once, as a stream.

mod crio;
mod ctr;
mod error;
mod names;
mod send;
mod stored;

pub use crio::list_crio_images;
pub use ctr::{StoredImage, import_command, list_command, parse_list, pull_command};
pub use error::ImageError;
pub use names::full_name;
pub use send::Sent;
pub use stored::{RuntimeStore, UnusedImage};

use std::path::{Path, PathBuf};

/// A source of images to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An archive on standard input.
    Stdin,
    /// An archive in the format of `docker save` or with an OCI layout: tar, plain or compressed by gzip or zstd.
    File(PathBuf),
    /// A directory with an OCI layout.
    Layout(PathBuf),
}

/// Endings of file names that are taken for archives in a directory.
const ENDINGS: [&str; 5] = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst"];
/// Name of the file that marks a directory or an archive as an OCI layout.
const LAYOUT: &str = "oci-layout";

/// The platform of this machine's images in containerd's notation, such as `linux/amd64`.
pub(crate) fn host_platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    format!("linux/{architecture}")
}

impl Source {
    /// The sources at `path`: standard input for `-`, an archive, an OCI layout, or every archive and layout in a directory.
    pub fn find(path: &Path) -> Result<Vec<Self>, ImageError> {
        if path == Path::new("-") {
            return Ok(vec![Self::Stdin]);
        }
        if let Some(layout) = Self::from_layout(path) {
            return Ok(vec![layout]);
        }
        let unreadable = |source| ImageError::Read { path: path.to_owned(), source };
        if !path.metadata().map_err(unreadable)?.is_dir() {
            return Ok(vec![Self::File(path.to_owned())]);
        }
        let mut found = Vec::new();
        for entry in path.read_dir().map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if let Some(layout) = Self::from_layout(&path) {
                found.push(layout);
            } else if path.is_file() && ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                found.push(Self::File(path));
            }
        }
        found.sort_by(|a, b| a.path().cmp(b.path()));
        if found.is_empty() { Err(ImageError::NoArchive(path.to_owned())) } else { Ok(found) }
    }

    fn from_layout(path: &Path) -> Option<Self> {
        path.join(LAYOUT).is_file().then(|| Self::Layout(path.to_owned()))
    }

    /// Path of the source, `-` for standard input.
    pub fn path(&self) -> &Path {
        match self {
            Self::Stdin => Path::new("-"),
            Self::File(path) | Self::Layout(path) => path,
        }
    }

    /// Number of bytes to read; `None` if unknown.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Stdin | Self::Layout(_) => None,
            Self::File(path) => path.metadata().ok().map(|meta| meta.len()),
        }
    }
}

#[cfg(test)]
mod tests;
