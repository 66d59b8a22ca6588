//! What the payload is given.

use crate::Spec;
use crate::control::PayloadRequest;
use crate::ports::PortManager;
use crate::protocol::ParentLink;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use usernetes_host::Reaper;

/// Everything a payload works with. Its parts can be taken apart and given to tasks.
pub struct ChildContext {
    /// What the caller wanted.
    pub spec: Arc<Spec>,
    /// Process id of PID 1 as the host sees it.
    pub host_pid: i32,
    /// Starts processes. Nothing else in this process may wait for children.
    pub reaper: Reaper,
    /// Published ports.
    pub ports: PortManager,
    /// Cancelled when the payload has to end.
    pub shutdown: CancellationToken,
    /// Says that the payload is up.
    pub ready: ReadyNotifier,
    /// The payload's status, seen by clients of the control socket.
    pub status: Status,
    /// Requests of clients that only the payload understands.
    pub requests: mpsc::Receiver<PayloadRequest>,
    /// What became of the spec's sysctls.
    pub sysctls: Vec<SysctlOutcome>,
}

/// One sysctl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysctlOutcome {
    /// Its name with dots.
    pub name: String,
    /// The value that was wanted.
    pub value: String,
    /// Why it could not be set.
    pub failure: Option<String>,
}

/// The payload's status. Every change is streamed to the clients that watch.
#[derive(Clone, Debug)]
pub struct Status(pub(crate) watch::Sender<Value>);

impl Status {
    /// Replaces it; a value that is the same wakes nobody.
    pub fn set(&self, value: Value) {
        self.0.send_if_modified(|old| {
            let changed = *old != value;
            *old = value;
            changed
        });
    }

    /// The present one.
    pub fn get(&self) -> Value {
        self.0.borrow().clone()
    }
}

/// Says that the payload is up.
#[derive(Clone)]
pub struct ReadyNotifier {
    pub(crate) ready: watch::Sender<bool>,
    pub(crate) parent: Arc<ParentLink>,
}

impl ReadyNotifier {
    /// The parent hears [`Event::Ready`](crate::Event::Ready); further calls do nothing.
    pub async fn notify(&self) {
        if !self.ready.send_replace(true) {
            self.parent.ready().await;
        }
    }

    /// The parent hears [`Event::Steady`](crate::Event::Steady), at every call.
    pub async fn steady(&self) {
        self.parent.steady().await;
    }
}
