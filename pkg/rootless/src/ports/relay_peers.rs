//! Which datagrams a relay accepts: their senders, and the packets that each sender may send.

use super::vxlan::parse_inner;
use crate::sync::IgnorePoison as _;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

/// Peers of a relay of VXLAN datagrams, and the networks of the packets in them. Anything else is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RelayPeers {
    /// Networks inside this node: the destination of every packet is in one of them.
    pub own: BTreeSet<Ipv4Net>,
    /// Networks of each peer, by the addresses that its host sends from: the source of its packets is in one of them.
    pub peers: BTreeMap<IpAddr, BTreeSet<Ipv4Net>>,
}

impl RelayPeers {
    /// Whether the sender is a peer and may send this packet.
    pub(super) fn allow(&self, sender: SocketAddr, datagram: &[u8]) -> bool {
        let Some(networks) = self.peers.get(&sender.ip().to_canonical()) else { return false };
        let Some(inner) = parse_inner(datagram) else { return false };
        contain(networks, inner.source) && contain(&self.own, inner.destination)
    }
}

fn contain(networks: &BTreeSet<Ipv4Net>, address: Ipv4Addr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// The peers of all relays of this node, none at first, and the number of datagrams lost inside. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct RelayState(Arc<(RwLock<Arc<RelayPeers>>, AtomicU64)>);

impl RelayState {
    pub(super) fn set_peers(&self, peers: RelayPeers) {
        *self.0.0.write().ignore_poison() = Arc::new(peers);
    }

    pub(super) fn peers(&self) -> Arc<RelayPeers> {
        Arc::clone(&self.0.0.read().ignore_poison())
    }

    pub(super) fn lost_datagrams(&self) -> u64 {
        self.0.1.load(Ordering::Relaxed)
    }

    pub(super) fn count_lost(&self, datagrams: usize) {
        self.0.1.fetch_add(datagrams as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::vxlan::{Inner, tests::datagram};
    use super::*;

    /// Peer with one address and pods in 10.244.1.0/24; pods of this node are in 10.244.0.0/24.
    pub(in super::super) fn one_peer(address: IpAddr) -> RelayPeers {
        let network = |text: &str| text.parse().expect("a network");
        RelayPeers {
            own: [network("10.244.0.0/24")].into(),
            peers: [(address, [network("10.244.1.0/24")].into())].into(),
        }
    }

    #[test]
    fn inner_addresses_decide() {
        let peers = one_peer([198, 51, 100, 12].into());
        let allows = |sender: &str, source: [u8; 4], destination: [u8; 4]| {
            let inner = Inner { source: source.into(), destination: destination.into() };
            peers.allow(sender.parse().expect("an address"), &datagram(inner, 60, 0))
        };
        let (peer, mapped) = ("198.51.100.12:40000", "[::ffff:198.51.100.12]:40000");
        for sender in [peer, mapped] {
            assert!(allows(sender, [10, 244, 1, 7], [10, 244, 0, 9]));
            // The address of the peer's flannel.1, which its own processes have.
            assert!(allows(sender, [10, 244, 1, 0], [10, 244, 0, 9]));
        }
        assert!(!allows("198.51.100.13:40000", [10, 244, 1, 7], [10, 244, 0, 9]));
        for (source, destination) in [
            ([198, 51, 100, 12], [10, 244, 0, 9]),
            ([10, 244, 0, 7], [10, 244, 0, 9]),
            ([10, 244, 2, 7], [10, 244, 0, 9]),
            ([10, 244, 1, 7], [10, 244, 1, 9]),
            ([10, 244, 1, 7], [10, 96, 0, 10]),
            ([10, 244, 1, 7], [198, 51, 100, 11]),
        ] {
            assert!(!allows(peer, source, destination), "{source:?} to {destination:?}");
        }
        assert!(!peers.allow(peer.parse().expect("an address"), b"hello"));
    }
}
