//! Keeps the peers of the VXLAN relay in line with the cluster's Nodes.

use super::{Context, kubelet_kubeconfig};
use std::collections::BTreeMap;
use usernetes_cluster::{Update, nodes};
use usernetes_rootless::RelayPeers;

/// Follows the Nodes. The address of this host is not accepted: the node itself sends nothing there, but other users of the
/// host could.
pub(super) async fn run(context: Context) {
    let Context { plan, ports, .. } = context;
    let kubeconfig = kubelet_kubeconfig(&plan).await;
    let this = nodes::ThisNode {
        name: plan.node_name.clone(),
        host_ip: plan.host_ip,
        cluster_networks: vec![plan.cluster.pod_subnet, plan.cluster.service_subnet],
    };
    let mut reported = BTreeMap::new();
    nodes::follow_pod_networks(&kubeconfig, &this, |update| match update {
        Update::State(nodes::PodNetworks { own, peers, refused }) => {
            tracing::info!(?own, ?peers, "VXLAN relay accepts these peers");
            if !refused.is_empty() && refused != reported {
                tracing::warn!(?refused, "VXLAN relay refuses addresses of Nodes that cannot be their hosts'");
            }
            reported = refused;
            ports.set_relay_peers(RelayPeers { own, peers });
        }
        Update::Lost(error) => tracing::debug!(%error, "watch lost"),
    })
    .await;
}
