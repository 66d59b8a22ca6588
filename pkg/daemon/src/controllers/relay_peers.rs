//! Keeps the addresses that the VXLAN relay accepts in line with the cluster's Nodes.

use super::{Context, kubelet_kubeconfig};
use usernetes_cluster::{Update, nodes};

/// Follows the Nodes. The address of this host is not accepted: the node itself sends nothing there, but other users of the
/// host could.
pub(super) async fn run(context: Context) {
    let Context { plan, ports, .. } = context;
    let kubeconfig = kubelet_kubeconfig(&plan).await;
    nodes::follow_peer_addresses(&kubeconfig, plan.host_ip, |update| match update {
        Update::State(hosts) => {
            tracing::info!(?hosts, "VXLAN relay accepts these hosts");
            ports.admit(hosts);
        }
        Update::Lost(error) => tracing::debug!(%error, "watch lost"),
    })
    .await;
}
