//! What can be said about a running node.

use crate::ComponentName;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// State of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its conditions do not hold yet.
    Waiting,
    /// Its process runs, its probe does not answer yet.
    Starting,
    /// It answered its probe in this life.
    Ready,
    /// It ended and is started again soon.
    BackOff,
    /// It was told to end.
    Stopping,
    /// It ended as it was told.
    Stopped,
}

/// One component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Which.
    pub name: ComponentName,
    /// State.
    pub state: State,
    /// Pid inside the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// How often it was started again.
    pub restarts: u32,
    /// How its last life ended, or why it could not be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<String>,
    /// What it waits for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// When the state began.
    pub since: jiff::Timestamp,
}

/// The bundle's images in containerd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagesStatus {
    /// How many the bundle has.
    pub total: usize,
    /// How many are in containerd.
    pub imported: usize,
    /// How many are still to come that the node's own pods need; `None` before that is known.
    #[serde(default, skip)]
    pub early: Option<usize>,
    /// What went wrong, by archive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

impl ImagesStatus {
    /// Whether nothing is still to come that can come.
    pub fn settled(&self) -> bool {
        self.early == Some(0) && self.imported + self.errors.len() == self.total
    }
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Its components, in start order.
    pub components: Vec<ComponentStatus>,
    /// Images of the bundle.
    pub images: ImagesStatus,
}

impl NodeStatus {
    /// One component.
    pub fn component(&self, name: ComponentName) -> Option<&ComponentStatus> {
        self.components.iter().find(|c| c.name == name)
    }

    /// Whether every component is ready.
    pub fn is_ready(&self) -> bool {
        !self.components.is_empty() && self.components.iter().all(|c| c.state == State::Ready)
    }
}

impl ComponentStatus {
    /// Before its first life.
    pub(crate) fn new(name: ComponentName) -> Self {
        Self {
            name,
            state: State::Waiting,
            pid: None,
            restarts: 0,
            last_exit: None,
            waits_for: None,
            since: jiff::Timestamp::now(),
        }
    }

    /// Enters a state; entering it again changes nothing.
    pub(super) fn enter(&mut self, state: State) {
        self.waits_for = None;
        if self.state != state {
            self.state = state;
            self.since = jiff::Timestamp::now();
        }
    }
}

/// Waits until a component is ready; for ever when it never is.
pub(crate) async fn ready(status: &watch::Sender<NodeStatus>, name: ComponentName) {
    let is_ready = |status: &NodeStatus| status.component(name).is_some_and(|c| c.state == State::Ready);
    // We hold a sender, so this cannot fail.
    let _ = status.subscribe().wait_for(is_ready).await;
}
