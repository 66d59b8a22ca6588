//! Lock of a process on a directory: a lock file by which other processes find the holder, also when its sockets are
//! gone.
//!
//! It is a record lock and no `flock` as in [`crate::lock`]: the kernel names its holder, and a look takes no lock that
//! could be in the way of the next holder. The price: a process that closes the file, however often it has opened it,
//! releases the lock. So the holder of a [`ProcessLock`] must not look for a [`LockHolder`] of the same file.

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

/// Held until dropped or until the process ends.
#[derive(Debug)]
pub struct ProcessLock(#[expect(dead_code, reason = "its close unlocks")] File);

/// The process that holds a [`ProcessLock`].
#[derive(Debug)]
pub struct LockHolder {
    path: PathBuf,
    pid: Pid,
}

/// The lock cannot be acquired, or its holder cannot be ended.
#[derive(Debug, thiserror::Error)]
pub enum ProcessLockError {
    /// Another process holds it.
    #[error("process {pid} has {}", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Pid of the holder.
        pid: i32,
    },
    /// The holder does not end.
    #[error("process {pid} has not ended within {limit:?}")]
    Stays {
        /// Pid of the holder.
        pid: i32,
        /// Time that was waited.
        limit: Duration,
    },
    /// The file is not accessible.
    #[error(transparent)]
    File(#[from] FsError),
}

impl ProcessLockError {
    /// What to do about the error.
    pub fn hint(&self) -> Option<String> {
        match self {
            // The caller knows the purpose of the holder.
            Self::Held { .. } => None,
            Self::Stays { pid, .. } => Some(format!("kill -KILL {pid}, and run it again")),
            Self::File(error) => error.hint(),
        }
    }
}

impl ProcessLock {
    /// Acquires the lock; an error names another holder. The file stays when the lock is released, as that of [`crate::Lock`].
    pub fn take(path: impl AsRef<Path>) -> Result<Self, ProcessLockError> {
        let path = path.as_ref();
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = file.context("open lock", path)?;
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            // POSIX allows either.
            Err(Errno::AGAIN | Errno::ACCESS) => {
                Err(ProcessLockError::Held { path: path.into(), pid: Pid::as_raw(find_holder(&file, path)?) })
            }
            Err(errno) => Err(FsError { action: "lock", path: path.into(), source: errno.into() }.into()),
        }
    }
}

impl LockHolder {
    /// The process that holds the lock, if there is one.
    pub fn of(path: impl AsRef<Path>) -> Result<Option<Self>, FsError> {
        let path = path.as_ref();
        match File::open(path) {
            Ok(file) => Ok(find_holder(&file, path)?.map(|pid| Self { path: path.into(), pid })),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).context("open lock", path),
        }
    }

    fn end_error(&self, errno: Errno) -> ProcessLockError {
        FsError { action: "end the holder of", path: self.path.clone(), source: errno.into() }.into()
    }

    /// Sends SIGTERM and returns when the process is gone.
    pub fn end(&self, limit: Duration) -> Result<(), ProcessLockError> {
        let pid = self.pid.as_raw_nonzero().get();
        let process = match pidfd_open(self.pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(Errno::SRCH) => return Ok(()),
            Err(errno) => return Err(self.end_error(errno)),
        };
        // The pid may have been reused before the pidfd was opened.
        if Self::of(&self.path)?.is_none_or(|now| now.pid != self.pid) {
            return Ok(());
        }
        match pidfd_send_signal(&process, Signal::TERM) {
            Ok(()) => {}
            Err(Errno::SRCH) => return Ok(()),
            Err(errno) => return Err(self.end_error(errno)),
        }
        let wait = Timespec::try_from(limit).ok();
        let ended = rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(&process, PollFlags::IN)], wait.as_ref()));
        match ended {
            Ok(0) => Err(ProcessLockError::Stays { pid, limit }),
            Ok(_) => Ok(()),
            Err(errno) => Err(self.end_error(errno)),
        }
    }
}

/// The holder of the lock that conflicts with a write lock.
fn find_holder(file: &File, path: &Path) -> Result<Option<Pid>, FsError> {
    let lock =
        fcntl_getlk(file, &Flock::from(FlockType::WriteLock)).map_err(Into::into).context("ask for lock", path)?;
    Ok(lock.and_then(|lock| lock.pid))
}

#[cfg(test)]
mod tests;
