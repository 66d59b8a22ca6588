//! Files that other programs edit as well, such as `~/.kube/config`: changed under the lock file of client-go
//! (`tools/clientcmd`, `lockFile`), through symbolic links, with the mode kept.

use crate::fs::{self, Context as _, FsError};
use std::fs::{File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Pause between two attempts to create the lock file.
const PERIOD: Duration = Duration::from_millis(50);
/// Most links in a row, as the kernel follows.
const MAX_LINKS: usize = 40;

/// A shared file could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum SharedFileError {
    /// Another program holds the lock file, or left it behind.
    #[error("{} is locked: {} exists for longer than {} s", path.display(), lock.display(), limit.as_secs())]
    Locked {
        /// The file.
        path: PathBuf,
        /// Its lock file.
        lock: PathBuf,
        /// How long it was waited for.
        limit: Duration,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
}

impl SharedFileError {
    /// What to do about the error.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Locked { lock, .. } => Some(format!(
                "run it again when kubectl config has ended; if nothing uses the file, rm {}",
                lock.display()
            )),
            Self::File(error) => error.hint(),
        }
    }
}

/// The lock file of a shared file, removed when dropped.
#[derive(Debug)]
pub struct SharedFile {
    path: PathBuf,
    lock: PathBuf,
}

impl SharedFile {
    /// Creates the lock file `<path>.lock`, for which it waits at most `limit`. Missing directories are created.
    pub fn lock(path: impl Into<PathBuf>, limit: Duration) -> Result<Self, SharedFileError> {
        let path = path.into();
        fs::create_dir(path.parent().unwrap_or(Path::new(".")))?;
        let mut name = path.clone().into_os_string();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let end = Instant::now() + limit;
        loop {
            match File::options().write(true).create_new(true).mode(0o0).open(&lock) {
                Ok(_) => return Ok(Self { path, lock }),
                Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                    return Err(FsError { action: "create lock", path: lock, source: e }.into());
                }
                Err(_) if Instant::now() >= end => return Err(SharedFileError::Locked { path, lock, limit }),
                Err(_) => std::thread::sleep(PERIOD),
            }
        }
    }

    /// Its text; `None` if it does not exist.
    pub fn read(&self) -> Result<Option<String>, FsError> {
        fs::read_if_exists(&self.path)
    }

    /// Replaces its content in one step. A link stays, and the file to which it leads is replaced. A new file gets mode 0600.
    pub fn write(&self, content: &str) -> Result<(), FsError> {
        let target = follow_links(&self.path)?;
        let mode = target.metadata().map_or(fs::Mode::Secret.bits(), |meta| meta.permissions().mode() & 0o7777);
        let directory = target.parent().unwrap_or(Path::new("."));
        fs::create_dir(directory)?;
        let permissions = Permissions::from_mode(mode);
        fs::replace_file(&target, directory, content.as_bytes(), permissions).context("write", &target)
    }
}

impl Drop for SharedFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_if_exists(&self.lock) {
            tracing::warn!(%error, "a lock file stays");
        }
    }
}

/// The file to which `path` leads, which need not exist.
fn follow_links(path: &Path) -> Result<PathBuf, FsError> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match std::fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new(".")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(std::io::Error::from(rustix::io::Errno::LOOP)).context("follow", path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn edit(path: &Path, text: &str) {
        let file = SharedFile::lock(path, Duration::ZERO).expect("free");
        file.write(text).expect("writable");
    }

    #[test]
    fn links_and_modes_are_kept() {
        let top = tempfile::tempdir().expect("a directory");
        let (link, middle, target) =
            (top.path().join("kube/config"), top.path().join("link"), top.path().join("dot/file"));
        fs::create_dir(top.path().join("kube")).expect("writable");
        symlink("../link", &link).expect("writable");
        symlink("dot/file", &middle).expect("writable");
        edit(&link, "new");
        assert_eq!(target.metadata().expect("made").permissions().mode() & 0o7777, 0o600);
        std::fs::set_permissions(&target, Permissions::from_mode(0o640)).expect("ours");
        edit(&link, "newer");
        assert_eq!(fs::read(&target).expect("there"), "newer");
        assert_eq!(target.metadata().expect("there").permissions().mode() & 0o7777, 0o640);
        assert!(link.is_symlink() && middle.is_symlink());
        let left = |directory: &str| std::fs::read_dir(top.path().join(directory)).expect("there").count();
        assert_eq!((left("kube"), left("dot")), (1, 1), "nothing is left beside them");
    }

    #[test]
    fn a_lock_file_is_waited_for_and_named() {
        let top = tempfile::tempdir().expect("a directory");
        let path = top.path().join("config");
        let lock = top.path().join("config.lock");
        let held = SharedFile::lock(&path, Duration::ZERO).expect("free");
        assert!(lock.exists());
        let error = SharedFile::lock(&path, Duration::from_millis(60)).expect_err("held");
        assert!(error.hint().is_some_and(|hint| hint.ends_with(&format!("rm {}", lock.display()))), "{error}");
        let waiter = std::thread::spawn(move || SharedFile::lock(path, Duration::from_secs(10)).map(drop));
        drop(held);
        waiter.join().expect("ended").expect("free in time");
        assert!(!lock.exists());
    }

    #[test]
    fn a_loop_of_links_is_an_error() {
        let top = tempfile::tempdir().expect("a directory");
        let path = top.path().join("config");
        symlink("config", &path).expect("writable");
        SharedFile::lock(&path, Duration::ZERO).expect("free").write("").expect_err("a loop");
        assert!(path.is_symlink());
    }
}
