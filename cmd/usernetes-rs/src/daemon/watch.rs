//! Watches the host's addresses beside the running node: HOST_IP may go, and others may be sent from.

use super::address::{Fate, SETTLE, describe, fate};
use super::{Request, process};
use crate::session::Session;
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use usernetes_api::Config;
use usernetes_host::env;

/// Longest that the node may take to hear of it, and the cluster.
const TELL_LIMIT: Duration = Duration::from_secs(10);

/// The address under which the node is to start again.
pub(super) type Moved = Arc<Mutex<Option<IpAddr>>>;

/// Watches on a thread of its own, beside a node that is up and listens. Says it once when HOST_IP is lost; ends this
/// process in order when the node is to start again under another one.
pub(super) fn watch(session: &Session, config: &Config, moved: &Moved) -> Result<()> {
    let watcher = Watcher {
        session: session.clone(),
        config: config.clone(),
        moved: Arc::clone(moved),
        told: Fate::Here,
        sources: None,
    };
    let runtime = crate::phases::runtime()?;
    std::thread::Builder::new()
        .name("host-ip".into())
        .spawn(move || {
            if let Err(error) = runtime.block_on(watcher.run()) {
                tracing::warn!(%error, "the host's addresses cannot be watched");
            }
        })
        .context("cannot start a thread")?;
    Ok(())
}

struct Watcher {
    session: Session,
    config: Config,
    moved: Moved,
    told: Fate,
    /// What the node has heard of [`env::sources`].
    sources: Option<BTreeSet<IpAddr>>,
}

impl Watcher {
    async fn run(mut self) -> std::io::Result<()> {
        usernetes_rootless::follow_host_network(SETTLE, async || self.look()).await
    }

    fn look(&mut self) -> ControlFlow<()> {
        self.look_for_host_ip()?;
        self.tell_sources();
        ControlFlow::Continue(())
    }

    fn look_for_host_ip(&mut self) -> ControlFlow<()> {
        let fate = fate(&self.session, &self.config);
        if fate == self.told {
            return ControlFlow::Continue(());
        }
        if let Some(message) = describe(&self.config, &fate) {
            self.tell(message);
        } else {
            tracing::warn!(host_ip = %self.config.host_ip(), "HOST_IP is an address of this host again");
        }
        self.told = fate;
        let Fate::Moves(new) = self.told else { return ControlFlow::Continue(()) };
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some(new);
        // As a stop by a user: pods and components end in order.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGTERM);
        ControlFlow::Break(())
    }

    /// The child has the better way to the API server: inside, HOST_IP is still there.
    fn tell(&self, message: String) {
        tracing::warn!("{message}");
        let request = Request::Tell { reason: "HostAddressLost".into(), message };
        if let Err(error) = process::ask(&self.session, &request, TELL_LIMIT) {
            tracing::debug!(%error, "no event");
        }
    }

    /// Tells the node from which other addresses this host sends. Its packets come from them as well, and other hosts drop
    /// what is from nobody they know.
    ///
    /// The network helper could bind all its sockets to HOST_IP instead (`--outbound-addr`), but then those to a name
    /// server on the loopback too, and systemd-resolved answers nobody who is not there.
    fn tell_sources(&mut self) {
        let host_ip = self.config.host_ip();
        let addresses = match env::sources(host_ip) {
            Ok(addresses) => addresses,
            Err(error) => {
                return tracing::warn!(%error, "cannot see from which addresses this host sends");
            }
        };
        if self.sources.as_ref() == Some(&addresses) {
            return;
        }
        if let Err(error) = process::ask(&self.session, &Request::Sources { addresses: addresses.clone() }, TELL_LIMIT)
        {
            return tracing::warn!(%error, "the node does not hear from which addresses this host sends");
        }
        if !addresses.is_empty() {
            tracing::warn!(%host_ip, ?addresses, "this host sends from these as well; the other hosts are told");
        }
        self.sources = Some(addresses);
    }
}
