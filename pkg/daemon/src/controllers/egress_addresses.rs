//! Publishes the addresses from which this host sends, as an annotation of its Node: the relays of other hosts accept them.

use super::{Context, RETRY_DELAY, kubelet_kubeconfig};
use usernetes_cluster::Cluster;

/// Writes the annotation whenever the addresses change.
pub(super) async fn run(context: Context) {
    let Context { plan, mut egress_addresses, .. } = context;
    let kubeconfig = kubelet_kubeconfig(&plan).await;
    while egress_addresses.changed().await.is_ok() {
        let addresses = egress_addresses.borrow_and_update().clone();
        let write =
            async || Cluster::connect(&kubeconfig).await?.write_egress_addresses(&plan.node_name, &addresses).await;
        while let Err(error) = write().await {
            tracing::debug!(%error, ?addresses, "egress addresses not written yet");
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }
}
