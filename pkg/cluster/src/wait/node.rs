//! Until a node is Ready in its present life.

use super::explain::conditions;
use super::retry;
use crate::{Cluster, Error};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, NodeCondition};
use kube::runtime::watcher::watch_object;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Namespace of the leases that kubelets renew.
const LEASES: &str = "kube-node-lease";

enum Seen {
    Node(Option<Box<Node>>),
    Lease(Option<Box<Lease>>),
}

#[derive(Default)]
struct State {
    node: Option<Box<Node>>,
    renewed: Option<Timestamp>,
}

impl Cluster {
    /// Waits until the node is Ready by a report that its kubelet made after `since`.
    ///
    /// After a restart the API goes on saying Ready of the last life, so the condition alone proves nothing.
    pub async fn wait_node_ready(&self, name: &str, since: Timestamp, limit: Duration) -> Result<(), Error> {
        let mut state = State::default();
        let ready = self.watch_node(name, &mut state, since);
        match timeout_at(Instant::now() + limit, ready).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout {
                what: format!("node {name} Ready"),
                waited: limit,
                last_seen: state.describe(since),
            }),
        }
    }

    async fn watch_node(&self, name: &str, state: &mut State, since: Timestamp) -> Result<(), Error> {
        let nodes = watch_object(self.all::<Node>(), name).map(|node| Ok(Seen::Node(node?.map(Box::new))));
        let leases = watch_object(self.namespaced::<Lease>(LEASES), name).map(|lease| Ok(Seen::Lease(lease?.map(Box::new))));
        let mut changes = pin!(stream::select(nodes, leases));
        while !state.is_ready(since) {
            match changes.next().await {
                Some(Ok(Seen::Node(node))) => state.node = node,
                Some(Ok(Seen::Lease(lease))) => state.renewed = lease.and_then(|l| Some(l.spec?.renew_time?.0)),
                Some(Err(error)) => retry(error, &format!("Node {name} and its Lease")).await?,
                None => {}
            }
        }
        Ok(())
    }
}

impl State {
    fn is_ready(&self, since: Timestamp) -> bool {
        self.condition().is_some_and(|ready| ready.status == "True" && self.is_of_this_life(ready, since))
    }

    /// Heartbeats are in whole seconds: one of the very second of `since` may be of the last life, and is believed only
    /// with a lease, whose time is exact, that was renewed since.
    fn is_of_this_life(&self, ready: &NodeCondition, since: Timestamp) -> bool {
        let Some(heartbeat) = ready.last_heartbeat_time.as_ref().map(|time| time.0) else { return false };
        heartbeat > since
            || (heartbeat.as_second() == since.as_second() && self.renewed.is_some_and(|renewed| renewed > since))
    }

    fn conditions(&self) -> &[NodeCondition] {
        self.node.as_ref().and_then(|node| node.status.as_ref()?.conditions.as_deref()).unwrap_or_default()
    }

    fn condition(&self) -> Option<&NodeCondition> {
        self.conditions().iter().find(|condition| condition.type_ == "Ready")
    }

    fn describe(&self, since: Timestamp) -> String {
        if self.node.is_none() {
            return "no such Node; its kubelet has not registered it".to_owned();
        }
        let Some(ready) = self.condition() else { return "the Node has no conditions yet".to_owned() };
        if ready.status == "True" && !self.is_of_this_life(ready, since) {
            return "Ready, but reported before this start: the kubelet has said nothing since".to_owned();
        }
        conditions(self.conditions().iter().map(|c| (&*c.type_, &*c.status, c.reason.as_deref(), c.message.as_deref())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-23T{text}Z").parse().expect("a time")
    }

    fn state(status: &str, heartbeat: &str, renewed: Option<&str>) -> State {
        let heartbeat = format!("2026-11-23T{heartbeat}Z");
        let node = json!({ "metadata": {}, "status": { "conditions": [{
            "type": "Ready", "status": status, "lastHeartbeatTime": heartbeat, "reason": "KubeletNotReady", "message": "no network",
        }]}});
        State { node: serde_json::from_value(node).ok(), renewed: renewed.map(at) }
    }

    #[test]
    fn stale_ready_is_not_ready() {
        let since = at("10:00:05.5");
        assert!(state("True", "10:00:06", None).is_ready(since), "reported later");
        assert!(!state("True", "09:59:59", None).is_ready(since), "last life");
        assert!(!state("True", "09:59:59", Some("10:00:07")).is_ready(since), "kubelet lives, status is old");
        assert!(!state("True", "10:00:05", None).is_ready(since), "same second, either life");
        assert!(!state("True", "10:00:05", Some("10:00:05.4")).is_ready(since), "same second, old lease");
        assert!(state("True", "10:00:05", Some("10:00:05.6")).is_ready(since), "same second, new lease");
        assert!(!state("False", "10:00:06", Some("10:00:06")).is_ready(since));
        assert!(!State::default().is_ready(since));
    }

    #[test]
    fn last_seen() {
        let since = at("10:00:05.5");
        insta::assert_snapshot!(State::default().describe(since), @"no such Node; its kubelet has not registered it");
        insta::assert_snapshot!(state("False", "10:00:06", None).describe(since), @"Ready=False KubeletNotReady: no network");
        insta::assert_snapshot!(state("True", "10:00:01", None).describe(since), @"Ready, but reported before this start: the kubelet has said nothing since");
    }
}
