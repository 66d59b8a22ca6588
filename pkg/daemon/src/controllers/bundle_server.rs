//! Serves the node's bundle to joining hosts, inside the node only, through the API server's proxy.

use super::Context;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use usernetes_api::constants::BUNDLE_PORT;
use usernetes_node::bundle::{self, Bundle};

/// Serves until the node ends. A node without it works; joining hosts then need their own bundle.
pub(super) async fn run(context: Context) {
    let bundle = match Bundle::open(&context.plan.software.bundle) {
        Ok(bundle) => bundle,
        Err(error) => return tracing::warn!(%error, "the bundle is not served to joining hosts"),
    };
    let address = SocketAddr::new(context.plan.host_ip, BUNDLE_PORT);
    match TcpListener::bind(address).await {
        Ok(listener) => match bundle::serve(listener, &bundle).await {},
        Err(error) => tracing::warn!(%address, %error, "the bundle is not served to joining hosts"),
    }
}
