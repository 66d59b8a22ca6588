//! Questions to the running node, over its control socket.

use crate::{DaemonError, Instance, Request};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use usernetes_host::LockHolder;
use usernetes_node::{ComponentName, ComponentStatus, NodePlan, NodeStatus, State, components};
use usernetes_rootless::control::{Client, Info, Watch};

/// Interval at which components are looked at while something else is waited for.
const STATUS_PERIOD: Duration = Duration::from_millis(500);

impl Instance {
    /// The runtime directory of the node. The node may have been started in another environment than ours; a link in the
    /// state directory names the directory that it uses. A link to anything but a runtime directory of this cluster is ignored.
    pub fn runtime_dir(&self) -> PathBuf {
        let linked = std::fs::read_link(self.paths.running()).ok();
        linked.filter(|directory| self.paths.is_runtime_name(directory)).unwrap_or_else(|| self.paths.runtime())
    }

    /// Whether a node runs and its control socket accepts connections.
    pub fn is_running(&self) -> bool {
        Client::connect(&self.runtime_dir()).is_ok()
    }

    /// Whether a node runs, even if its control socket is gone: systemd and elogind remove the runtime directory at the
    /// last logout. The node itself must not call this, see [`LockHolder`].
    pub fn is_alive(&self) -> Result<bool, DaemonError> {
        Ok(self.is_running() || LockHolder::of(self.paths.node_lock())?.is_some())
    }

    /// The control socket, or an error whose hint starts or makes the node.
    pub fn connect(&self) -> Result<Client, DaemonError> {
        Client::connect(&self.runtime_dir()).map_err(|source| {
            tracing::debug!(%source, "no control socket");
            if self.paths.config().exists() {
                DaemonError::NotRunning { flag: self.cluster_flag(), source }
            } else {
                self.no_node()
            }
        })
    }

    /// What the node reports of itself; `None` when it does not run.
    pub fn info(&self) -> Option<Info> {
        Client::connect(&self.runtime_dir()).ok()?.info().ok()
    }

    /// The supervisor's status; `None` when the node does not run.
    pub fn node_status(&self) -> Option<NodeStatus> {
        status_of(&self.info()?)
    }

    /// Sends `request` to the child and waits at most `limit` for the answer.
    pub fn ask(&self, request: &Request, limit: Duration) -> Result<serde_json::Value, DaemonError> {
        let mut client = self.connect()?;
        let request = serde_json::to_value(request).expect("plain data");
        let (tx, rx) = mpsc::channel();
        std::thread::spawn(move || drop(tx.send(client.request(request))));
        match rx.recv_timeout(limit) {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(DaemonError::NoAnswer { limit }),
        }
    }

    /// The same as [`Self::ask`], but ends as soon as a component cannot start.
    pub fn ask_unless_hopeless(&self, request: &Request, limit: Duration) -> Result<serde_json::Value, DaemonError> {
        let deadline = Instant::now() + limit;
        let mut client = self.connect()?;
        let request = serde_json::to_value(request).expect("plain data");
        let (tx, rx) = mpsc::channel();
        std::thread::spawn(move || drop(tx.send(client.request(request))));
        loop {
            match rx.recv_timeout(STATUS_PERIOD.min(deadline.saturating_duration_since(Instant::now()))) {
                Ok(answer) => return Ok(answer?),
                Err(_) if Instant::now() >= deadline => return Err(DaemonError::NoAnswer { limit }),
                Err(_) => {}
            }
            if let Some(component) = self.node_status().as_ref().and_then(NodeStatus::hopeless) {
                return Err(self.hopeless_component(component));
            }
        }
    }

    fn hopeless_component(&self, component: &ComponentStatus) -> DaemonError {
        DaemonError::Hopeless { flag: self.cluster_flag(), component: Box::new(component.clone()) }
    }

    /// Waits until every component of the node is ready.
    pub fn wait_for_node(&self, limit: Duration) -> Result<(), DaemonError> {
        let plan = NodePlan::load(&self.paths)?.ok_or(DaemonError::NoPlan)?;
        let names: Vec<_> = components(&plan).into_iter().map(|component| component.name).collect();
        self.wait_for_components(&names, limit)
    }

    /// Watches the supervisor until all of `names` are ready.
    pub fn wait_for_components(&self, names: &[ComponentName], limit: Duration) -> Result<(), DaemonError> {
        let deadline = Instant::now() + limit;
        let changes = watch_status(self.connect()?.watch()?);
        let mut last = NodeStatus::default();
        while let Ok(status) = changes.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            last = status?;
            if names.iter().all(|name| is_ready(&last, *name)) {
                return Ok(());
            }
            if let Some(component) = last.hopeless() {
                return Err(self.hopeless_component(component));
            }
        }
        let flag = self.cluster_flag();
        let late = last.components.iter().filter(|c| names.contains(&c.name) && c.state != State::Ready);
        let late: Vec<_> = late.cloned().collect();
        if Instant::now() < deadline {
            return Err(DaemonError::NodeEnded { flag, late });
        }
        Err(DaemonError::NotReady { flag, limit, late })
    }
}

/// The supervisor's status in the answer of the control socket; `None` when it comes from another version.
pub fn status_of(info: &Info) -> Option<NodeStatus> {
    serde_json::from_value(info.status.clone()).ok()
}

fn is_ready(status: &NodeStatus, name: ComponentName) -> bool {
    status.component(name).is_some_and(|component| component.state == State::Ready)
}

/// A stream of statuses that can be waited for with a limit; its thread ends with the node or with the receiver.
fn watch_status(watch: Watch) -> mpsc::Receiver<Result<NodeStatus, DaemonError>> {
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || {
        for status in watch {
            let status = status.map_err(Into::into).map(|value| serde_json::from_value(value).unwrap_or_default());
            if tx.send(status).is_err() {
                return;
            }
        }
    });
    rx
}

/// `kube-apiserver is Starting (3 restarts, last exit code 1)`
pub(crate) fn describe_component(c: &ComponentStatus) -> String {
    let exit = c.last_exit.as_ref().map_or(String::new(), |exit| format!(", last {exit}"));
    let error = c.last_error.as_ref().map_or(String::new(), |error| format!(": {error}"));
    let waits = c.waits_for.as_ref().map_or(String::new(), |what| format!(", waits for {what}"));
    format!("{} is {:?} ({} restarts{exit}{error}{waits})", c.name, c.state, c.restarts)
}
