//! Errors of user namespaces, from both sides.

use crate::protocol::WireError;
use nix::errno::Errno;
use std::io;
use std::path::PathBuf;
use usernetes_host::{CommandError, FsError};

/// Ids cannot be found or mapped.
#[derive(Debug, thiserror::Error)]
pub enum IdMapError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FsError),
    /// The user has no name in /etc/passwd and `id` does not know it.
    #[error("cannot find the name of uid {uid}")]
    NoName {
        /// Which uid.
        uid: u32,
        /// Why.
        source: CommandError,
    },
    /// The user has no subordinate ids.
    #[error("user {user} has no subordinate {kind}s in {}", path.display())]
    NoSubIds {
        /// Which user.
        user: String,
        /// `uid` or `gid`.
        kind: &'static str,
        /// Where they should be.
        path: PathBuf,
    },
    /// newuidmap or newgidmap failed.
    #[error(transparent)]
    Helper(#[from] CommandError),
}

/// No user namespace could be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsernsError {
    /// Our own program could not be started again.
    #[error("cannot start {command}")]
    Start { command: &'static str, source: io::Error },
    /// Ids.
    #[error(transparent)]
    IdMap(#[from] IdMapError),
    /// The stage did not do as expected.
    #[error("the child's first stage")]
    Wire(#[from] WireError),
    /// The stage said why it failed.
    #[error("{0}")]
    Stage(String),
}

/// A step of a stage that failed, told to the starter as text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    /// A system call.
    #[error("cannot {what}: {source}")]
    System { what: String, source: Errno },
    /// The starter.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A program.
    #[error(transparent)]
    Program(#[from] CommandError),
}

/// Names a system call in its error.
pub(crate) trait What<T> {
    /// `cannot <what>: …`
    fn what(self, what: impl Into<String>) -> Result<T, StageError>;
}

impl<T> What<T> for nix::Result<T> {
    fn what(self, what: impl Into<String>) -> Result<T, StageError> {
        self.map_err(|source| StageError::System { what: what.into(), source })
    }
}

impl<T> What<T> for rustix::io::Result<T> {
    fn what(self, what: impl Into<String>) -> Result<T, StageError> {
        self.map_err(|e| Errno::from_raw(e.raw_os_error())).what(what)
    }
}

impl<T> What<T> for io::Result<T> {
    fn what(self, what: impl Into<String>) -> Result<T, StageError> {
        self.map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0))).what(what)
    }
}
