//! Serves the node's bundle to joining hosts, inside the node only, through the API server's proxy.

use super::Context;
use crate::{DaemonError, runtime};
use std::net::SocketAddr;
use std::thread;
use tokio::net::TcpListener;
use usernetes_api::constants::BUNDLE_PORT;
use usernetes_node::bundle::{self, Bundle};

/// Starts a server that runs until the node ends. A node without it works; joining hosts then need their own bundle.
pub(super) fn start(context: &Context) {
    let started = Bundle::open(&context.plan.software.bundle).map_err(DaemonError::from).and_then(|bundle| {
        let address = SocketAddr::new(context.plan.host_ip, BUNDLE_PORT);
        start_thread(bundle, address)
    });
    if let Err(error) = started {
        tracing::warn!(%error, "the bundle is not served to joining hosts");
    }
}

/// On a thread of its own: pods reach the port, and a flood of connections must not delay the supervisor.
fn start_thread(bundle: Bundle, address: SocketAddr) -> Result<(), DaemonError> {
    let runtime = runtime()?;
    let serve = async move {
        match TcpListener::bind(address).await {
            Ok(listener) => match bundle::serve(listener, &bundle).await {},
            Err(error) => tracing::warn!(%address, %error, "the bundle is not served to joining hosts"),
        }
    };
    let thread = thread::Builder::new().name("bundle".to_owned()).spawn(move || runtime.block_on(serve));
    thread.map(drop).map_err(|source| DaemonError::Io { action: "start a thread", source })
}
