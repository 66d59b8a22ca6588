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
    /// The last error in its log when it last exited; its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Number of exits in a row with the same error, each before it was ready.
    #[serde(default)]
    pub same_exits: u32,
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

/// Exits in a row, with the same error, after which another start will not help. With the pauses of the supervisor that
/// takes some seconds: what depends on another component has started by then.
const HOPELESS: u32 = 5;

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

    /// A component that cannot start: it exits again and again with the same error, before it is ready.
    pub fn hopeless(&self) -> Option<&ComponentStatus> {
        self.components.iter().find(|c| c.same_exits >= HOPELESS)
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
            last_error: None,
            same_exits: 0,
            waits_for: None,
            probe_failure: None,
            since: jiff::Timestamp::now(),
        }
    }

    /// Records an exit: how, and the last error of the log. An exit after the component was ready starts a new count.
    pub(crate) fn record_exit(&mut self, exit: String, error: Option<String>, was_ready: bool) {
        let is_same = self.last_error == error && self.last_exit.as_ref() == Some(&exit);
        self.same_exits = match (was_ready, is_same) {
            (true, _) => 0,
            (false, true) => self.same_exits + 1,
            (false, false) => 1,
        };
        self.pid = None;
        self.restarts += 1;
        self.last_exit = Some(exit);
        self.last_error = error;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_error_again_and_again_is_hopeless() {
        let mut status =
            NodeStatus { components: vec![ComponentStatus::new(ComponentName::Kubelet)], ..NodeStatus::default() };
        let exit = |status: &mut NodeStatus, error: &str, was_ready| {
            status.components[0].record_exit("exit code 1".into(), Some(error.into()), was_ready);
        };
        for _ in 1..HOPELESS {
            exit(&mut status, "bad label", false);
        }
        assert_eq!(status.hopeless(), None);
        exit(&mut status, "another error", false);
        exit(&mut status, "another error", true);
        assert_eq!(status.components[0].same_exits, 0, "it was ready");
        for _ in 0..HOPELESS {
            exit(&mut status, "bad label", false);
        }
        assert_eq!(status.hopeless().and_then(|c| c.last_error.as_deref()), Some("bad label"));
    }
}
