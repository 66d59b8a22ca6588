//! The child's process.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// PID 1 of the namespaces, by its process id on the host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Child(pub(super) i32);

impl Child {
    /// Kills the child at once.
    pub(super) fn kill(self) {
        let _ = kill(self.pid(), Signal::SIGKILL);
    }

    /// The child's process id on the host.
    pub(super) fn pid(self) -> Pid {
        Pid::from_raw(self.0)
    }
}
