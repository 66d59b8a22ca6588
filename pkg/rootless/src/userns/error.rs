//! Errors of user namespaces, on both sides.

use crate::protocol::WireError;
use nix::errno::Errno;
use std::io;
use std::path::PathBuf;
use usernetes_host::{CommandError, FsError};

/// Subordinate ids could not be found or mapped.
#[derive(Debug, thiserror::Error)]
pub enum IdMapError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// The user has no name in /etc/passwd and `id` does not know it.
    #[error("cannot find the name of uid {uid}")]
    NoName {
        /// Uid without a name.
        uid: u32,
        /// Underlying error.
        source: CommandError,
    },
    /// The user has no subordinate ids.
    #[error("user {user} has no subordinate {kind}s in {}", path.display())]
    NoSubIds {
        /// Name of the user.
        user: String,
        /// `uid` or `gid`.
        kind: &'static str,
        /// File that should name them.
        path: PathBuf,
        /// How to add subordinate ids.
        hint: String,
    },
    /// The process has another group than the user's primary one.
    #[error("this process has the group {group} instead of {primary}, the group of user {user}: newuidmap refuses it")]
    OtherGroup {
        /// Name of the user.
        user: String,
        /// Group of the process, with its name.
        group: String,
        /// Primary group of the user, with its name.
        primary: String,
    },
    /// newuidmap or newgidmap failed.
    #[error(transparent)]
    Helper(#[from] CommandError),
}

impl IdMapError {
    /// How to resolve the error, if there is a known way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::NoSubIds { hint, .. } => Some(hint.clone()),
            Self::NoName { uid, .. } => Some(format!(
                "run as a user with a name; or, as root, echo NAME:x:{uid}:GID::/home/NAME:/bin/sh >> /etc/passwd"
            )),
            Self::OtherGroup { .. } => {
                Some("leave the shell of newgrp or sg (exit), then run the command again".into())
            }
            Self::Helper(_) => None,
        }
    }
}

/// A user namespace could not be made.
#[derive(Debug, thiserror::Error)]
pub enum UsernsError {
    /// This program could not be started as a stage.
    #[error("cannot start /proc/self/exe")]
    Start(#[source] io::Error),
    /// Subordinate ids could not be found or mapped.
    #[error(transparent)]
    IdMap(#[from] IdMapError),
    /// The end of the stage could not be awaited.
    #[error("cannot wait for the stage")]
    Wait(#[source] io::Error),
    /// A message to or from the stage failed.
    #[error("the stage does not respond as expected")]
    Wire(#[from] WireError),
    /// The stage reported an error.
    #[error("{0}")]
    Stage(String),
}

impl UsernsError {
    /// How to resolve the error, if there is a known way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::IdMap(error) => error.hint(),
            Self::Start(_) | Self::Wait(_) | Self::Wire(_) | Self::Stage(_) => None,
        }
    }
}

/// A step of a stage failed; reported to the parent process as text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    /// A system call failed.
    #[error("cannot {action}: {source}")]
    System { action: String, source: Errno },
    /// A message to or from the parent process failed.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A program failed.
    #[error(transparent)]
    Program(#[from] CommandError),
}

/// Adds the attempted action to the error of a system call.
pub(crate) trait Action<T> {
    /// The error becomes `cannot <action>: …`.
    fn with_action(self, action: impl Into<String>) -> Result<T, StageError>;
}

impl<T> Action<T> for nix::Result<T> {
    fn with_action(self, action: impl Into<String>) -> Result<T, StageError> {
        self.map_err(|source| StageError::System { action: action.into(), source })
    }
}

impl<T> Action<T> for rustix::io::Result<T> {
    fn with_action(self, action: impl Into<String>) -> Result<T, StageError> {
        self.map_err(|e| Errno::from_raw(e.raw_os_error())).with_action(action)
    }
}

impl<T> Action<T> for io::Result<T> {
    fn with_action(self, action: impl Into<String>) -> Result<T, StageError> {
        self.map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0))).with_action(action)
    }
}
