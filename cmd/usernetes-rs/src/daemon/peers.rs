//! The other hosts of the cluster, as they come and go: whom the VXLAN relay listens to, and who cannot be reached.

use crate::phases::common::kubelet_certificate;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;
use usernetes_api::constants::{IMAGES_LABEL, IMAGES_PARTIAL, KUBERNETES_DIR, USER_NAMESPACES_LABEL};
use usernetes_cluster::{Cluster, ObjectRef, Update, nodes};
use usernetes_node::{NodePlan, NodeStatus, Role};
use usernetes_rootless::PortManager;

/// Pause after the API server refused something: nobody says when that ends.
const AGAIN: Duration = Duration::from_secs(1);

/// The kubelet's kubeconfig, once it can be used: on a worker the certificate comes after it.
pub(super) async fn kubelet_credentials(plan: &NodePlan) -> PathBuf {
    let kubeconfig = PathBuf::from(KUBERNETES_DIR).join("kubelet.conf");
    let last = match plan.role {
        Role::ControlPlane => kubeconfig.clone(),
        Role::Worker => kubelet_certificate(),
    };
    // The user's inotify instances may be used up for a while; without this node's credentials there is no traffic of pods.
    while let Err(error) = usernetes_node::appears(&last).await {
        tracing::warn!(file = %last.display(), %error, "cannot wait for the kubelet's credentials");
        tokio::time::sleep(AGAIN).await;
    }
    kubeconfig
}

/// An Event on this host's Node.
pub(super) async fn tell(plan: &NodePlan, reason: &str, message: &str) -> Result<(), usernetes_cluster::Error> {
    let kubeconfig = kubelet_credentials(plan).await;
    // As the kubelet names its Node in events of its own: kubectl describe looks for that.
    let (name, uid) = (plan.node_name.clone(), plan.node_name.clone());
    let node = ObjectRef { api_version: "v1", kind: "Node", namespace: String::new(), name, uid };
    Cluster::connect(&kubeconfig).await?.record_event(&node, &plan.node_name, reason, message).await
}

/// Keeps the relay's list in line with the cluster's Nodes. Never ends; drop it to stop.
///
/// This host itself is not on it: nothing in the node sends there, but other users of the host could.
pub(super) async fn follow_hosts(plan: NodePlan, ports: PortManager) {
    let kubeconfig = kubelet_credentials(&plan).await;
    nodes::follow_peer_addresses(&kubeconfig, plan.host_ip, |update| match update {
        Update::State(hosts) => {
            tracing::debug!(?hosts, "VXLAN comes from these hosts alone");
            ports.admit(hosts);
        }
        Update::Lost(error) => tracing::debug!(%error, "Nodes cannot be watched"),
    })
    .await;
}

/// Once the images that the node's own pods need are in the runtime, those pods may come, and CoreDNS after all others.
/// One that cannot be imported holds up nothing: the kubelet then tries, and its error is seen where people look.
pub(super) async fn images_are_here(plan: NodePlan, mut seen: watch::Receiver<NodeStatus>) {
    let settled = match seen.wait_for(|status| status.images.early == Some(0)).await {
        Ok(status) => status.images.settled(),
        Err(_) => return,
    };
    if !settled {
        label(&plan, IMAGES_LABEL, Some(IMAGES_PARTIAL)).await;
    }
    if seen.wait_for(|status| status.images.settled()).await.is_ok() {
        label(&plan, IMAGES_LABEL, None).await;
    }
}

/// Pods with `hostUsers: false` are sent to nodes that have ids for them.
pub(super) async fn user_namespaces(plan: NodePlan) {
    label(&plan, USER_NAMESPACES_LABEL, plan.user_namespaces.then_some("true")).await;
}

/// Labels this host's Node, however long that takes.
async fn label(plan: &NodePlan, label: &str, value: Option<&str>) {
    let kubeconfig = kubelet_credentials(plan).await;
    let set = async || Cluster::connect(&kubeconfig).await?.label_node(&plan.node_name, label, value).await;
    while let Err(error) = set().await {
        tracing::warn!(%error, label, "the Node is not labelled yet");
        tokio::time::sleep(AGAIN).await;
    }
}

/// Says at this host's Node from which other addresses its packets come, as often as that changes: the other hosts read
/// it there. Ends when nobody can tell any more.
pub(super) async fn publish_sources(plan: NodePlan, mut told: watch::Receiver<BTreeSet<IpAddr>>) {
    let kubeconfig = kubelet_credentials(&plan).await;
    while told.changed().await.is_ok() {
        let addresses = told.borrow_and_update().clone();
        let write =
            async || Cluster::connect(&kubeconfig).await?.write_egress_addresses(&plan.node_name, &addresses).await;
        while let Err(error) = write().await {
            tracing::warn!(%error, ?addresses, "egress addresses not written to the Node");
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Says at pods of this node which of their volumes it cannot mount. Never ends; drop it to stop.
pub(super) async fn warn_of_volumes(plan: NodePlan) {
    let kubeconfig = kubelet_credentials(&plan).await;
    usernetes_cluster::warn_about_volumes(&kubeconfig, &plan.node_name, |update| {
        if let Update::Lost(error) = update {
            tracing::debug!(%error, "volumes of pods cannot be watched");
        }
    })
    .await;
}

/// On the control plane: lets kubelets have serving certificates for what is theirs. Never ends there; drop it to stop.
pub(super) async fn approve_serving(plan: NodePlan) {
    if plan.role != Role::ControlPlane {
        return;
    }
    let admin = PathBuf::from(KUBERNETES_DIR).join("admin.conf");
    usernetes_cluster::approve_serving_certificates(&admin, |update| {
        if let Update::Lost(error) = update {
            tracing::debug!(%error, "requests for certificates cannot be watched");
        }
    })
    .await;
}

/// On the control plane: says of every Node whether its host can be reached. Never ends there; drop it to stop.
pub(super) async fn watch_hosts(plan: NodePlan) {
    if plan.role != Role::ControlPlane {
        return;
    }
    let admin = PathBuf::from(KUBERNETES_DIR).join("admin.conf");
    nodes::write_reachability(&admin, |update| {
        if let Update::Lost(error) = update {
            tracing::debug!(%error, "Nodes cannot be watched");
        }
    })
    .await;
}
