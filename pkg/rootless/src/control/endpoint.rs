//! The control socket on the host, and the lock that allows one parent for it.

use super::{short_socket_path, socket_path};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use usernetes_host::fs::{self, Context as _, FsError};

/// The control socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// Another parent has locked the directory.
    #[error("already running in {}", path.display())]
    Running {
        /// Runtime directory.
        path: PathBuf,
    },
}

impl EndpointError {
    /// How to resolve the error, if there is a known way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Running { .. } => None,
        }
    }
}

/// The bound socket. Removed when dropped.
pub(crate) struct Endpoint {
    path: PathBuf,
    listener: UnixListener,
    /// Lock on the directory itself for the life of the parent, so no stale lock file can stay.
    _lock: Flock<File>,
}

impl Endpoint {
    /// Makes the directory, 0700, and the socket, 0600; replaces a socket that a killed parent has left.
    pub(crate) fn bind(runtime_dir: &Path) -> Result<Self, EndpointError> {
        fs::create_dir(runtime_dir)?;
        std::fs::set_permissions(runtime_dir, Permissions::from_mode(0o700)).context("protect", runtime_dir)?;
        let directory = File::open(runtime_dir).context("open", runtime_dir)?;
        let lock = Flock::lock(directory, FlockArg::LockExclusiveNonblock)
            .map_err(|_| EndpointError::Running { path: runtime_dir.to_owned() })?;
        let path = socket_path(runtime_dir);
        fs::remove_if_exists(&path)?;
        let listener = UnixListener::bind(short_socket_path(&lock)).context("bind", &path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).context("protect", &path)?;
        listener.set_nonblocking(true).context("prepare", &path)?;
        Ok(Self { path, listener, _lock: lock })
    }

    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = fs::remove_if_exists(&self.path);
    }
}
