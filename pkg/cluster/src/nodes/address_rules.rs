//! Addresses that no Node may have.
//!
//! A kubelet writes the addresses of its own Node, so a Node may name any address: the control plane's, in order to get a
//! serving certificate for it, or one that only the control plane can connect to.

use super::RegisteredAddresses;
use ipnet::IpNet;
use std::net::IpAddr;

/// What the control plane knows about the addresses of the cluster.
#[derive(Clone, Debug)]
pub struct AddressRules {
    /// Name of the control plane's Node.
    pub control_plane: String,
    /// HOST_IP of the control plane.
    pub host_ip: IpAddr,
    /// Ranges inside the nodes: of pods, of Services and of the tap.
    pub inside: Vec<IpNet>,
}

/// Why a Node may not have an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressRefusal {
    #[error("{0} is the address of node {1}")]
    OtherNode(IpAddr, String),
    #[error("{0} is inside the cluster's range {1}")]
    Inside(IpAddr, IpNet),
    #[error("{0} is not the address of one host of a network")]
    Special(IpAddr),
}

impl AddressRules {
    /// Whether the Node `node` may have `address`, beside what is registered for other Nodes.
    pub(crate) fn check(
        &self,
        node: &str,
        address: IpAddr,
        registered: &RegisteredAddresses,
    ) -> Result<(), AddressRefusal> {
        let canonical = address.to_canonical();
        if is_special(canonical) {
            return Err(AddressRefusal::Special(address));
        }
        if let Some(range) = self.inside.iter().find(|range| range.contains(&canonical)) {
            return Err(AddressRefusal::Inside(address, *range));
        }
        if canonical == self.host_ip && node != self.control_plane {
            return Err(AddressRefusal::OtherNode(address, self.control_plane.clone()));
        }
        match registered.owner(canonical).filter(|owner| *owner != node) {
            Some(owner) => Err(AddressRefusal::OtherNode(address, owner.to_owned())),
            None => Ok(()),
        }
    }
}

/// Loopback, link-local, multicast, broadcast and unspecified addresses.
fn is_special(address: IpAddr) -> bool {
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || match address {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast() || v4.octets()[0] == 0,
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn rules() -> AddressRules {
        AddressRules {
            control_plane: "host1".to_owned(),
            host_ip: parse("198.51.100.11"),
            inside: ["10.244.0.0/16", "10.96.0.0/12", "10.0.2.0/24"]
                .map(|range| range.parse().expect("a range"))
                .to_vec(),
        }
    }

    fn parse(address: &str) -> IpAddr {
        address.parse().expect("an address")
    }

    fn verdict(node: &str, address: &str) -> String {
        let registered = RegisteredAddresses::from_pairs([("host3", parse("198.51.100.13"))]);
        let verdict = rules().check(node, parse(address), &registered);
        verdict.map_or_else(|refusal| refusal.to_string(), |()| format!("{address} may be"))
    }

    #[test]
    fn addresses_of_others_and_of_the_inside_are_refused() {
        let addresses = [
            "198.51.100.12",
            "198.51.100.11",
            "198.51.100.13",
            "10.96.0.1",
            "10.244.1.9",
            "10.0.2.100",
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "fe80::1",
            "224.0.0.1",
            "255.255.255.255",
            "0.0.0.0",
        ];
        insta::assert_snapshot!(addresses.map(|address| verdict("host2", address)).join("\n"), @"
        198.51.100.12 may be
        198.51.100.11 is the address of node host1
        198.51.100.13 is the address of node host3
        10.96.0.1 is inside the cluster's range 10.96.0.0/12
        10.244.1.9 is inside the cluster's range 10.244.0.0/16
        10.0.2.100 is inside the cluster's range 10.0.2.0/24
        127.0.0.1 is not the address of one host of a network
        ::1 is not the address of one host of a network
        ::ffff:127.0.0.1 is not the address of one host of a network
        169.254.169.254 is not the address of one host of a network
        fe80::1 is not the address of one host of a network
        224.0.0.1 is not the address of one host of a network
        255.255.255.255 is not the address of one host of a network
        0.0.0.0 is not the address of one host of a network
        ");
        assert_eq!(verdict("host1", "198.51.100.11"), "198.51.100.11 may be");
        assert_eq!(verdict("host3", "198.51.100.13"), "198.51.100.13 may be");
    }
}
