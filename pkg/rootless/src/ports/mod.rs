//! Published ports: the parent binds them on the host, this process accepts and connects inside.

mod budget;
mod client_addresses;
mod data_plane;
mod error;
mod nft;
pub(crate) mod own_ports;
mod relay;
mod relay_peers;
mod reply_routing;
mod tcp;
mod udp;
mod upstream;
mod vxlan;

pub(crate) use budget::open_users_socket;
pub(crate) use client_addresses::ClientAddresses;
pub use error::PortError;
pub use relay_peers::RelayPeers;

use crate::protocol::ParentLink;
use crate::sync::IgnorePoison as _;
use crate::{Forward, ForwardKind, Spec};
use budget::Budget;
use data_plane::DataPlane;
use ipnet::IpNet;
use relay_peers::RelayState;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use upstream::Upstream;
use usernetes_api::{PortSpec, Protocol};

/// Owner of ports in the [`Spec`].
pub const SPEC: &str = "spec";
/// Owner of ports that were added by the control socket.
pub const CONTROL: &str = "control";

/// A port that is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Published {
    /// Port.
    pub forward: Forward,
    /// Owner; only the owner can remove the port.
    pub owner: String,
    /// For relays, the number of datagrams lost inside. Those lost outside are counted by the host's kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
}

/// Protocol and address on the host, which can be bound once only.
type Key = (Protocol, SocketAddr);

struct Entry {
    published: Published,
    /// `None` until the parent has bound the port.
    running: Option<Running>,
}

struct Running {
    /// Closes the port and its connections when dropped.
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Running {
    /// Returns after the host's socket is closed, so that the same address can be bound again.
    async fn close(self) {
        drop(self.stop);
        let _ = self.task.await;
    }
}

/// Publishes ports. Cheap to clone.
#[derive(Clone)]
pub struct PortManager(Arc<Shared>);

struct Shared {
    parent: Arc<ParentLink>,
    ports: Mutex<BTreeMap<Key, Entry>>,
    relays: RelayState,
    clients: ClientAddresses,
    threads: DataPlane,
    budget: Budget,
    inside_networks: Arc<[IpNet]>,
}

impl PortManager {
    /// Starts the threads that carry the traffic of ports.
    ///
    /// `users` is a socket of [`open_users_socket`] in the host's network namespace.
    pub(crate) fn start(
        spec: &Spec,
        parent: Arc<ParentLink>,
        clients: ClientAddresses,
        users: Option<OwnedFd>,
    ) -> io::Result<Self> {
        let shared = Shared {
            parent,
            ports: Mutex::default(),
            relays: RelayState::default(),
            clients,
            threads: DataPlane::start()?,
            budget: Budget::new(users),
            inside_networks: spec.inside_networks.iter().copied().collect(),
        };
        shared.threads.sessions.spawn(shared.budget.clone().close_silent());
        Ok(Self(Arc::new(shared)))
    }

    /// Publishes a port. Publishing it again for the same owner is no error.
    pub async fn add(&self, owner: &str, forward: Forward) -> Result<(), PortError> {
        if forward.kind == ForwardKind::Relay && forward.spec.protocol == Protocol::Tcp {
            return Err(PortError::RelayOfTcp { spec: forward.spec });
        }
        if !self.reserve_port(owner, forward)? {
            return Ok(());
        }
        // Removes the entry unless the port runs in the end, also when this future is dropped.
        let reservation = Reservation { ports: self, key: port_key(&forward) };
        let socket = self.0.parent.bind_port(forward.spec).await;
        let socket = socket.map_err(|failure| PortError::from_bind(forward.spec, failure))?;
        let keeps_addresses = forward.kind == ForwardKind::Transparent && self.0.clients.ensure_prepared().await;
        let stop = CancellationToken::new();
        let task = self.spawn_forwarder(forward, socket, keeps_addresses, &stop);
        let task = task.map_err(|source| PortError::Start { spec: forward.spec, source })?;
        if let Some(entry) = self.lock_ports().get_mut(&reservation.key) {
            entry.running = Some(Running { stop: stop.drop_guard(), task });
        }
        tracing::info!(owner, port = %forward.spec, kind = ?forward.kind, "port published");
        Ok(())
    }

    /// Closes a port and its connections.
    pub async fn remove(&self, owner: &str, spec: &PortSpec) -> Result<(), PortError> {
        if let Some(running) = self.remove_entry(owner, spec)? {
            running.close().await;
            tracing::info!(owner, port = %spec, "port removed");
        }
        Ok(())
    }

