//! Status of a running node.

use crate::ComponentName;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// State of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Waits for its start conditions.
    Waiting,
    /// The process runs; the readiness probe has not succeeded yet.
    Starting,
    /// The readiness probe has succeeded since the process was started.
    Ready,
    /// The process was ready, and its liveness probe fails now. It is restarted after too many failures.
    NotReady,
    /// The process exited and is restarted after a pause.
    BackOff,
    /// The process was sent SIGTERM.
    Stopping,
    /// Stopped with the node.
    Stopped,
}

/// Status of one component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Component name.
    pub name: ComponentName,
    /// Current state.
    pub state: State,
    /// PID inside the node, while the process runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Number of restarts.
    pub restarts: u32,
    /// How the process last exited, or why it could not be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<String>,
    /// The condition that it waits for, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Why its liveness probe fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_failure: Option<String>,
    /// When the state began.
    pub since: jiff::Timestamp,
}

/// Progress of importing the bundle's images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagesStatus {
    /// Number of images in the bundle.
    pub total: usize,
    /// Number of images in the runtime's store.
    pub imported: usize,
    /// Number of missing images that the node's own pods need; `None` before it is known.
    #[serde(default, skip)]
    pub early: Option<usize>,
    /// Errors, each with the reference of its image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

impl ImagesStatus {
    /// Whether all images were imported or failed.
    pub fn is_settled(&self) -> bool {
        self.early == Some(0) && self.imported + self.errors.len() == self.total
    }
}

/// Status of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Its components, in start order.
    pub components: Vec<ComponentStatus>,
    /// Images of the bundle.
    pub images: ImagesStatus,
}

impl NodeStatus {
    /// Status of one component, `None` if the node does not run it.
    pub fn component(&self, name: ComponentName) -> Option<&ComponentStatus> {
        self.components.iter().find(|c| c.name == name)
    }

    /// Whether every component is ready.
    pub fn is_ready(&self) -> bool {
        !self.components.is_empty() && self.components.iter().all(|c| c.state == State::Ready)
    }
}

impl ComponentStatus {
    /// Status before the first start.
    pub(crate) fn new(name: ComponentName) -> Self {
        Self {
            name,
            state: State::Waiting,
            pid: None,
            restarts: 0,
            last_exit: None,
            waits_for: None,
            probe_failure: None,
            since: jiff::Timestamp::now(),
        }
    }

    /// Enters a state. Entering the current state keeps `since`.
    pub(crate) fn enter_state(&mut self, state: State) {
        self.waits_for = None;
        self.probe_failure = None;
        if self.state != state {
            self.state = state;
            self.since = jiff::Timestamp::now();
        }
    }
}

/// Waits until a component is ready, forever if it never is.
pub(crate) async fn wait_until_ready(status: &watch::Sender<NodeStatus>, name: ComponentName) {
    let mut status = status.subscribe();
    // Fails only without a sender, and the caller has one.
    let _ = status.wait_for(|s| s.component(name).is_some_and(|c| c.state == State::Ready)).await;
}
