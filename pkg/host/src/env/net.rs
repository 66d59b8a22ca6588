//! Addresses and routes of the host, and the address that other hosts use.

use super::EnvError;
use super::interfaces::list_addresses;
use crate::{FsError, fs};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// A route of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destination; the default route's is `0.0.0.0/0` or `::/0`.
    pub net: IpNet,
    /// Interface of the route.
    pub interface: String,
    /// Next hop; `None` for a network of the interface.
    pub gateway: Option<IpAddr>,
    /// Metric; the route with the smallest one is used.
    pub metric: u32,
}

/// An address under which other hosts may reach this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The address.
    pub address: IpAddr,
    /// Its interface.
    pub interface: String,
    /// Whether a default route of its family leaves by that interface.
    pub on_default_route: bool,
    /// Why other hosts probably do not reach the address.
    pub obstacle: Option<Obstacle>,
}

/// A reason why other hosts do not reach an address. The order is that of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// The interface is a bridge or a tunnel beside the default route, such as those of container engines and VPNs.
    Virtual,
    /// The address is that of a virtual machine behind its hypervisor's NAT, the same in every such machine.
    BehindNat,
}

/// All routes that are up, of both families.
pub fn routes() -> Result<Vec<Route>, FsError> {
    let mut routes: Vec<Route> =
        fs::read_if_exists("/proc/net/route")?.unwrap_or_default().lines().filter_map(parse_route_ipv4).collect();
    // Absent on a kernel without IPv6.
    routes.extend(fs::read_if_exists("/proc/net/ipv6_route")?.unwrap_or_default().lines().filter_map(parse_route_ipv6));
    Ok(routes)
}

