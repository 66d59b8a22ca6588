//! Lock of a workflow, so that one at a time changes a cluster. The file names its holder.

use crate::FsError;
use crate::fs::Context as _;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Held until dropped or until the process ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "its drop unlocks")] Flock<File>);

/// The lock cannot be acquired.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("another usernetes-rs {holder} is running on this cluster ({} is locked)", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// `init (pid 123)`.
        holder: String,
    },
    /// The file is not accessible.
    #[error(transparent)]
    File(#[from] FsError),
}

impl LockError {
    /// What to do about the error.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Held { .. } => Some("wait until it has ended, or end it".into()),
            Self::File(error) => error.hint(),
        }
    }
}

impl Lock {
    /// Takes the lock for `purpose` (`init`, `reset`); an error names another holder.
    ///
    /// The file stays when the lock is released: removing it would let two processes lock two files of one name.
    pub fn acquire(path: impl AsRef<Path>, purpose: &str) -> Result<Self, LockError> {
        let path = path.as_ref();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = file.context("open lock", path)?;
        let mut file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((file, Errno::EWOULDBLOCK)) => {
                return Err(LockError::Held { path: path.into(), holder: read_holder(file) });
            }
            Err((_, errno)) => {
                return Err(FsError { action: "lock", path: path.into(), source: errno.into() }.into());
            }
        };
        let text = format!("{purpose} (pid {})\n", std::process::id());
        replace_text(&mut file, &text).context("write", path)?;
        Ok(Self(file))
    }
}

fn replace_text(file: &mut File, text: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

/// The text of the holder, which may not have written it yet.
fn read_holder(mut file: File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "process".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_learns_who_has_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("lock");
        std::fs::write(&path, "something much longer (pid 1234567890)\n").expect("writable");
        let first = Lock::acquire(&path, "init").expect("free");
        let error = Lock::acquire(&path, "reset").expect_err("held");
        let want = format!(
            "another usernetes-rs init (pid {}) is running on this cluster ({} is locked)",
            std::process::id(),
            path.display()
        );
        assert_eq!(error.to_string(), want);
        assert!(error.hint().is_some());
        drop(first);
        Lock::acquire(&path, "reset").expect("free again");
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = Lock::acquire("/nonexistent/lock", "init").expect_err("no directory");
        assert_eq!(error.to_string(), "cannot open lock /nonexistent/lock");
    }
}
