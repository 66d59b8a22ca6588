//! Publishes the ports of Services and hostPorts on this host, as they change.

use super::{Context, kubelet_kubeconfig};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use usernetes_api::Protocol;
use usernetes_cluster::host_ports::{self, Conflict, DesiredPorts, Policy, PublishedPort};
use usernetes_cluster::{Cluster, ObjectRef, Update};
use usernetes_node::NodePlan;
use usernetes_rootless::{Forward, PortError, PortManager};

/// Owner of these ports in the port manager.
const OWNER: &str = "services";
/// Pause before a port is tried again that another program has, or that the kernel refused.
const RETRY_DELAY: Duration = Duration::from_secs(3);
/// Longest wait for the API server to store an Event.
const EVENT_LIMIT: Duration = Duration::from_secs(10);
/// Most Events that wait for the API server.
const MAX_PENDING_EVENTS: usize = 64;

/// Messages about ports that could not be published; part of the node's status.
#[derive(Clone, Debug, Default)]
pub(crate) struct PortConflicts(Arc<Mutex<Vec<String>>>);

impl PortConflicts {
    pub(crate) fn messages(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, messages: Vec<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = messages;
    }
}

/// Follows Services and pods, and publishes what they need.
pub(super) async fn run(context: Context) {
    let Context { plan, ports, conflicts, .. } = context;
    let kubeconfig = kubelet_kubeconfig(&plan).await;
    let policy = publish_policy(&plan);
    let (desired, changes) = watch::channel(DesiredPorts::default());
    let (failures, pending) = mpsc::channel(MAX_PENDING_EVENTS);
    let on_update = |update| match update {
        Update::State(state) => drop(desired.send_replace(state)),
        Update::Lost(error) => tracing::debug!(%error, "watch lost"),
    };
    tokio::join!(
        host_ports::follow_desired_ports(&kubeconfig, &plan.node_name, &policy, on_update),
        publish(changes, &ports, &conflicts, failures),
        post_events(&kubeconfig, &plan.node_name, pending),
    );
}

/// What this host publishes and reserves.
pub(super) fn publish_policy(plan: &NodePlan) -> Policy {
    Policy {
        host_ip: plan.host_ip,
        options: plan.ports.clone(),
        reserved: plan.reserved_ports(),
        outgoing: plan.host.outgoing_ports.map(|(first, last)| first..=last),
        shift: plan.port_shift,
    }
}

async fn publish(
    mut changes: watch::Receiver<DesiredPorts>,
    ports: &PortManager,
    conflicts: &PortConflicts,
    events: mpsc::Sender<PublishFailure>,
) {
    let mut reported = BTreeSet::new();
    loop {
        let desired = changes.borrow_and_update().clone();
        let forwards = desired.ports.iter().map(forward_for).collect();
        let errors = ports.reconcile(OWNER, &forwards).await;
        let failures = collect_failures(&desired, &errors);
        let conflicting = failures.iter().filter(|failure| failure.reason != DesiredPorts::UNDECLARED);
        conflicts.replace(conflicting.map(|failure| failure.message.clone()).collect());
        for new in failures.difference(&reported) {
            tracing::warn!(what = new.message, "port not published as wanted");
            // When the queue is full the API server is away, and `status` shows the failure all the same.
            let _ = events.try_send(new.clone());
        }
        reported = failures;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(RETRY_DELAY), if !errors.is_empty() => {}
        }
    }
}

/// Transparent forwards keep the client's address. Not for a UDP server in the node's own network: it may answer from the
/// tap's address instead of the one it was asked at.
fn forward_for(port: &PublishedPort) -> Forward {
    if port.host_network && port.spec.protocol == Protocol::Udp {
        Forward::session(port.spec)
    } else {
        Forward::transparent(port.spec)
    }
}

/// An object whose port is not published as wanted, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PublishFailure {
    about: ObjectRef,
    reason: &'static str,
    message: String,
}

fn collect_failures(desired: &DesiredPorts, errors: &[PortError]) -> BTreeSet<PublishFailure> {
    let conflicts = desired.conflicts.iter().map(|conflict| PublishFailure {
        about: conflict.loser.object.clone(),
        reason: Conflict::REASON,
        message: conflict.message(),
    });
    let failed = errors.iter().filter_map(|error| describe_port_error(desired, error));
    let shifted = desired.ports.iter().filter_map(|port| describe_shift(port, errors));
    let undeclared = desired.undeclared.iter().map(|pod| PublishFailure {
        about: pod.clone(),
        reason: DesiredPorts::UNDECLARED,
        message: DesiredPorts::UNDECLARED_MESSAGE.to_owned(),
    });
    conflicts.chain(failed).chain(shifted).chain(undeclared).collect()
}

fn describe_port_error(desired: &DesiredPorts, error: &PortError) -> Option<PublishFailure> {
    let port = desired.ports.iter().find(|port| port.spec == *error.spec())?;
    let hint = error.hint().map_or(String::new(), |hint| format!("; hint: {hint}{}", service_hint(error)));
    let message = format!("not published on this host: {error}{hint}");
    Some(PublishFailure { about: port.owner.object.clone(), reason: "PortNotPublished", message })
}

/// Only for Services and pods: a port of the node itself, or one added by hand, can be chosen by its flag.
fn service_hint(error: &PortError) -> &'static str {
    match error {
        PortError::Privileged { .. } => {
            "; or publish it at another port: usernetes-rs stop, then start --privileged-port-offset 8000 adds 8000 to it"
        }
        _ => "",
    }
}

fn describe_shift(port: &PublishedPort, errors: &[PortError]) -> Option<PublishFailure> {
    let message = port.shift_message().filter(|_| !errors.iter().any(|error| *error.spec() == port.spec))?;
    Some(PublishFailure { about: port.owner.object.clone(), reason: PublishedPort::SHIFTED, message })
}

/// Writes an Event on each object whose port is not published. Ports go on being opened and closed meanwhile.
async fn post_events(kubeconfig: &Path, node: &str, mut failures: mpsc::Receiver<PublishFailure>) {
    while let Some(PublishFailure { about, reason, message }) = failures.recv().await {
        let event = async { Cluster::connect(kubeconfig).await?.record_event(&about, node, reason, &message).await };
        match timeout(EVENT_LIMIT, event).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "no Event"),
            Err(_) => tracing::debug!("no Event: the API server does not answer"),
        }
    }
}
