//! The child's payload: supervision, published Services, and answers to questions from outside.

use super::{bundle, dns, overlay, peers, ports};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::PoisonError;
use tokio::sync::{mpsc, watch};
use usernetes_node::{NodePlan, NodeStatus};
use usernetes_rootless::{ChildContext, PayloadRequest, ReadyNotifier, Status};

/// What a command may ask of the running node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "ask")]
pub(crate) enum Request {
    /// Waits until a DNS server answers for a name, asked from the node's own network.
    Dns {
        /// The server.
        server: SocketAddr,
        /// The name.
        name: String,
    },
    /// Waits until another node's end of the pod network's tunnel answers through the tunnel.
    Overlay {
        /// Its address there.
        peer: IpAddr,
    },
    /// Warns at this host's Node.
    Tell {
        /// In one word.
        reason: String,
        /// In words.
        message: String,
    },
    /// Hears from which addresses besides HOST_IP this host sends.
    Sources {
        /// All of them.
        addresses: BTreeSet<IpAddr>,
    },
    /// Services and pods that go without their port on the host.
    Conflicts {},
}

/// Runs the node until it is told to end.
pub(crate) async fn payload(context: ChildContext) -> ExitCode {
    let plan: NodePlan = match serde_json::from_value(context.spec.payload.clone()) {
        Ok(plan) => plan,
        Err(error) => {
            tracing::error!(%error, "this program and the plan of the node are of different versions; run start again");
            return ExitCode::FAILURE;
        }
    };
    for sysctl in context.sysctls.iter().filter(|sysctl| sysctl.failure.is_some()) {
        tracing::warn!(name = sysctl.name, value = sysctl.value, why = sysctl.failure, "sysctl not set");
    }
    let (status, seen) = watch::channel(NodeStatus::default());
    let ChildContext { reaper, ports, shutdown, status: publish, requests, ready, .. } = context;
    tokio::spawn(peers::images_are_here(plan.clone(), seen.clone()));
    tokio::spawn(peers::user_namespaces(plan.clone()));
    tokio::spawn(publish_status(seen, publish));
    let conflicts = ports::Conflicts::default();
    tokio::spawn(peers::follow_hosts(plan.clone(), ports.clone()));
    tokio::spawn(peers::watch_hosts(plan.clone()));
    tokio::spawn(peers::warn_of_volumes(plan.clone()));
    tokio::spawn(peers::approve_serving(plan.clone()));
    tokio::spawn(bundle::offer(plan.clone()));
    tokio::spawn(ports::publish_by_hand(plan.published.clone(), ports.clone()));
    tokio::spawn(ports::follow_services(plan.clone(), ports, conflicts.clone()));
    let (sources, told) = watch::channel(BTreeSet::new());
    tokio::spawn(peers::publish_sources(plan.clone(), told));
    let node = Node { plan: plan.clone(), conflicts, sources };
    tokio::spawn(answer(requests, node));
    ready.notify().await;
    tokio::spawn(tell_when_steady(ready, status.subscribe()));
    usernetes_node::run(plan, reaper, shutdown, status).await;
    ExitCode::SUCCESS
}

/// Once: a component that fails later is the supervisor's to bring back, not systemd's.
async fn tell_when_steady(ready: ReadyNotifier, mut status: watch::Receiver<NodeStatus>) {
    if status.wait_for(NodeStatus::is_ready).await.is_ok() {
        ready.steady().await;
    }
}

/// Every change of the supervisor's status goes to those who watch the control socket.
async fn publish_status(mut seen: watch::Receiver<NodeStatus>, publish: Status) {
    loop {
        let status = serde_json::to_value(&*seen.borrow_and_update());
        publish.set(status.expect("our types have string keys"));
        if seen.changed().await.is_err() {
            return;
        }
    }
}

/// What answers come from.
#[derive(Clone)]
struct Node {
    plan: NodePlan,
    conflicts: ports::Conflicts,
    sources: watch::Sender<BTreeSet<IpAddr>>,
}

async fn answer(mut requests: mpsc::Receiver<PayloadRequest>, node: Node) {
    while let Some(PayloadRequest { value, mut reply }) = requests.recv().await {
        let node = node.clone();
        tokio::spawn(async move {
            let answer = tokio::select! {
                answer = answer_one(value, &node) => answer,
                // The client went away.
                () = reply.closed() => return,
            };
            let _ = reply.send(answer);
        });
    }
}

async fn answer_one(value: Value, node: &Node) -> Result<Value, String> {
    match serde_json::from_value(value).map_err(|e| e.to_string())? {
        Request::Dns { server, name } => {
            dns::wait(server, &name).await.map_err(|e| e.to_string())?;
            Ok(json!({}))
        }
        Request::Overlay { peer } => {
            overlay::wait(peer).await.map_err(|e| e.to_string())?;
            Ok(json!({}))
        }
        Request::Tell { reason, message } => {
            peers::tell(&node.plan, &reason, &message).await.map_err(|e| e.to_string())?;
            Ok(json!({}))
        }
        Request::Sources { addresses } => {
            node.sources.send_replace(addresses);
            Ok(json!({}))
        }
        Request::Conflicts {} => Ok(json!(*node.conflicts.lock().unwrap_or_else(PoisonError::into_inner))),
    }
}
