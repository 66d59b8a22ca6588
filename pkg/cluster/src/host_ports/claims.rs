//! From objects to ports: which object gets which port of the host, and which get none.

use super::objects::{Exposure, Owner, PodPorts, ServicePort, ServicePorts};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use usernetes_api::{PortShift, PortSpec, Protocol};

/// What this host reserves, and the addresses that it publishes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// HOST_IP: address of the host, and of the node inside the namespaces.
    pub host_ip: IpAddr,
    /// Whether ports are published on the host's loopback address too.
    pub loopback: bool,
    /// Ports that the node itself needs: API server, kubelet, VXLAN.
    pub reserved: BTreeSet<(Protocol, u16)>,
    /// Offset for privileged ports; `None` where they are published as they are.
    pub shift: Option<PortShift>,
}

/// A port to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// Protocol, address on the host, address of the node.
    pub spec: PortSpec,
    /// The object that asks for it.
    pub owner: Owner,
    /// The field that asks for it.
    pub exposure: Exposure,
    /// `externalTrafficPolicy: Local`: only pods of this node answer.
    pub local_only: bool,
    /// Whether a process in the node's network namespace answers, without kube-proxy in between.
    pub host_network: bool,
    /// The port that was asked for, where `ports.privilegedPortOffset` moved it.
    pub instead_of: Option<u16>,
}

impl PublishedPort {
    /// Reason of the event about a moved port.
    pub const SHIFTED: &'static str = "PortShifted";

    /// Message of that event; `None` for a port that was not moved.
    pub fn shift_message(&self) -> Option<String> {
        let asked = self.instead_of?;
        let PortSpec { protocol, host, .. } = self.spec;
        let what = self.exposure.name();
        Some(format!("{what} {asked}/{protocol} is published as {}, as ports.privilegedPortOffset says", host.port()))
    }
}

/// What has a port already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The node itself.
    Node,
    /// Another object.
    Object(Owner),
}

/// A port that an object asks for and does not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Transport.
    pub protocol: Protocol,
    /// Port on the host.
    pub port: u16,
    /// The port that was asked for, where `ports.privilegedPortOffset` would have moved it to `port`.
    pub instead_of: Option<u16>,
    /// The object that does not get it.
    pub loser: Owner,
    /// The field that asks for it.
    pub exposure: Exposure,
    /// What has it instead.
    pub holder: Holder,
}

impl Conflict {
    /// Reason of the event about it.
    pub const REASON: &'static str = "PortConflict";

    /// Message of that event.
    pub fn message(&self) -> String {
        let what = self.exposure.name();
        let holder = match &self.holder {
            Holder::Node => "the node itself".to_owned(),
            Holder::Object(owner) => format!("{} {}/{}", owner.object.kind, owner.object.namespace, owner.object.name),
        };
        let asked = self.instead_of.map_or_else(String::new, |asked| format!(" (for {asked})"));
        let Self { port, protocol, .. } = self;
        format!("{what} {port}/{protocol}{asked} is not published: {holder} has it; choose another port")
    }
}

/// Everything that a host shall publish, sorted, each address and port once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DesiredPorts {
    /// Ports to publish.
    pub ports: Vec<PublishedPort>,
    /// Ports that an object asks for and does not get.
    pub conflicts: Vec<Conflict>,
}

/// One request for a port, before it is granted.
struct Claim<'a> {
    owner: &'a Owner,
    exposure: Exposure,
    local_only: bool,
    host_network: bool,
    spec: PortSpec,
    instead_of: Option<u16>,
}

/// Grants ports: first the node's own, then node ports, which the API server allocates only once, then the older object's.
pub fn assign_ports<'a>(
    services: impl IntoIterator<Item = &'a ServicePorts>,
    pods: impl IntoIterator<Item = &'a PodPorts>,
    policy: &Policy,
) -> DesiredPorts {
    let mut claims: Vec<Claim<'a>> = services.into_iter().flat_map(|service| policy.service_claims(service)).collect();
    claims.extend(pods.into_iter().flat_map(|pod| policy.pod_claims(pod)));
    claims.sort_by(|a, b| (a.exposure, a.owner, a.spec).cmp(&(b.exposure, b.owner, b.spec)));
    grant_claims(claims, policy)
}

