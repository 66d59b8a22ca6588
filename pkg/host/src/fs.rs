//! Files: atomic writes with their mode, folders with theirs, the path in every error.

use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// An operation on a path that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct FsError {
    /// What was tried: `write`, `read`, …
    pub action: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// Names the path and the action in an I/O error.
pub trait Context<T> {
    /// `cannot <action> <path>: …`
    fn context(self, action: &'static str, path: impl AsRef<Path>) -> Result<T, FsError>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, action: &'static str, path: impl AsRef<Path>) -> Result<T, FsError> {
        self.map_err(|source| FsError { action, path: path.as_ref().to_owned(), source })
    }
}

/// Permission of a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 0600: keys, tokens, kubeconfigs.
    Secret,
    /// 0644.
    Public,
    /// 0755.
    Program,
}

impl Mode {
    /// The bits.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Secret => 0o600,
            Self::Public => 0o644,
            Self::Program => 0o755,
        }
    }
}

/// Replaces `path` in one step: readers see the old content or all of the new one, never a part; missing folders are made.
pub fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>, mode: Mode) -> Result<(), FsError> {
    let path = path.as_ref();
    let folder = path.parent().unwrap_or(Path::new("."));
    create_dir(folder)?;
    let put = || {
        let mut file = tempfile::Builder::new()
            .prefix(".new-")
            .permissions(std::fs::Permissions::from_mode(mode.bits()))
            .tempfile_in(folder)?;
        file.write_all(content.as_ref())?;
        // A umask may have taken bits away.
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode.bits()))?;
        file.persist(path)?;
        Ok(())
    };
    put().context("write", path)
}

/// Makes a folder and its parents, 0700 where new.
pub fn create_dir(path: impl AsRef<Path>) -> Result<(), FsError> {
    let path = path.as_ref();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).context("make folder", path)
}

/// The whole text of a file.
pub fn read(path: impl AsRef<Path>) -> Result<String, FsError> {
    std::fs::read_to_string(path.as_ref()).context("read", path)
}

/// The whole text of a file, `None` where there is none.
pub fn read_if_exists(path: impl AsRef<Path>) -> Result<Option<String>, FsError> {
    match std::fs::read_to_string(path.as_ref()) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).context("read", path),
    }
}

/// Removes a file; one that is not there is no error.
pub fn remove_if_exists(path: impl AsRef<Path>) -> Result<(), FsError> {
    match std::fs::remove_file(path.as_ref()) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).context("remove", path),
        _ => Ok(()),
    }
}
