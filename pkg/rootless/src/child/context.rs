//! The interface of the payload.

use crate::Spec;
use crate::control::PayloadRequest;
use crate::ports::PortManager;
use crate::protocol::ParentLink;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use usernetes_host::Reaper;

/// Everything that a payload works with. The fields can be moved to tasks.
pub struct ChildContext {
    /// Specification of the child.
    pub spec: Arc<Spec>,
    /// Process id of PID 1 as the host sees it.
    pub host_pid: i32,
    /// Starts processes. Nothing else in this process may wait for children.
    pub reaper: Reaper,
    /// Published ports.
    pub ports: PortManager,
    /// Cancelled when the payload has to end.
    pub shutdown: CancellationToken,
    /// Reports that the payload is up.
    pub ready: ReadyNotifier,
    /// The payload's status, seen by clients of the control socket.
    pub status: Status,
    /// Requests of clients that only the payload understands.
    pub requests: mpsc::Receiver<PayloadRequest>,
    /// Results of the spec's sysctls.
    pub sysctls: Vec<SysctlOutcome>,
}

/// Result of setting one sysctl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysctlOutcome {
    /// Name with dots.
    pub name: String,
    /// Value from the spec.
    pub value: String,
    /// Error in words, if it could not be set.
    pub failure: Option<String>,
}

/// The payload's status. Every change is streamed to the clients that watch.
#[derive(Clone, Debug)]
pub struct Status(pub(crate) watch::Sender<Value>);

impl Status {
    /// Replaces the status. An equal value notifies no client.
    pub fn set(&self, value: Value) {
        self.0.send_if_modified(|old| {
            let changed = *old != value;
            *old = value;
            changed
        });
    }

    /// The current status.
    pub fn get(&self) -> Value {
        self.0.borrow().clone()
    }
}

/// Reports the state of the payload to the parent.
#[derive(Clone)]
pub struct ReadyNotifier {
    pub(crate) ready: watch::Sender<bool>,
    pub(crate) parent: Arc<ParentLink>,
}

impl ReadyNotifier {
    /// Causes [`Event::Ready`](crate::Event::Ready) in the parent; further calls do nothing.
    pub async fn notify(&self) {
        if !self.ready.send_replace(true) {
            self.parent.send_ready().await;
        }
    }

    /// Causes [`Event::Steady`](crate::Event::Steady) in the parent at every call.
    pub async fn steady(&self) {
        self.parent.send_steady().await;
    }
}
