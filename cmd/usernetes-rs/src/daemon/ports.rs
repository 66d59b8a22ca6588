//! Services to published ports: what the cluster wants reachable on every host, as it changes.

use super::{peers, remembered};
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use usernetes_api::constants::KUBERNETES_DIR;
use usernetes_api::{Paths, PortSpec, Protocol};
use usernetes_cluster::host_ports::{self, Conflict, DesiredPorts, Policy, PublishedPort};
use usernetes_cluster::{Cluster, ObjectRef, Update};
use usernetes_host::fs::{self, Mode};
use usernetes_host::lock::Lock;
use usernetes_node::{NodePlan, Role};
use usernetes_rootless::ports::CONTROL;
use usernetes_rootless::{Forward, PortError, PortManager};

/// Owner of these ports in the port manager.
const OWNER: &str = "services";
/// When to try again what another program of the host has, or the kernel refused: nobody says when that ends.
const AGAIN: Duration = Duration::from_secs(3);

/// Longest that the API server may take for an Event.
const TELL_LIMIT: Duration = Duration::from_secs(10);
/// Complaints that may wait for it.
const UNTOLD: usize = 64;

/// What could not be published, in words; part of the node's status.
pub(super) type Conflicts = Arc<Mutex<Vec<String>>>;

/// Keeps the published ports in line with Services and hostPorts. Never ends; drop it to stop.
pub(super) async fn follow_services(plan: NodePlan, ports: PortManager, conflicts: Conflicts) {
    let kubeconfig = peers::kubelet_credentials(&plan).await;
    let policy = policy(&plan);
    let (wanted, changes) = watch::channel(DesiredPorts::default());
    let say = |update| match update {
        Update::State(state) => drop(wanted.send_replace(state)),
        Update::Lost(error) => tracing::debug!(%error, "Services cannot be watched"),
    };
    let (complain, complaints) = mpsc::channel(UNTOLD);
    tokio::join!(
        host_ports::follow_desired_ports(&kubeconfig, &plan.node_name, &policy, say),
        publish(changes, &ports, &conflicts, complain),
        tell(&kubeconfig, &plan.node_name, complaints),
        balance(&plan, &policy),
    );
}

/// The ports that `ports add` has published and `ports remove` has not taken back.
pub(crate) fn by_hand(paths: &Paths) -> Result<Vec<PortSpec>> {
    remembered(&paths.published_ports())
}

/// Remembers them for the next start.
pub(crate) fn keep_by_hand(paths: &Paths, change: impl FnOnce(&mut Vec<PortSpec>)) -> Result<()> {
    let _lock = Lock::acquire(paths.lock(), "ports")?;
    let mut ports = by_hand(paths)?;
    change(&mut ports);
    Ok(fs::write(paths.published_ports(), serde_json::to_vec(&ports)?, Mode::Secret)?)
}

/// As they were before the node was stopped. One that cannot be had now is kept for the next start.
pub(super) async fn publish_by_hand(specs: Vec<PortSpec>, ports: PortManager) {
    for spec in specs {
        if let Err(error) = ports.add(CONTROL, Forward::session(spec)).await {
            tracing::warn!(%spec, %error, "a port that was added by hand is not published");
        }
    }
}

/// The node's own ports are nobody else's.
fn policy(plan: &NodePlan) -> Policy {
    let mut reserved = BTreeSet::from([(Protocol::Tcp, plan.kubelet_port), (Protocol::Udp, plan.vxlan_port)]);
    if plan.role == Role::ControlPlane {
        reserved.insert((Protocol::Tcp, plan.api_server_port));
    }
    Policy { host_ip: plan.host_ip, loopback: true, reserved, shift: plan.port_shift }
}

async fn publish(
    mut changes: watch::Receiver<DesiredPorts>,
    ports: &PortManager,
    conflicts: &Conflicts,
    complain: mpsc::Sender<Complaint>,
) {
    let mut told = BTreeSet::new();
    loop {
        let wanted = changes.borrow_and_update().clone();
        let forwards = wanted.ports.iter().map(forward).collect();
        let failures = ports.reconcile(OWNER, &forwards).await;
        let complaints = complaints(&wanted, &failures);
        *conflicts.lock().unwrap_or_else(PoisonError::into_inner) =
            complaints.iter().map(|complaint| complaint.message.clone()).collect();
        for new in complaints.difference(&told) {
            tracing::warn!(what = new.message, "port not published as wanted");
            // Where so many wait, the API server is away, and `status` says it all the same.
            let _ = complain.try_send(new.clone());
        }
        told = complaints;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(AGAIN), if !failures.is_empty() => {}
        }
    }
}

/// From the client's own address. Not where a server of the node's own network would answer it by UDP: without a care for
/// the address that it was asked at, such a server answers a client out there from the tap's.
fn forward(port: &PublishedPort) -> Forward {
    let lost = port.host_network && port.spec.protocol == Protocol::Udp;
    if lost { Forward::session(port.spec) } else { Forward::transparent(port.spec) }
}

/// Somebody who goes without a port, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Complaint {
    about: ObjectRef,
    reason: &'static str,
    message: String,
}

fn complaints(wanted: &DesiredPorts, failures: &[PortError]) -> BTreeSet<Complaint> {
    let conflict = |conflict: &Conflict| Complaint {
        about: conflict.loser.object.clone(),
        reason: Conflict::REASON,
        message: conflict.message(),
    };
    let failure = |error: &PortError| {
        let port = wanted.ports.iter().find(|port| port.spec == *error.spec())?;
        let cure = error.hint().map_or(String::new(), |cure| format!("; hint: {cure}{}", other_cure(error)));
        let message = format!("not published on this host: {error}{cure}");
        Some(Complaint { about: port.owner.object.clone(), reason: "PortNotPublished", message })
    };
    let shifted = |port: &PublishedPort| {
        let message = port.shift_message().filter(|_| !failures.iter().any(|error| *error.spec() == port.spec))?;
        Some(Complaint { about: port.owner.object.clone(), reason: PublishedPort::SHIFTED, message })
    };
    let rest = failures.iter().filter_map(failure).chain(wanted.ports.iter().filter_map(shifted));
    wanted.conflicts.iter().map(conflict).chain(rest).collect()
}

/// Only here: a port of the node itself, or one that was added by hand, can be another one without us.
fn other_cure(error: &PortError) -> &'static str {
    match error {
        PortError::Privileged { .. } => {
            "; or have it published elsewhere: usernetes-rs stop, then start --privileged-port-offset 8000 adds 8000 to it"
        }
        _ => "",
    }
}

/// An Event on whatever goes without its port. Ports are opened and closed meanwhile, however slow the API server is.
async fn tell(kubeconfig: &Path, node: &str, mut complaints: mpsc::Receiver<Complaint>) {
    while let Some(Complaint { about, reason, message }) = complaints.recv().await {
        let event = async { Cluster::connect(kubeconfig).await?.record_event(&about, node, reason, &message).await };
        match timeout(TELL_LIMIT, event).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "no event"),
            Err(_) => tracing::debug!("no event: the API server does not answer"),
        }
    }
}

/// Once in the cluster: the addresses of LoadBalancer Services.
async fn balance(plan: &NodePlan, policy: &Policy) {
    if plan.role != Role::ControlPlane {
        return;
    }
    let admin = PathBuf::from(KUBERNETES_DIR).join("admin.conf");
    usernetes_cluster::write_load_balancers(&admin, policy, |_| ()).await;
}
