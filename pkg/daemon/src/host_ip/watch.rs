//! Watches the addresses of the host while the node runs: HOST_IP may go, and the host may send from others.

use super::{HostIpState, SETTLE, describe_loss, host_ip_state};
use crate::{DaemonError, Instance, Request, runtime};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use usernetes_api::Config;
use usernetes_host::env;

/// Longest wait for the child's answer.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// The address with which the node has to start again; empty while HOST_IP is present.
pub(crate) type PendingHostIp = Arc<OnceLock<IpAddr>>;

/// Watches on a thread of its own. Reports once when HOST_IP is lost; ends this process in order when the node has to start
/// again with another address.
pub(crate) fn spawn_watcher(instance: &Instance, config: &Config, pending: &PendingHostIp) -> Result<(), DaemonError> {
    let watcher = Watcher {
        instance: instance.clone(),
        config: config.clone(),
        pending: Arc::clone(pending),
        reported: HostIpState::Present,
        egress: None,
    };
    let runtime = runtime()?;
    std::thread::Builder::new()
        .name("host-ip".into())
        .spawn(move || {
            if let Err(error) = runtime.block_on(watcher.run()) {
                tracing::warn!(%error, "the addresses of this host are not watched");
            }
        })
        .map_err(|source| DaemonError::Io { action: "start a thread", source })?;
    Ok(())
}

struct Watcher {
    instance: Instance,
    config: Config,
    pending: PendingHostIp,
    reported: HostIpState,
    /// The addresses of [`env::sources`] that the child has.
    egress: Option<BTreeSet<IpAddr>>,
}

impl Watcher {
    async fn run(mut self) -> std::io::Result<()> {
        usernetes_rootless::follow_host_network(SETTLE, async || self.check_addresses()).await
    }

    fn check_addresses(&mut self) -> ControlFlow<()> {
        self.check_host_ip()?;
        self.send_egress_addresses();
        ControlFlow::Continue(())
    }

    fn check_host_ip(&mut self) -> ControlFlow<()> {
        let state = host_ip_state(&self.instance, &self.config);
        if state == self.reported {
            return ControlFlow::Continue(());
        }
        if let Some(message) = describe_loss(&self.config, &state) {
            self.report_loss(message);
        } else {
            tracing::info!(host_ip = %self.config.host_ip(), "HOST_IP is an address of this host again");
        }
        self.reported = state;
        let HostIpState::Moved(new) = self.reported else { return ControlFlow::Continue(()) };
        let _ = self.pending.set(new);
        // As a stop by a user: pods and components end in order.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGTERM);
        ControlFlow::Break(())
    }

    /// The child writes the Event: inside the namespaces HOST_IP is still present, so the API server can be reached.
    fn report_loss(&self, message: String) {
        tracing::warn!("{message}");
        let request = Request::NodeEvent { reason: "HostAddressLost".into(), message };
        if let Err(error) = self.instance.ask(&request, REQUEST_LIMIT) {
            tracing::debug!(%error, "no Event");
        }
    }

    /// Packets of the node may leave from other addresses than HOST_IP; the relays of other hosts drop what comes from an
    /// unknown address, so the child publishes them.
    ///
    /// The network driver could bind all its sockets to HOST_IP instead (`--outbound-addr`), but then also those to a name
    /// server on the loopback, and systemd-resolved refuses such packets.
    fn send_egress_addresses(&mut self) {
        let host_ip = self.config.host_ip();
        let addresses = match env::sources(host_ip) {
            Ok(addresses) => addresses,
            Err(error) => return tracing::warn!(%error, "cannot read the addresses from which this host sends"),
        };
        if self.egress.as_ref() == Some(&addresses) {
            return;
        }
        let request = Request::EgressAddresses { addresses: addresses.clone() };
        if let Err(error) = self.instance.ask(&request, REQUEST_LIMIT) {
            return tracing::warn!(%error, "egress addresses are not published");
        }
        if !addresses.is_empty() {
            tracing::info!(%host_ip, ?addresses, "this host also sends from these addresses");
        }
        self.egress = Some(addresses);
    }
}