fn grant_claims(claims: Vec<Claim<'_>>, policy: &Policy) -> DesiredPorts {
    let mut granted: BTreeMap<(SocketAddr, Protocol), PublishedPort> = BTreeMap::new();
    let mut conflicts = Vec::new();
    for Claim { owner, exposure, local_only, host_network, spec, instead_of } in claims {
        let PortSpec { protocol, host, .. } = spec;
        let port = host.port();
        let key = (host, protocol);
        let holder = match granted.get(&key) {
            _ if policy.reserved.contains(&(protocol, port)) => Holder::Node,
            // Not a conflict with itself: the port of a Service may be its node port.
            Some(other) if other.owner == *owner => continue,
            Some(other) => Holder::Object(other.owner.clone()),
            None => {
                let owner = owner.clone();
                granted.insert(key, PublishedPort { spec, owner, exposure, local_only, host_network, instead_of });
                continue;
            }
        };
        let conflict = Conflict { protocol, port, instead_of, loser: owner.clone(), exposure, holder };
        // The same port on a second address is the same conflict.
        if !conflicts.contains(&conflict) {
            conflicts.push(conflict);
        }
    }
    DesiredPorts { ports: granted.into_values().collect(), conflicts }
}

impl Policy {
    fn service_claims<'a>(&self, service: &'a ServicePorts) -> Vec<Claim<'a>> {
        let mut claims = Vec::new();
        if let Some(port) = service.health_check {
            claims.extend(self.service_claim(service, Exposure::HealthCheck, Protocol::Tcp, port, port));
        }
        for &ServicePort { protocol, port, node_port } in &service.ports {
            if let Some(node_port) = node_port {
                claims.extend(self.service_claim(service, Exposure::NodePort, protocol, node_port, node_port));
            }
            if service.balanced {
                // Without a node port kube-proxy still takes HOST_IP:port, the address that we write into the status.
                let on_node = node_port.unwrap_or(port);
                claims.extend(self.service_claim(service, Exposure::LoadBalancer, protocol, port, on_node));
            }
        }
        claims
    }

    /// A port of a Service on every address of the host.
    fn service_claim<'a>(
        &self,
        service: &'a ServicePorts,
        exposure: Exposure,
        protocol: Protocol,
        port: u16,
        on_node: u16,
    ) -> impl Iterator<Item = Claim<'a>> + use<'a> {
        let shifted = self.shifted_port(port);
        let node = (self.host_ip, on_node);
        self.host_addresses().into_iter().map(move |address| Claim {
            owner: &service.owner,
            exposure,
            local_only: service.local_only,
            host_network: false,
            spec: port_spec(protocol, (address, shifted), node),
            instead_of: (shifted != port).then_some(port),
        })
    }

    fn pod_claims<'a>(&self, pod: &'a PodPorts) -> Vec<Claim<'a>> {
        let mut claims = Vec::new();
        for &(protocol, port, only) in &pod.ports {
            let (addresses, on_node) = match only {
                None => (self.host_addresses(), self.host_ip),
                Some(address) if address == self.host_ip => (vec![address], address),
                // The CNI plugin publishes it on that address alone, inside the namespaces as well.
                Some(address) if address.is_loopback() => (vec![address], address),
                // An address that this host does not have.
                Some(_) => continue,
            };
            let shifted = self.shifted_port(port);
            claims.extend(addresses.into_iter().map(|address| Claim {
                owner: &pod.owner,
                exposure: Exposure::HostPort,
                local_only: false,
                host_network: pod.host_network,
                spec: port_spec(protocol, (address, shifted), (on_node, port)),
                instead_of: (shifted != port).then_some(port),
            }));
        }
        claims
    }

    fn shifted_port(&self, port: u16) -> u16 {
        self.shift.map_or(port, |shift| shift.of(port))
    }

    fn host_addresses(&self) -> Vec<IpAddr> {
        let loopback = match self.host_ip {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        std::iter::once(self.host_ip).chain(self.loopback.then_some(loopback)).collect()
    }
}

fn port_spec(protocol: Protocol, host: (IpAddr, u16), node: (IpAddr, u16)) -> PortSpec {
    PortSpec { protocol, host: host.into(), node: node.into() }
}

#[cfg(test)]
mod tests;
