//! On the control plane: serves the node's bundle to hosts that join, inside the node alone, for the API server's proxy.

use std::net::SocketAddr;
use tokio::net::TcpListener;
use usernetes_api::constants::BUNDLE_PORT;
use usernetes_node::bundle::{self, Bundle};
use usernetes_node::{NodePlan, Role};

/// Never ends where it serves; drop it to stop. Without it the node lacks nothing, hosts need their own bundle to join.
pub(super) async fn offer(plan: NodePlan) {
    if plan.role != Role::ControlPlane {
        return;
    }
    let bundle = match Bundle::open(&plan.bundle) {
        Ok(bundle) => bundle,
        Err(error) => return tracing::warn!(%error, "the bundle is not offered to joining hosts"),
    };
    let address = SocketAddr::new(plan.host_ip, BUNDLE_PORT);
    match TcpListener::bind(address).await {
        Ok(listener) => match bundle::serve(listener, &bundle).await {},
        Err(error) => tracing::warn!(%address, %error, "the bundle is not offered to joining hosts"),
    }
}