    fn remove_entry(&self, owner: &str, spec: &PortSpec) -> Result<Option<Running>, PortError> {
        let mut ports = self.lock_ports();
        let key = (spec.protocol, spec.host);
        let published = ports.get(&key).map(|entry| &entry.published);
        match published.filter(|p| p.forward.spec == *spec) {
            None => Err(PortError::NotPublished { spec: *spec }),
            Some(p) if p.owner != owner => Err(PortError::OtherOwner { spec: *spec, owner: p.owner.clone() }),
            Some(_) => Ok(ports.remove(&key).and_then(|entry| entry.running)),
        }
    }

    /// Makes the owner's ports exactly the desired ones. Returns an error for each that could not be published.
    pub async fn reconcile(&self, owner: &str, desired: &BTreeSet<Forward>) -> Vec<PortError> {
        let unwanted = |e: &Entry| e.published.owner == owner && !desired.contains(&e.published.forward);
        let closing: Vec<_> = self.lock_ports().extract_if(.., |_, entry| unwanted(entry)).collect();
        for (_, Entry { published, running }) in closing {
            if let Some(running) = running {
                running.close().await;
                tracing::info!(owner, port = %published.forward.spec, "port removed");
            }
        }
        let mut failures = Vec::new();
        for forward in desired {
            failures.extend(self.add(owner, *forward).await.err());
        }
        failures
    }

    /// Sets the peers whose datagrams all relays accept, present and future ones. None at first.
    pub fn set_relay_peers(&self, peers: RelayPeers) {
        self.0.relays.set_peers(peers);
    }

    /// All published ports, by protocol and address.
    pub fn list(&self) -> Vec<Published> {
        let lost_datagrams = self.0.relays.lost_datagrams();
        let ports = self.lock_ports();
        let running = ports.values().filter(|entry| entry.running.is_some());
        let mut published: Vec<_> = running.map(|entry| entry.published.clone()).collect();
        for port in &mut published {
            port.lost = (port.forward.kind == ForwardKind::Relay).then_some(lost_datagrams);
        }
        published
    }

    fn spawn_forwarder(
        &self,
        forward: Forward,
        socket: OwnedFd,
        keeps_addresses: bool,
        stop: &CancellationToken,
    ) -> io::Result<JoinHandle<()>> {
        let node = forward.spec.node;
        let inside = Arc::clone(&self.0.inside_networks);
        let upstream =
            if keeps_addresses { Upstream::as_client(node, inside) } else { Upstream::as_node(node, inside) };
        let DataPlane { sessions, relays } = &self.0.threads;
        let budget = self.0.budget.open_port();
        // Sockets belong to the runtime in whose context they are made.
        let is_relay = forward.kind == ForwardKind::Relay;
        let _context = if is_relay { relays.enter() } else { sessions.enter() };
        Ok(match forward.spec.protocol {
            Protocol::Tcp => {
                let listener = TcpListener::from_std(socket.into())?;
                spawn_until_stopped(sessions, stop, tcp::serve(listener, upstream, stop.clone(), budget))
            }
            Protocol::Udp if is_relay => {
                let socket = UdpSocket::from_std(socket.into())?;
                let inside = upstream::connect_udp(node)?;
                spawn_until_stopped(relays, stop, relay::serve(socket, inside, self.0.relays.clone()))
            }
            Protocol::Udp => {
                let socket = UdpSocket::from_std(socket.into())?;
                spawn_until_stopped(sessions, stop, udp::serve(socket, upstream, udp::LIMITS, budget))
            }
        })
    }

    /// Inserts an entry into the table; returns false if the port is published already.
    fn reserve_port(&self, owner: &str, forward: Forward) -> Result<bool, PortError> {
        let mut ports = self.lock_ports();
        if let Some(Entry { published, .. }) = ports.get(&port_key(&forward)) {
            if published.owner == owner && published.forward == forward {
                return Ok(false);
            }
            return Err(PortError::OtherOwner { spec: forward.spec, owner: published.owner.clone() });
        }
        let published = Published { forward, owner: owner.to_owned(), lost: None };
        ports.insert(port_key(&forward), Entry { published, running: None });
        Ok(true)
    }

    fn lock_ports(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.0.ports.lock().ignore_poison()
    }
}

struct Reservation<'a> {
    ports: &'a PortManager,
    key: Key,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut ports = self.ports.lock_ports();
        if ports.get(&self.key).is_some_and(|entry| entry.running.is_none()) {
            ports.remove(&self.key);
        }
    }
}

fn port_key(forward: &Forward) -> Key {
    (forward.spec.protocol, forward.spec.host)
}

fn spawn_until_stopped(
    thread: &Handle,
    stop: &CancellationToken,
    serve: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let stop = stop.clone();
    thread.spawn(async move {
        stop.run_until_cancelled(serve).await;
    })
}
