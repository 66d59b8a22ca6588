//! One process to a folder: a lock file by which everybody finds the process that holds it, whatever became of its
//! sockets.
//!
//! A record lock, and no `flock` as in [`crate::lock`]: the kernel itself names its holder, and to look takes no lock
//! that could be in the way of the next holder. The price: a process that closes the file, however often it has opened
//! it, lets go of the lock. So who has a [`Tenancy`] must not look for a [`Tenant`] of the same file.

use crate::FsError;
use crate::fs::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, Pid, PidfdFlags, Signal, fcntl_getlk, pidfd_open, pidfd_send_signal};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Held until dropped, or until the process ends in any way.
#[derive(Debug)]
pub struct Tenancy(#[expect(dead_code, reason = "its close unlocks")] File);

/// The process that has the tenancy.
#[derive(Debug)]
pub struct Tenant {
    path: PathBuf,
    pid: Pid,
}

/// The tenancy could not be had, or its holder not be ended.
#[derive(Debug, thiserror::Error)]
pub enum TenancyError {
    /// Somebody has it.
    #[error("process {pid} has {}", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Whose it is.
        pid: i32,
    },
    /// It does not end.
    #[error("process {pid} has not ended within {limit:?}")]
    Stays {
        /// Which.
        pid: i32,
        /// How long was waited.
        limit: Duration,
    },
    /// The file is not accessible.
    #[error(transparent)]
    File(#[from] FsError),
}

impl TenancyError {
    /// What the user does about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            // The caller knows who that is.
            Self::Held { .. } => None,
            Self::Stays { pid, .. } => Some(format!("kill -KILL {pid}, and run it again")),
            Self::File(error) => error.hint(),
        }
    }
}

impl Tenancy {
    /// Takes it, or says who has it. The file stays when it is let go, as that of [`crate::Lock`].
    pub fn take(path: impl AsRef<Path>) -> Result<Self, TenancyError> {
        let path = path.as_ref();
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = file.context("open lock", path)?;
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            // POSIX allows either.
            Err(Errno::AGAIN | Errno::ACCESS) => {
                Err(TenancyError::Held { path: path.into(), pid: Pid::as_raw(holder(&file, path)?) })
            }
            Err(errno) => Err(FsError { action: "lock", path: path.into(), source: errno.into() }.into()),
        }
    }
}

impl Tenant {
    /// Who holds the file, if anybody does.
    pub fn of(path: impl AsRef<Path>) -> Result<Option<Self>, FsError> {
        let path = path.as_ref();
        match File::open(path) {
            Ok(file) => Ok(holder(&file, path)?.map(|pid| Self { path: path.into(), pid })),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).context("open lock", path),
        }
    }

    /// Sends SIGTERM and returns when the process is gone.
    pub fn end(&self, limit: Duration) -> Result<(), TenancyError> {
        let pid = self.pid.as_raw_nonzero().get();
        let failed = |errno: Errno| {
            Err(FsError { action: "end the holder of", path: self.path.clone(), source: errno.into() }.into())
        };
        let process = match pidfd_open(self.pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(Errno::SRCH) => return Ok(()),
            Err(errno) => return failed(errno),
        };
        // Its number may have become somebody else's before we held on to the process.
        if Self::of(&self.path)?.is_none_or(|now| now.pid != self.pid) {
            return Ok(());
        }
        match pidfd_send_signal(&process, Signal::TERM) {
            Ok(()) => {}
            Err(Errno::SRCH) => return Ok(()),
            Err(errno) => return failed(errno),
        }
        let wait = Timespec::try_from(limit).ok();
        let ended = rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(&process, PollFlags::IN)], wait.as_ref()));
        match ended {
            Ok(0) => Err(TenancyError::Stays { pid, limit }),
            Ok(_) => Ok(()),
            Err(errno) => failed(errno),
        }
    }
}

/// Whose lock keeps others from the file.
fn holder(file: &File, path: &Path) -> Result<Option<Pid>, FsError> {
    let lock =
        fcntl_getlk(file, &Flock::from(FlockType::WriteLock)).map_err(Into::into).context("ask for lock", path)?;
    Ok(lock.and_then(|lock| lock.pid))
}

#[cfg(test)]
mod tests;