const UP: u32 = 1;
const REJECT: u32 = 0x200;

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT`, addresses in the machine's byte order.
fn parse_route_ipv4(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [interface, destination, gateway, flags, _, _, metric, mask, ..] = fields[..] else { return None };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let gateway = parse_hex_ipv4(gateway)?;
    let net = IpNet::V4(Ipv4Net::with_netmask(parse_hex_ipv4(destination)?, parse_hex_ipv4(mask)?).ok()?);
    (flags & UP != 0 && flags & REJECT == 0).then_some(Route {
        net,
        interface: interface.into(),
        gateway: (!gateway.is_unspecified()).then_some(gateway.into()),
        metric: metric.parse().ok()?,
    })
}

fn parse_hex_ipv4(hex: &str) -> Option<Ipv4Addr> {
    u32::from_str_radix(hex, 16).ok().map(|n| Ipv4Addr::from(n.to_ne_bytes()))
}

/// `destination prefix source prefix next-hop metric refcount use flags interface`, all numbers hexadecimal.
fn parse_route_ipv6(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [destination, prefix, _, _, next_hop, metric, _, _, flags, interface] = fields[..] else { return None };
    let address = Ipv6Addr::from(u128::from_str_radix(destination, 16).ok()?);
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let net = IpNet::V6(Ipv6Net::new(address, u8::from_str_radix(prefix, 16).ok()?).ok()?);
    let next_hop = Ipv6Addr::from(u128::from_str_radix(next_hop, 16).ok()?);
    let gateway = (!next_hop.is_unspecified()).then_some(next_hop.into());
    let route = Route { net, interface: interface.into(), gateway, metric: u32::from_str_radix(metric, 16).ok()? };
    (flags & UP != 0 && flags & REJECT == 0 && interface != "lo").then_some(route)
}

/// Every address that other hosts may use, those on the default route first, IPv4 before IPv6.
pub fn host_ips() -> Result<Vec<Candidate>, EnvError> {
    let routes = routes()?;
    let addresses = list_addresses()?.into_iter().filter(|a| a.is_up && !a.is_loopback);
    Ok(rank_candidates(addresses.map(|a| (a.interface, a.address)), &routes, &is_virtual))
}

fn rank_candidates(
    addresses: impl Iterator<Item = (String, IpAddr)>,
    routes: &[Route],
    is_virtual: &dyn Fn(&str) -> bool,
) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = addresses
        .filter(|(_, ip)| !is_link_local(ip))
        .map(|(interface, address)| {
            let mut default = best_default_routes(routes, address.is_ipv4()).filter(|r| r.interface == interface);
            let default = default.next();
            let obstacle = match default {
                Some(route) => is_behind_nat(address, route).then_some(Obstacle::BehindNat),
                None => is_virtual(&interface).then_some(Obstacle::Virtual),
            };
            Candidate { address, interface, on_default_route: default.is_some(), obstacle }
        })
        .collect();
    found.sort_by_key(|c| (!c.on_default_route, c.obstacle, c.address.is_ipv6()));
    found
}

/// Whether an interface is a bridge, or a tunnel of a program or of WireGuard.
fn is_virtual(interface: &str) -> bool {
    let directory = Path::new("/sys/class/net").join(interface);
    let is_wireguard =
        || fs::read_of_system(directory.join("uevent")).is_ok_and(|text| text.contains("DEVTYPE=wireguard"));
    directory.join("bridge").exists() || directory.join("tun_flags").exists() || is_wireguard()
}

/// The range and the gateway that VirtualBox (so Vagrant) and QEMU give every machine behind their NAT.
fn is_behind_nat(address: IpAddr, default: &Route) -> bool {
    let IpAddr::V4(address) = address else { return false };
    address.octets()[..3] == [10, 0, 2] && default.gateway == Some(IpAddr::from([10, 0, 2, 2]))
}

fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// The default routes of a family that share the smallest metric.
fn best_default_routes(routes: &[Route], v4: bool) -> impl Iterator<Item = &Route> {
    let best = default_routes(routes, v4).map(|route| route.metric).min();
    default_routes(routes, v4).filter(move |route| Some(route.metric) == best)
}

fn default_routes(routes: &[Route], v4: bool) -> impl Iterator<Item = &Route> {
    routes.iter().filter(move |route| route.net.prefix_len() == 0 && route.net.addr().is_ipv4() == v4)
}

/// The address under which other hosts reach this one: the first on the default route's interface, or the only one.
///
/// `None` when there is no address at all; an error when several may be meant.
pub fn default_host_ip() -> Result<Option<IpAddr>, EnvError> {
    choose_host_ip(host_ips()?)
}

/// The same, but only an address on a default route: what is left of a host that has lost its network is no substitute.
pub fn routed_host_ip() -> Result<Option<IpAddr>, EnvError> {
    choose_host_ip(keep_routed(host_ips()?))
}

fn keep_routed(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.retain(|c| c.on_default_route);
    candidates
}

fn choose_host_ip(candidates: Vec<Candidate>) -> Result<Option<IpAddr>, EnvError> {
    let Some(first) = candidates.first() else { return Ok(None) };
    let v4 = first.address.is_ipv4();
    if first.obstacle == Some(Obstacle::BehindNat)
        && candidates.iter().any(|c| c.address.is_ipv4() == v4 && c.obstacle.is_none())
    {
        return Err(EnvError::HostIpBehindNat { address: first.address, candidates });
    }
    let mut rivals = candidates.iter().filter(|c| {
        c.on_default_route == first.on_default_route && c.obstacle == first.obstacle && c.address.is_ipv4() == v4
    });
    // Second addresses of one interface are for special purposes; the kernel lists, and uses, the primary one first.
    if rivals.any(|c| c.interface != first.interface) {
        return Err(EnvError::AmbiguousHostIp { candidates });
    }
    Ok(Some(first.address))
}

/// MTU of an interface.
pub fn mtu(interface: &str) -> Result<Option<u32>, FsError> {
    Ok(fs::read_if_exists(Path::new("/sys/class/net").join(interface).join("mtu"))?
        .and_then(|text| text.trim().parse().ok()))
}

/// MTU of the interface that has this address; `None` when none has it.
pub fn mtu_to_outside(host_ip: IpAddr) -> Result<Option<u32>, EnvError> {
    match host_ips()?.into_iter().find(|c| c.address == host_ip) {
        Some(candidate) => Ok(mtu(&candidate.interface)?),
        None => Ok(None),
    }
}

#[cfg(test)]
#[path = "net_tests.rs"]
mod tests;
