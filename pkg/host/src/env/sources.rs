//! Addresses from which the kernel sends where a socket is not bound.

use super::EnvError;
use super::interfaces::{InterfaceAddress, list_addresses};
use ipnet::{IpNet, Ipv4Net};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// An address behind the default route, if there is one: of a range for documentation.
const FAR_AWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The other addresses of HOST_IP's interface from which this host sends to its neighbours or by its default route: where
/// HOST_IP is not the first address there, what leaves the host does not carry it.
///
/// Addresses of other interfaces are none of them: those of a VPN or a bridge may be another host's as well.
pub fn sources(host_ip: IpAddr) -> Result<BTreeSet<IpAddr>, EnvError> {
    // The network helper sends IPv4 only.
    let IpAddr::V4(host_ip) = host_ip else { return Ok(BTreeSet::new()) };
    let addresses: Vec<_> = list_addresses()?.into_iter().filter_map(ipv4_network).collect();
    Ok(other_sources(host_ip, &addresses, source_address))
}

fn ipv4_network(address: InterfaceAddress) -> Option<(String, Ipv4Net)> {
    match address.net? {
        IpNet::V4(net) => Some((address.interface, net)),
        IpNet::V6(_) => None,
    }
}

fn other_sources(
    host_ip: Ipv4Addr,
    addresses: &[(String, Ipv4Net)],
    source_of: impl Fn(Ipv4Addr) -> Option<Ipv4Addr>,
) -> BTreeSet<IpAddr> {
    let Some((interface, _)) = addresses.iter().find(|(_, net)| net.addr() == host_ip) else { return BTreeSet::new() };
    let beside: Vec<_> = addresses.iter().filter(|(name, _)| name == interface).map(|(_, net)| net).collect();
    let own: BTreeSet<_> = addresses.iter().map(|(_, net)| net.addr()).collect();
    let neighbours = beside.iter().filter(|net| net.contains(&host_ip));
    let neighbours = neighbours.filter_map(|net| net.hosts().find(|ip| !own.contains(ip)));
    let sources = neighbours.chain([FAR_AWAY]).filter_map(source_of);
    sources.filter(|&ip| ip != host_ip && beside.iter().any(|net| net.addr() == ip)).map(IpAddr::V4).collect()
}

/// The kernel's own choice: connecting a UDP socket looks the route up and sends nothing.
fn source_address(to: Ipv4Addr) -> Option<Ipv4Addr> {
    const DISCARD: u16 = 9;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((to, DISCARD)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST_IP: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 11);

    /// With the first address of each interface as the kernel's choice, and by `default` for everything else.
    fn of(host_ip: Ipv4Addr, addresses: &[(&str, &str)], default: Option<&str>) -> Vec<String> {
        let all: Vec<(String, Ipv4Net)> =
            addresses.iter().map(|(name, net)| ((*name).to_owned(), net.parse().expect("a network"))).collect();
        let chosen = |to: Ipv4Addr| {
            assert!(all.iter().all(|(_, net)| net.addr() != to), "{to} is our own");
            let first = all.iter().find(|(_, net)| net.contains(&to)).map(|(_, net)| net.addr());
            first.or_else(|| default.map(|ip| ip.parse().expect("an address")))
        };
        other_sources(host_ip, &all, chosen).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_first_address_is_its_own_source() {
        let alone = [("lo", "127.0.0.1/8"), ("eth0", "198.51.100.11/24"), ("eth0", "198.51.100.57/24")];
        assert_eq!(of(HOST_IP, &alone, Some("198.51.100.11")), [""; 0]);
        assert_eq!(of(HOST_IP, &alone, None), [""; 0]);
        assert_eq!(of(HOST_IP, &[("eth0", "198.51.100.57/24")], Some("198.51.100.57")), [""; 0], "HOST_IP is gone");
    }

    #[test]
    fn a_second_address_is_not() {
        for again in ["198.51.100.11/24", "198.51.100.11/32"] {
            let second = [("lo", "127.0.0.1/8"), ("eth0", "198.51.100.57/24"), ("eth0", again)];
            assert_eq!(of(HOST_IP, &second, Some("198.51.100.57")), ["198.51.100.57"], "{again}");
            assert_eq!(of(HOST_IP, &second, None), ["198.51.100.57"], "{again} without a default route");
        }
        // Of a network of its own: neighbours see it, and those behind the router the first.
        let apart = [("eth0", "203.0.113.5/24"), ("eth0", "198.51.100.11/24")];
        assert_eq!(of(HOST_IP, &apart, Some("203.0.113.5")), ["203.0.113.5"]);
    }

    #[test]
    fn other_interfaces_are_not_ours_to_name() {
        let vpn = [("eth0", "198.51.100.11/24"), ("tun0", "10.2.0.2/32")];
        assert_eq!(of(HOST_IP, &vpn, Some("10.2.0.2")), [""; 0]);
    }

    #[test]
    fn this_machine() {
        assert_eq!(source_address(Ipv4Addr::LOCALHOST), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(sources([127, 0, 0, 1].into()).expect("interfaces"), BTreeSet::new());
    }
}
