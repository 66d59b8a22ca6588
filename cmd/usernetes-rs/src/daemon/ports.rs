//! Services to published ports: what the cluster wants reachable on every host, as it changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use usernetes_api::Protocol;
use usernetes_api::constants::KUBERNETES_DIR;
use usernetes_cluster::Cluster;
use usernetes_cluster::services::{self, Conflict, Policy, Update, Wanted};
use usernetes_node::{NodePlan, Role};
use usernetes_rootless::{Forward, PortManager};

/// Owner of these ports in the port manager.
const OWNER: &str = "services";

/// What could not be published, in words; part of the node's status.
pub(super) type Conflicts = Arc<Mutex<Vec<String>>>;

/// Keeps the published ports in line with Services and hostPorts. Never ends; drop it to stop.
pub(super) async fn follow_services(plan: NodePlan, ports: PortManager, conflicts: Conflicts) {
    let kubeconfig = PathBuf::from(KUBERNETES_DIR).join("kubelet.conf");
    if usernetes_node::any_appears(std::slice::from_ref(&kubeconfig)).await.is_err() {
        return;
    }
    let policy = policy(&plan);
    let (wanted, changes) = watch::channel(Wanted::default());
    let say = |update| match update {
        Update::State(state) => drop(wanted.send_replace(state)),
        Update::Lost(error) => tracing::debug!(%error, "Services cannot be watched"),
    };
    tokio::join!(
        services::follow(&kubeconfig, &plan.node_name, &policy, say),
        publish(changes, &ports, &conflicts, &kubeconfig, &plan.node_name),
        balance(&plan, &policy),
    );
}

/// The node's own ports are nobody else's.
fn policy(plan: &NodePlan) -> Policy {
    let mut reserved = BTreeSet::from([(Protocol::Tcp, plan.kubelet_port), (Protocol::Udp, plan.vxlan_port)]);
    if plan.role == Role::ControlPlane {
        reserved.insert((Protocol::Tcp, plan.api_server_port));
    }
    Policy { host_ip: plan.host_ip, loopback: true, reserved }
}

async fn publish(
    mut changes: watch::Receiver<Wanted>,
    ports: &PortManager,
    conflicts: &Conflicts,
    kubeconfig: &Path,
    node: &str,
) {
    let (mut told, mut logged) = (Vec::new(), Vec::new());
    while changes.changed().await.is_ok() {
        let wanted = changes.borrow_and_update().clone();
        let forwards = wanted.ports.iter().map(|port| Forward::session(port.spec)).collect();
        let failures = ports.reconcile(OWNER, &forwards).await;
        let mut words: Vec<String> = wanted.conflicts.iter().map(Conflict::message).collect();
        words.extend(failures.iter().map(ToString::to_string));
        for conflict in words.iter().filter(|word| !logged.contains(*word)) {
            tracing::warn!(%conflict, "port not published");
        }
        logged.clone_from(&words);
        *conflicts.lock().unwrap_or_else(PoisonError::into_inner) = words;
        let new: Vec<_> = wanted.conflicts.iter().filter(|c| !told.contains(*c)).cloned().collect();
        told = wanted.conflicts;
        tell(kubeconfig, node, &new).await;
    }
}

/// An Event on whatever goes without its port.
async fn tell(kubeconfig: &Path, node: &str, conflicts: &[Conflict]) {
    if conflicts.is_empty() {
        return;
    }
    let Ok(cluster) = Cluster::connect(kubeconfig).await else { return };
    for conflict in conflicts {
        let said = cluster.event(&conflict.loser.about, node, Conflict::REASON, &conflict.message()).await;
        if let Err(error) = said {
            tracing::debug!(%error, "no event");
        }
    }
}

/// Once in the cluster: the addresses of LoadBalancer Services.
async fn balance(plan: &NodePlan, policy: &Policy) {
    if plan.role != Role::ControlPlane {
        return;
    }
    let admin = PathBuf::from(KUBERNETES_DIR).join("admin.conf");
    services::write_load_balancers(&admin, policy, |_| ()).await;
}
