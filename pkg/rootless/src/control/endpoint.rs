//! Where the control socket lies, and that there is one parent for it.

use super::socket_path;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use usernetes_host::fs::{self, Context as _, FsError};

/// The control socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// A file operation.
    #[error(transparent)]
    File(#[from] FsError),
    /// Another parent holds the folder.
    #[error("already running in {}", path.display())]
    Running {
        /// The runtime folder.
        path: PathBuf,
    },
}

/// The bound socket. Removed at the end.
pub(crate) struct Endpoint {
    path: PathBuf,
    listener: UnixListener,
    /// Held on the folder as long as the parent lives, so no file stays behind that means nothing.
    _lock: Flock<File>,
}

impl Endpoint {
    /// Makes the folder, 0700, and the socket, 0600; one that a killed parent has left is replaced.
    pub(crate) fn bind(runtime_dir: &Path) -> Result<Self, EndpointError> {
        fs::create_dir(runtime_dir)?;
        std::fs::set_permissions(runtime_dir, Permissions::from_mode(0o700)).context("protect", runtime_dir)?;
        let folder = File::open(runtime_dir).context("open", runtime_dir)?;
        let lock = Flock::lock(folder, FlockArg::LockExclusiveNonblock)
            .map_err(|_| EndpointError::Running { path: runtime_dir.to_owned() })?;
        let path = socket_path(runtime_dir);
        fs::remove_if_exists(&path)?;
        let listener = UnixListener::bind(&path).context("bind", &path)?;
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
