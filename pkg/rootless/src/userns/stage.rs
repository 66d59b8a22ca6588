//! Stages of the child: this program executed again, marked by `argv[0]`.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// `argv[0]` of every stage.
const ARGV0: &str = "usernetes-rs-child";

/// Variables that name services of the host's session. A component would connect to the wrong service, and with
/// `NOTIFY_SOCKET` it could report the unit as started too early.
const SESSION_VARIABLES: [&str; 7] = [
    "NOTIFY_SOCKET",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "LISTEN_FDS",
    "LISTEN_PID",
    "WATCHDOG_USEC",
];

/// Task of a process of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Makes the namespaces and starts PID 1.
    Unshare,
    /// Is PID 1.
    Init,
    /// Deletes paths as root of a user namespace.
    Remove,
    /// Probes what the kernel allows.
    Probe,
    /// Probes whether a PID namespace can have a `/proc`.
    ProbeProc,
    /// Runs a command in a running child's namespaces.
    Enter,
}

impl Stage {
    const ALL: [Self; 6] = [Self::Unshare, Self::Init, Self::Remove, Self::Probe, Self::ProbeProc, Self::Enter];

    fn name(self) -> &'static str {
        match self {
            Self::Unshare => "unshare",
            Self::Init => "init",
            Self::Remove => "remove",
            Self::Probe => "probe",
            Self::ProbeProc => "probe-proc",
            Self::Enter => "enter",
        }
    }

    /// Stage of this process, if it is one.
    pub(crate) fn current() -> Option<Self> {
        let mut args = std::env::args_os();
        if args.next()? != ARGV0 {
            return None;
        }
        let name = args.next()?;
        Self::ALL.into_iter().find(|stage| name == stage.name())
    }

    /// A command that starts this stage.
    pub(crate) fn command(self) -> Command {
        // The kernel's link leads to this program even if its file was replaced or removed.
        let mut command = Command::new("/proc/self/exe");
        command.arg0(ARGV0).arg(self.name());
        hide_session(&mut command);
        command
    }

    /// A command that starts this stage with one end of a socket pair as standard input.
    pub(crate) fn command_with(self, socket: OwnedFd) -> Command {
        let mut command = self.command();
        command.stdin(Stdio::from(socket));
        command
    }
}

/// Removes the variables of the host's session from a command.
pub(crate) fn hide_session(command: &mut Command) {
    for variable in SESSION_VARIABLES {
        command.env_remove(variable);
    }
}
