//! From objects to ports: who gets which, and who goes without.

use super::objects::{Exposure, PodPorts, ServicePorts};
use crate::Involved;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use usernetes_api::{PortShift, PortSpec, Protocol};

/// What this host publishes besides, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Address of the host, and of the node inside.
    pub host_ip: IpAddr,
    /// Whether ports are bound to the host's loopback address too.
    pub loopback: bool,
    /// Ports that the node itself needs: API server, kubelet, VXLAN.
    pub reserved: BTreeSet<(Protocol, u16)>,
    /// What becomes of ports that are the administrator's; `None` where they are tried as they are.
    pub shift: Option<PortShift>,
}

/// An object that wants ports. The older one goes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// When it was made.
    pub since: Timestamp,
    /// Which object: what an event is written about.
    pub about: Involved,
}

/// A port to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where and whereto.
    pub spec: PortSpec,
    /// For whom.
    pub owner: Owner,
    /// As what.
    pub exposure: Exposure,
    /// `externalTrafficPolicy: Local`: only this node's pods shall answer.
    pub local_only: bool,
    /// Whether a program in the node's own network answers, without kube-proxy between.
    pub host_network: bool,
    /// The port that was asked for, where another took its place.
    pub instead_of: Option<u16>,
}

impl Published {
    /// Reason of an event about a port in another's place.
    pub const SHIFTED: &'static str = "PortShifted";

    /// Message of that event.
    pub fn shifted(&self) -> Option<String> {
        let (asked, port, protocol) = (self.instead_of?, self.spec.host.port(), self.spec.protocol);
        let what = self.exposure.name();
        Some(format!("{what} {asked}/{protocol} is published as {port}, as ports.privilegedPortOffset says"))
    }
}

/// Who has a port already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The node itself.
    Node,
    /// Another object.
    Object(Owner),
}

/// A port that two want; one goes without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Transport.
    pub protocol: Protocol,
    /// Port on the host.
    pub port: u16,
    /// The port that was asked for, where that one was to take its place.
    pub instead_of: Option<u16>,
    /// Who goes without.
    pub loser: Owner,
    /// As what.
    pub exposure: Exposure,
    /// Who has it.
    pub holder: Holder,
}

impl Conflict {
    /// Reason of an event.
    pub const REASON: &'static str = "PortConflict";

    /// Message of an event.
    pub fn message(&self) -> String {
        let what = self.exposure.name();
        let holder = match &self.holder {
            Holder::Node => "the node itself".to_owned(),
            Holder::Object(owner) => format!("{} {}/{}", owner.about.kind, owner.about.namespace, owner.about.name),
        };
        let asked = self.instead_of.map_or_else(String::new, |asked| format!(" (for {asked})"));
        let (port, protocol) = (self.port, self.protocol);
        format!("{what} {port}/{protocol}{asked} is not published: {holder} has it; choose another port")
    }
}

/// Everything that a host has to publish, sorted, each address and port once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Ports.
    pub ports: Vec<Published>,
    /// Who goes without.
    pub conflicts: Vec<Conflict>,
}

/// One wish, before it is granted.
struct Claim<'a> {
    owner: &'a Owner,
    exposure: Exposure,
    local_only: bool,
    host_network: bool,
    spec: PortSpec,
    instead_of: Option<u16>,
}

/// Decides: the node's own ports, then node ports, which the API server gives out only once, then the older object.
pub fn wanted<'a>(
    services: impl IntoIterator<Item = &'a ServicePorts>,
    pods: impl IntoIterator<Item = &'a PodPorts>,
    policy: &Policy,
) -> Wanted {
    let mut claims: Vec<Claim<'a>> = services.into_iter().flat_map(|service| policy.claims_of(service)).collect();
    claims.extend(pods.into_iter().flat_map(|pod| policy.claims_of_pod(pod)));
    claims.sort_by(|a, b| (a.exposure, a.owner, a.spec).cmp(&(b.exposure, b.owner, b.spec)));
    grant(claims, policy)
}

fn grant(claims: Vec<Claim<'_>>, policy: &Policy) -> Wanted {
    let mut granted: BTreeMap<(SocketAddr, Protocol), Published> = BTreeMap::new();
    let mut conflicts = Vec::new();
    for Claim { owner, exposure, local_only, host_network, spec, instead_of } in claims {
        let (protocol, port) = (spec.protocol, spec.host.port());
        let key = (spec.host, protocol);
        let holder = match granted.get(&key) {
            _ if policy.reserved.contains(&(protocol, port)) => Holder::Node,
            // An object never stands in its own way: the port of a Service may be its node port.
            Some(other) if other.owner == *owner => continue,
            Some(other) => Holder::Object(other.owner.clone()),
            None => {
                let owner = owner.clone();
                granted.insert(key, Published { spec, owner, exposure, local_only, host_network, instead_of });
                continue;
            }
        };
        let conflict = Conflict { protocol, port, instead_of, loser: owner.clone(), exposure, holder };
        // The same port on a second address is the same conflict.
        if !conflicts.contains(&conflict) {
            conflicts.push(conflict);
        }
    }
    Wanted { ports: granted.into_values().collect(), conflicts }
}

impl Policy {
    fn claims_of<'a>(&self, service: &'a ServicePorts) -> Vec<Claim<'a>> {
        let claim = |exposure, protocol, port, inside| {
            self.addresses().into_iter().map(move |address| Claim {
                owner: &service.owner,
                exposure,
                local_only: service.local_only,
                host_network: false,
                spec: spec(protocol, (address, self.on_host(port)), (self.host_ip, inside)),
                instead_of: (self.on_host(port) != port).then_some(port),
            })
        };
        let mut claims = Vec::new();
        if let Some(port) = service.health_check {
            claims.extend(claim(Exposure::HealthCheck, Protocol::Tcp, port, port));
        }
        for port in &service.ports {
            if let Some(node_port) = port.node_port {
                claims.extend(claim(Exposure::NodePort, port.protocol, node_port, node_port));
            }
            if service.balanced {
                // Without a node port kube-proxy still takes HOST_IP:port, the address that we write into the status.
                let inside = port.node_port.unwrap_or(port.port);
                claims.extend(claim(Exposure::LoadBalancer, port.protocol, port.port, inside));
            }
        }
        claims
    }

    fn claims_of_pod<'a>(&self, pod: &'a PodPorts) -> Vec<Claim<'a>> {
        let mut claims = Vec::new();
        for &(protocol, port, only) in &pod.ports {
            let (addresses, inside) = match only {
                None => (self.addresses(), self.host_ip),
                Some(address) if address == self.host_ip => (vec![address], address),
                // The CNI plugin takes it on that address alone, inside as well.
                Some(address) if address.is_loopback() => (vec![address], address),
                // An address that this host does not have.
                Some(_) => continue,
            };
            claims.extend(addresses.into_iter().map(|address| Claim {
                owner: &pod.owner,
                exposure: Exposure::HostPort,
                local_only: false,
                host_network: pod.host_network,
                spec: spec(protocol, (address, self.on_host(port)), (inside, port)),
                instead_of: (self.on_host(port) != port).then_some(port),
            }));
        }
        claims
    }

    fn on_host(&self, port: u16) -> u16 {
        self.shift.map_or(port, |shift| shift.of(port))
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let loopback = match self.host_ip {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        std::iter::once(self.host_ip).chain(self.loopback.then_some(loopback)).collect()
    }
}

fn spec(protocol: Protocol, host: (IpAddr, u16), node: (IpAddr, u16)) -> PortSpec {
    PortSpec { protocol, host: host.into(), node: node.into() }
}

#[cfg(test)]
mod tests;
