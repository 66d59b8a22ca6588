//! Publishes the checksum of this node's bundle in the cluster's store, from which joining hosts read it over a verified
//! connection. The bundle may be another one than at the last start, and an earlier version has published no checksum.

use super::{Context, RETRY_DELAY, admin_kubeconfig};
use usernetes_api::constants::BUNDLE_PORT;
use usernetes_cluster::Cluster;
use usernetes_node::bundle::Bundle;

/// Writes it once, when the API server is ready.
pub(super) async fn run(context: Context) {
    let plan = &context.plan;
    let bundle = match Bundle::open(&plan.software.bundle) {
        Ok(bundle) => bundle,
        Err(error) => return tracing::warn!(%error, "joining hosts cannot verify the bundle of this node"),
    };
    let kubeconfig = admin_kubeconfig();
    let write = async || {
        let cluster = Cluster::connect(&kubeconfig).await?;
        cluster.offer_bundle(&plan.node_name, BUNDLE_PORT, bundle.digest()).await
    };
    while let Err(error) = write().await {
        tracing::debug!(%error, "checksum of the bundle not published yet");
        tokio::time::sleep(RETRY_DELAY).await;
    }
}
