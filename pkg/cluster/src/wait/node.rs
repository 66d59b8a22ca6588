//! Waits for a node to be Ready since its last start.

use super::explain::join_conditions;
use super::{pause_or_fail, wait_until};
use crate::client::{describe, get_opt};
use crate::{Cluster, Error};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, NodeCondition};
use kube::runtime::watcher::watch_object;
use std::cmp::Ordering;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Namespace of the leases that kubelets renew.
const LEASES: &str = "kube-node-lease";

/// Pause between two reads of a lease: a kubelet may get its own but not watch it.
const LEASE_PAUSE: Duration = Duration::from_millis(100);

#[derive(Default)]
struct State {
    node: Option<Node>,
    renewed: Option<Timestamp>,
}

impl Cluster {
    /// Waits until there is a Node of that name, without a limit.
    pub async fn wait_node_registered(&self, name: &str) -> Result<(), Error> {
        wait_until(self.all::<Node>(), name, |node| node.is_some()).await
    }

    /// Waits until the node is Ready by a report that its kubelet made after `since`.
    ///
    /// After a restart the API server keeps the condition of the run before, so the condition alone proves nothing.
    pub async fn wait_node_ready(&self, name: &str, since: Timestamp, limit: Duration) -> Result<(), Error> {
        let mut state = State::default();
        let ready = self.watch_node(name, &mut state, since);
        match timeout_at(Instant::now() + limit, ready).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout {
                what: format!("node {name} to become Ready"),
                waited: limit,
                last_seen: state.describe(),
            }),
        }
    }

    async fn watch_node(&self, name: &str, state: &mut State, since: Timestamp) -> Result<(), Error> {
        let mut changes = pin!(watch_object(self.all::<Node>(), name));
        while !state.is_ready(since) {
            let lease_decides = state.freshness(since) == Some(Freshness::SameSecond);
            tokio::select! {
                change = changes.next() => match change {
                    Some(Ok(node)) => state.node = node,
                    Some(Err(error)) => pause_or_fail(error, &describe::<Node>(None, name)).await?,
                    None => {}
                },
                renewed = self.lease_renewed(name), if lease_decides => state.renewed = renewed?,
            }
        }
        Ok(())
    }

    async fn lease_renewed(&self, name: &str) -> Result<Option<Timestamp>, Error> {
        tokio::time::sleep(LEASE_PAUSE).await;
        let lease = get_opt(&self.namespaced::<Lease>(LEASES), Some(LEASES), name).await?;
        Ok(lease.and_then(|lease| Some(lease.spec?.renew_time?.0)))
    }
}

/// When a condition was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Freshness {
    BeforeStart,
    SameSecond,
    SinceStart,
}

impl State {
    fn is_ready(&self, since: Timestamp) -> bool {
        match self.freshness(since) {
            Some(Freshness::SinceStart) => true,
            // Heartbeats have whole seconds; the lease has microseconds.
            Some(Freshness::SameSecond) => self.renewed.is_some_and(|renewed| renewed > since),
            Some(Freshness::BeforeStart) | None => false,
        }
    }

    /// Freshness of the condition Ready; `None` while it is not true.
    fn freshness(&self, since: Timestamp) -> Option<Freshness> {
        let ready = self.ready_condition().filter(|ready| ready.status == "True")?;
        let heartbeat = ready.last_heartbeat_time.as_ref().map(|time| time.0)?;
        Some(match heartbeat.as_second().cmp(&since.as_second()) {
            Ordering::Less => Freshness::BeforeStart,
            Ordering::Equal => Freshness::SameSecond,
            Ordering::Greater => Freshness::SinceStart,
        })
    }

    fn conditions(&self) -> &[NodeCondition] {
        self.node.as_ref().and_then(|node| node.status.as_ref()?.conditions.as_deref()).unwrap_or_default()
    }

    fn ready_condition(&self) -> Option<&NodeCondition> {
        self.conditions().iter().find(|condition| condition.type_ == "Ready")
    }

    fn describe(&self) -> String {
        if self.node.is_none() {
            return "no such Node; its kubelet has not registered it".to_owned();
        }
        let Some(ready) = self.ready_condition() else { return "the Node has no conditions yet".to_owned() };
        if ready.status == "True" {
            return "Ready, but reported before this start; the kubelet has not reported since".to_owned();
        }
        join_conditions(
            self.conditions().iter().map(|c| (&*c.type_, &*c.status, c.reason.as_deref(), c.message.as_deref())),
        )
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
        assert!(!state("True", "09:59:59", None).is_ready(since), "before the start");
        assert!(!state("True", "09:59:59", Some("10:00:07")).is_ready(since), "kubelet runs, status is old");
        assert!(!state("True", "10:00:05", None).is_ready(since), "same second, before or after");
        assert!(!state("True", "10:00:05", Some("10:00:05.4")).is_ready(since), "same second, old lease");
        assert!(state("True", "10:00:05", Some("10:00:05.6")).is_ready(since), "same second, new lease");
        assert!(!state("False", "10:00:06", Some("10:00:06")).is_ready(since));
        assert!(!State::default().is_ready(since));
    }

    #[test]
    fn last_seen() {
        insta::assert_snapshot!(State::default().describe(), @"no such Node; its kubelet has not registered it");
        insta::assert_snapshot!(state("False", "10:00:06", None).describe(), @"Ready=False KubeletNotReady: no network");
        insta::assert_snapshot!(state("True", "10:00:01", None).describe(), @"Ready, but reported before this start; the kubelet has not reported since");
    }
}
