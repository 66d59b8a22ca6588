//! The runtime's images as people handle them: archives are read once, from start to end, and their images named.

mod crio;
mod ctr;
mod error;
mod names;
mod send;

pub use crio::list_crio_images;
pub use ctr::{StoredImage, import_command, list_command, parse_list, pull_command};
pub use error::ImageError;
pub use names::full_name;
pub use send::Sent;

use std::path::{Path, PathBuf};

/// Where images come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An archive on standard input.
    Stdin,
    /// An archive: tar, alone or in gzip or zstd, as `docker save` or with an OCI layout in it.
    File(PathBuf),
    /// A directory with an OCI layout.
    Layout(PathBuf),
}

/// Names that an archive may have in a directory of archives.
const ENDINGS: [&str; 5] = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst"];
/// What makes a directory, or an archive, an OCI layout.
const LAYOUT: &str = "oci-layout";

/// What this machine's images are for, as containerd writes it.
pub(crate) fn host_platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    format!("linux/{architecture}")
}

impl Source {
    /// What `path` names: standard input for `-`, an archive, a layout, or every archive and layout of a directory.
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

    /// Its path, `-` for standard input.
    pub fn path(&self) -> &Path {
        match self {
            Self::Stdin => Path::new("-"),
            Self::File(path) | Self::Layout(path) => path,
        }
    }

    /// How many bytes will be read, where that is known.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Stdin | Self::Layout(_) => None,
            Self::File(path) => path.metadata().ok().map(|meta| meta.len()),
        }
    }
}

#[cfg(test)]
mod tests;
