//! Starting and stopping the node, as a systemd user unit or as a detached process.

use crate::{DaemonError, Instance, Request, kept};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;
use usernetes_host::process::{clean_environment, detach};
use usernetes_host::systemd::UserManager;
use usernetes_host::{LockHolder, fs};
use usernetes_rootless::control::{Client, ControlError, Info};

/// Pause between two looks at a unit that starts.
const UNIT_POLL: Duration = Duration::from_millis(20);

/// A node that runs.
#[derive(Debug)]
pub struct Started {
    /// How it was started; `None` when it ran already.
    pub how: Option<How>,
    /// Just before the start, [`Timestamp::UNIX_EPOCH`] when the node ran already. The kubelet's reports from before this
    /// moment come from an earlier run.
    pub since: Timestamp,
    /// What the node reports of itself.
    pub info: Info,
}

/// What keeps the parent process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The user's service manager.
    Unit,
    /// Nothing; it left the session.
    Detached,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unit => "systemd user unit",
            Self::Detached => "detached process",
        })
    }
}

/// Sent once by a detached parent, on the socket that is its standard input.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum StartReport {
    /// The child is up.
    Ready,
    /// It will not be.
    Failed {
        /// The chain of causes.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl StartReport {
    pub(crate) fn send(&self) {
        let Ok(fd) = io::stdin().as_fd().try_clone_to_owned() else { return };
        let line = serde_json::to_string(self).expect("plain data");
        let _ = writeln!(UnixStream::from(fd), "{line}");
    }
}

impl Instance {
    /// Starts the parent and returns when its child is up; a node that runs already stays as it is. The program that runs
    /// the node is a copy in the state directory.
    pub fn start(&self) -> Result<Started, DaemonError> {
        if let Some(info) = self.info() {
            return Ok(Started { how: None, since: Timestamp::UNIX_EPOCH, info });
        }
        self.check_subids()?;
        // Not by its path: the file there may have been replaced since this process was started.
        fs::copy_if_changed("/proc/self/exe", self.paths.program(), fs::Mode::Program)?;
        let since = Timestamp::now();
        // A node whose control socket is gone holds the lock and the ports.
        if self.is_alive()? {
            self.stop(None)?;
        }
        fs::create_dir(self.paths.runtime())?;
        kept::proxies::keep(&self.paths)?;
        let how = if let Some(manager) = self.service_manager() {
            self.start_unit(manager)?;
            How::Unit
        } else {
            self.start_detached()?;
            How::Detached
        };
        let info = self.connect()?.info()?;
        Ok(Started { how: Some(how), since, info })
    }

    /// systemd reports the unit as started when its components are ready, and nothing when the control socket is. So this
    /// looks at the socket.
    fn start_unit(&self, manager: UserManager) -> Result<(), DaemonError> {
        let unit = self.unit();
        manager.install(&unit)?;
        manager.enable(&unit.name)?;
        let (tx, rx) = mpsc::channel();
        std::thread::spawn(move || drop(tx.send(manager.start(&unit.name))));
        loop {
            match rx.recv_timeout(UNIT_POLL) {
                Ok(started) => return Ok(started?),
                Err(_) if self.info().is_some_and(|info| info.ready) => return Ok(()),
                Err(_) => {}
            }
        }
    }

    fn start_detached(&self) -> Result<(), DaemonError> {
        let log = self.log();
        let (ours, theirs) =
            UnixStream::pair().map_err(|source| DaemonError::Io { action: "make a socket pair", source })?;
        let mut command = Command::new(self.paths.program());
        clean_environment(&mut command).args(["daemon", "--detached", "--cluster", &self.paths.cluster.to_string()]);
        let parent = detach(&mut command, OwnedFd::from(theirs), &log)?;
        // It holds the parent's end of the pair too: only without it does the end of the parent close the pair.
        drop(command);
        tracing::debug!(pid = parent.id(), "parent started");
        let mut line = String::new();
        BufReader::new(ours).read_line(&mut line).map_err(|source| DaemonError::Io {
            action: "read the start report of the node's parent process",
            source,
        })?;
        match serde_json::from_str(&line) {
            Ok(StartReport::Ready) => Ok(()),
            Ok(StartReport::Failed { message, hint }) => Err(DaemonError::StartFailed { message, hint }),
            Err(_) => Err(DaemonError::ParentEnded { log }),
        }
    }

    /// The log of a detached parent and its child.
    pub fn log(&self) -> PathBuf {
        usernetes_node::logs::daemon_log_path(&self.paths.logs())
    }

    /// Stops the node and waits until nothing of it is left; `false` when none was running. `pods` is the time for pods to
    /// end, that of the configuration when absent.
    pub fn stop(&self, pods: Option<usernetes_api::Duration>) -> Result<bool, DaemonError> {
        let was_alive = self.is_alive()?;
        if let Some(timeout) = pods {
            let request = serde_json::to_value(Request::StopTimeout { timeout }).expect("plain data");
            let asked = Client::connect(&self.runtime_dir()).and_then(|mut client| client.request(request));
            tracing::debug!(?asked, "time for pods to end");
        }
        // A node may end by the control socket even where the manager fails to stop its unit.
        let unit = self.service_manager().map_or(Ok(()), |manager| manager.stop(&self.unit_name()));
        let asked = Client::connect(&self.runtime_dir()).and_then(Client::shutdown);
        if let Some(node) = LockHolder::of(self.paths.node_lock())? {
            tracing::warn!(?node, ?asked, "node does not respond; sending SIGTERM");
            node.end(self.stop_limit())?;
        } else if !matches!(asked, Err(ControlError::NotRunning { .. })) {
            asked?;
        }
        unit?;
        Ok(was_alive)
    }
}
