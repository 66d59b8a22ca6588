//! Published ports: the parent binds them on the host, this process accepts and connects inside.

mod client_addresses;
mod error;
mod relay;
mod reply_routing;
mod tcp;
mod udp;
mod upstream;

pub(crate) use client_addresses::ClientAddresses;
pub use error::PortError;

use crate::protocol::ParentLink;
use crate::{Forward, ForwardKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use upstream::Upstream;
use usernetes_api::{PortSpec, Protocol};

/// Owner of ports in the [`Spec`](crate::Spec).
pub const SPEC: &str = "spec";
/// Owner of ports that were added by the control socket.
pub const CONTROL: &str = "control";

/// A port that is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Published {
    /// The port.
    pub forward: Forward,
    /// Who asked for it; only the owner may remove it.
    pub owner: String,
    /// Of relays: how many datagrams found no room inside. What found none outside, the host's kernel counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
}

/// Addresses that can be bound once only.
type Key = (Protocol, SocketAddr);

struct Entry {
    published: Published,
    /// Absent while the parent is being asked.
    running: Option<Running>,
}

struct Running {
    /// Ends the port and its connections when dropped.
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Running {
    /// Returns when the host's socket is closed: the same address can be bound again then.
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
    senders: relay::Senders,
    clients: ClientAddresses,
}

impl PortManager {
    pub(crate) fn new(parent: Arc<ParentLink>, clients: ClientAddresses) -> Self {
        Self(Arc::new(Shared { parent, ports: Mutex::default(), senders: relay::Senders::default(), clients }))
    }

    /// Publishes a port. The same port of the same owner again is no error.
    pub async fn add(&self, owner: &str, forward: Forward) -> Result<(), PortError> {
        if forward.kind == ForwardKind::Relay && forward.spec.protocol == Protocol::Tcp {
            return Err(PortError::RelayOfTcp { spec: forward.spec });
        }
        if !self.reserve(owner, forward)? {
            return Ok(());
        }
        // Gives the place back unless the port runs in the end, also when this future is dropped.
        let reservation = Reservation { ports: self, key: key(&forward) };
        let socket = self.0.parent.bind(forward.spec).await;
        let socket = socket.map_err(|failure| PortError::from_bind(forward.spec, failure))?;
        let upstream = match forward.kind {
            ForwardKind::Transparent if self.0.clients.keep().await => Upstream::as_client(forward.spec.node),
            _ => Upstream::plain(forward.spec.node),
        };
        let stop = CancellationToken::new();
        let task = start(forward, socket, upstream, &stop, &self.0.senders);
        let task = task.map_err(|source| PortError::Start { spec: forward.spec, source })?;
        if let Some(entry) = self.lock().get_mut(&reservation.key) {
            entry.running = Some(Running { stop: stop.drop_guard(), task });
        }
        Ok(())
    }

    /// Closes a port and its connections.
    pub async fn remove(&self, owner: &str, spec: &PortSpec) -> Result<(), PortError> {
        if let Some(running) = self.take(owner, spec)? {
            running.close().await;
        }
        Ok(())
    }

    fn take(&self, owner: &str, spec: &PortSpec) -> Result<Option<Running>, PortError> {
        let mut ports = self.lock();
        let key = (spec.protocol, spec.host);
        let published = ports.get(&key).map(|entry| &entry.published);
        match published.filter(|p| p.forward.spec == *spec) {
            None => Err(PortError::NotPublished { spec: *spec }),
            Some(p) if p.owner != owner => Err(PortError::OtherOwner { spec: *spec, owner: p.owner.clone() }),
            Some(_) => Ok(ports.remove(&key).and_then(|entry| entry.running)),
        }
    }

    /// Makes the owner's ports exactly the wanted ones. Returns what could not be published; the rest is.
    pub async fn reconcile(&self, owner: &str, wanted: &BTreeSet<Forward>) -> Vec<PortError> {
        let unwanted = |e: &Entry| e.published.owner == owner && !wanted.contains(&e.published.forward);
        let closing: Vec<_> = self.lock().extract_if(.., |_, entry| unwanted(entry)).collect();
        for running in closing.into_iter().filter_map(|(_, entry)| entry.running) {
            running.close().await;
        }
        let mut failures = Vec::new();
        for forward in wanted {
            failures.extend(self.add(owner, *forward).await.err());
        }
        failures
    }

    /// Sets whose datagrams relays take, of all relays there are and will be. Until this is said, nobody's.
    pub fn admit(&self, senders: BTreeSet<IpAddr>) {
        self.0.senders.set(senders);
    }

    /// All that are published, by protocol and address.
    pub fn list(&self) -> Vec<Published> {
        let lost = |forward: &Forward| (forward.kind == ForwardKind::Relay).then(|| self.0.senders.lost());
        let of = |Published { forward, owner, .. }: &Published| Published {
            forward: *forward,
            owner: owner.clone(),
            lost: lost(forward),
        };
        self.lock().values().filter(|entry| entry.running.is_some()).map(|entry| of(&entry.published)).collect()
    }

    /// Takes the place in the table; false when the port is there already.
    fn reserve(&self, owner: &str, forward: Forward) -> Result<bool, PortError> {
        let mut ports = self.lock();
        if let Some(Entry { published, .. }) = ports.get(&key(&forward)) {
            if published.owner == owner && published.forward == forward {
                return Ok(false);
            }
            return Err(PortError::OtherOwner { spec: forward.spec, owner: published.owner.clone() });
        }
        let published = Published { forward, owner: owner.to_owned(), lost: None };
        ports.insert(key(&forward), Entry { published, running: None });
        Ok(true)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.0.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Reservation<'a> {
    ports: &'a PortManager,
    key: Key,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut ports = self.ports.lock();
        if ports.get(&self.key).is_some_and(|entry| entry.running.is_none()) {
            ports.remove(&self.key);
        }
    }
}

fn key(forward: &Forward) -> Key {
    (forward.spec.protocol, forward.spec.host)
}

fn start(
    forward: Forward,
    socket: OwnedFd,
    upstream: Upstream,
    stop: &CancellationToken,
    senders: &relay::Senders,
) -> std::io::Result<JoinHandle<()>> {
    Ok(match (forward.spec.protocol, forward.kind) {
        (Protocol::Tcp, _) => {
            let listener = TcpListener::from_std(socket.into())?;
            until(stop, tcp::serve(listener, upstream, stop.clone()))
        }
        (Protocol::Udp, ForwardKind::Relay) => {
            let (socket, upstream) = (UdpSocket::from_std(socket.into())?, relay::open(forward.spec.node)?);
            until(stop, relay::serve(socket, upstream, senders.clone()))
        }
        (Protocol::Udp, ForwardKind::Session | ForwardKind::Transparent) => {
            let socket = UdpSocket::from_std(socket.into())?;
            until(stop, udp::serve(socket, upstream, udp::LIMITS))
        }
    })
}

fn until(stop: &CancellationToken, serve: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let stop = stop.clone();
    tokio::spawn(async move {
        stop.run_until_cancelled(serve).await;
    })
}
