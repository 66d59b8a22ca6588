//! Addresses of the host's interfaces, as the kernel lists them, and the ranges that are in use.

use super::{EnvError, routes};
use ipnet::IpNet;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;
use std::net::IpAddr;

/// An address of an interface.
pub(super) struct InterfaceAddress {
    /// Name of the interface, without the label that an IPv4 address may have.
    pub(super) interface: String,
    /// The address.
    pub(super) address: IpAddr,
    /// The address with the prefix of its network; `None` where the kernel lists no mask.
    pub(super) net: Option<IpNet>,
    /// Whether the interface is up.
    pub(super) is_up: bool,
    /// Whether it is the loopback interface.
    pub(super) is_loopback: bool,
}

/// Every address of every interface.
pub(super) fn list_addresses() -> Result<Vec<InterfaceAddress>, EnvError> {
    let all = getifaddrs().map_err(|e| EnvError::Interfaces { source: e.into() })?;
    Ok(all.filter_map(read_address).collect())
}

fn read_address(entry: nix::ifaddrs::InterfaceAddress) -> Option<InterfaceAddress> {
    let address = ip_of(&entry.address?)?;
    let mask = entry.netmask.as_ref().and_then(ip_of);
    Some(InterfaceAddress {
        interface: strip_label(&entry.interface_name).to_owned(),
        address,
        net: mask.and_then(|mask| IpNet::with_netmask(address, mask).ok()),
        is_up: entry.flags.contains(InterfaceFlags::IFF_UP),
        is_loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
    })
}

fn ip_of(storage: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = storage.as_sockaddr_in().map(|s| IpAddr::V4(s.ip()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|s| IpAddr::V6(s.ip())))
}

/// The interface of `eth0:0`: the C library reports an address under its label (ifconfig's alias), and no interface's
/// name has a colon.
fn strip_label(name: &str) -> &str {
    name.split_once(':').map_or(name, |(interface, _)| interface)
}

/// The ranges that this host uses: networks of its addresses, and destinations of its routes but the default ones.
pub fn used_ranges() -> Result<Vec<IpNet>, EnvError> {
    let addresses = list_addresses()?.into_iter().filter(|a| !a.is_loopback).filter_map(|a| a.net);
    let routes = routes()?.into_iter().map(|route| route.net).filter(|net| net.prefix_len() > 1);
    Ok(addresses.map(|net| net.trunc()).chain(routes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_no_interfaces() {
        assert_eq!(["eth0", "eth0:0", "eth0.5:web"].map(strip_label), ["eth0", "eth0", "eth0.5"]);
    }

    #[test]
    fn this_machine() {
        used_ranges().expect("readable");
        assert!(list_addresses().expect("readable").iter().all(|a| !a.interface.contains(':')));
    }
}
