//! Errors of [`run_parent`](crate::run_parent).

use crate::control::EndpointError;
use crate::network::NetworkError;
use crate::protocol::WireError;
use crate::userns::{IdMapError, UsernsError};
use std::io;
use usernetes_host::FsError;

/// The child could not be run, or failed before the payload was up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("cannot {action}")]
    System {
        /// Attempted action.
        action: &'static str,
        /// Underlying error.
        source: io::Error,
    },
    /// The asynchronous runtime, its signal handlers, or a process of this program could not be started.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// Subordinate ids could not be found or mapped.
    #[error(transparent)]
    IdMap(#[from] IdMapError),
    /// A cgroup or a directory could not be prepared.
    #[error(transparent)]
    File(#[from] FsError),
    /// The control socket could not be made.
    #[error(transparent)]
    Control(#[from] EndpointError),
    /// The network driver could not be started.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The child reported an error before the payload was up.
    #[error("the child failed: {0}")]
    Child(String),
    /// A message to or from the child failed.
    #[error("the child does not respond as expected")]
    Protocol(#[from] WireError),
}

impl Error {
    /// How to resolve the error, if there is a known way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::IdMap(error) => error.hint(),
            Self::Control(error) => error.hint(),
            Self::Network(error) => error.hint(),
            _ => None,
        }
    }

    /// Adds the attempted action to the error of a system call.
    pub(super) fn system_call(action: &'static str) -> impl FnOnce(nix::errno::Errno) -> Self {
        move |errno| Self::System { action, source: errno.into() }
    }
}

impl From<UsernsError> for Error {
    fn from(error: UsernsError) -> Self {
        match error {
            UsernsError::Start(source) | UsernsError::Wait(source) => Self::Runtime(source),
            UsernsError::IdMap(error) => Self::IdMap(error),
            UsernsError::Wire(error) => Self::Protocol(error),
            UsernsError::Stage(message) => Self::Child(message),
        }
    }
}
