//! Why the child could not be run.

use crate::control::EndpointError;
use crate::network::NetworkError;
use crate::protocol::WireError;
use crate::userns::UsernsError;
use crate::userns::add_command;
use crate::userns::{ENOUGH_IDS, IdMapError};
use std::io;
use usernetes_host::FsError;

/// Why the child could not be run, or did not come up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The runtime.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// Subordinate ids or their maps.
    #[error(transparent)]
    IdMap(#[from] IdMapError),
    /// The cgroup, or a folder.
    #[error(transparent)]
    File(#[from] FsError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] EndpointError),
    /// The network helper could not be started.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The child said why it ended before the payload was up.
    #[error("the child failed: {0}")]
    Child(String),
    /// The protocol between parent and child was not kept.
    #[error("the child does not answer as expected: {0}")]
    Protocol(String),
}

impl Error {
    /// What cures it, if something does.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) | Self::IdMap(IdMapError::File(error)) | Self::Control(EndpointError::File(error)) => {
                error.hint()
            }
            Self::IdMap(IdMapError::NoSubIds { user, .. }) => Some(add_command(user, ENOUGH_IDS)),
            Self::Network(error) => error.hint(),
            _ => None,
        }
    }

    /// Names a system call.
    pub(super) fn system(what: &'static str) -> impl FnOnce(nix::errno::Errno) -> Self {
        move |errno| Self::System { what, source: errno.into() }
    }
}

impl From<WireError> for Error {
    fn from(error: WireError) -> Self {
        Self::Protocol(error.to_string())
    }
}

impl From<UsernsError> for Error {
    fn from(error: UsernsError) -> Self {
        match error {
            UsernsError::Start { source, .. } => Self::Runtime(source),
            UsernsError::IdMap(error) => Self::IdMap(error),
            UsernsError::Wire(error) => error.into(),
            UsernsError::Stage(message) => Self::Child(message),
        }
    }
}
