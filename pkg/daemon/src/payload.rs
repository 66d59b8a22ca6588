//! The payload of the child: the supervisor of components, the controllers, and answers to requests of commands.

use crate::controllers::{self, Context, PortConflicts};
use crate::probes::{dns, pod_network};
use crate::request::Request;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use usernetes_node::{NodePlan, NodeStatus, PodPriorities, PodStop};
use usernetes_rootless::{ChildContext, PayloadRequest, ReadyNotifier, Status};

/// Runs the node until the parent or a signal asks it to end.
pub async fn payload(context: ChildContext) -> ExitCode {
    let plan: NodePlan = match serde_json::from_value(context.spec.payload.clone()) {
        Ok(plan) => plan,
        Err(error) => {
            tracing::error!(%error, "this program and the plan of the node are of different versions; run start again");
            return ExitCode::FAILURE;
        }
    };
    for sysctl in context.sysctls.iter().filter(|sysctl| sysctl.failure.is_some()) {
        tracing::warn!(name = sysctl.name, value = sysctl.value, error = sysctl.failure, "sysctl not set");
    }
    let ChildContext { spec, reaper, ports, shutdown, status: publish, requests, ready, .. } = context;
    let (status, seen) = watch::channel(NodeStatus::default());
    let (egress, egress_addresses) = watch::channel(BTreeSet::new());
    let (stop_timeout, limit) = watch::channel(plan.stop_timeout.0);
    let (priorities, known_priorities) = watch::channel(PodPriorities::default());
    let pod_stop = PodStop { limit, priorities: known_priorities };
    let context = Context {
        plan: Arc::new(plan.clone()),
        ports,
        tap: spec.network.tap_range().trunc(),
        status: seen.clone(),
        egress_addresses,
        conflicts: PortConflicts::default(),
        priorities: Arc::new(priorities),
    };
    controllers::spawn_all(&context);
    tokio::spawn(publish_status(seen, publish));
    tokio::spawn(answer_requests(requests, Answers { context, egress, stop_timeout }));
    ready.notify().await;
    tokio::spawn(notify_when_steady(ready, status.subscribe()));
    usernetes_node::run(plan, reaper, shutdown, status, pod_stop).await;
    ExitCode::SUCCESS
}

/// Once: a component that fails later is restarted by the supervisor, not by systemd.
async fn notify_when_steady(ready: ReadyNotifier, mut status: watch::Receiver<NodeStatus>) {
    if status.wait_for(NodeStatus::is_ready).await.is_ok() {
        ready.steady().await;
    }
}

/// Sends every change of the supervisor's status to the clients that watch the control socket.
async fn publish_status(mut seen: watch::Receiver<NodeStatus>, publish: Status) {
    loop {
        let status = serde_json::to_value(&*seen.borrow_and_update());
        publish.set(status.expect("our types have string keys"));
        if seen.changed().await.is_err() {
            return;
        }
    }
}

/// What requests are answered from.
#[derive(Clone)]
struct Answers {
    context: Context,
    egress: watch::Sender<BTreeSet<IpAddr>>,
    stop_timeout: watch::Sender<Duration>,
}

async fn answer_requests(mut requests: mpsc::Receiver<PayloadRequest>, answers: Answers) {
    while let Some(PayloadRequest { value, mut reply }) = requests.recv().await {
        let answers = answers.clone();
        tokio::spawn(async move {
            let answer = tokio::select! {
                answer = answer_request(value, &answers) => answer,
                // The client closed its connection.
                () = reply.closed() => return,
            };
            let _ = reply.send(answer);
        });
    }
}

async fn answer_request(value: Value, answers: &Answers) -> Result<Value, String> {
    match serde_json::from_value(value).map_err(|e| e.to_string())? {
        Request::Dns { server, name } => {
            dns::wait_for_answer(server, &name).await.map_err(|e| e.to_string())?;
            Ok(json!({}))
        }
        Request::PodNetwork { peer } => {
            pod_network::wait_for_peer(peer).await.map_err(|e| e.to_string())?;
            Ok(json!({}))
        }
        Request::NodeEvent { reason, message } => {
            let plan = &answers.context.plan;
            controllers::emit_node_event(plan, &reason, &message).await.map_err(|e| e.to_string())?;
            Ok(json!({}))
        }
        Request::EgressAddresses { addresses } => {
            answers.egress.send_replace(addresses);
            Ok(json!({}))
        }
        Request::StopTimeout { timeout } => {
            answers.stop_timeout.send_replace(timeout.0.min(answers.context.plan.stop_timeout.0));
            Ok(json!({}))
        }
        Request::PortConflicts {} => Ok(json!(answers.context.conflicts.messages())),
    }
}
