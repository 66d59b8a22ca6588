//! From objects to ports: which object gets which port of the host, and which get none.

use super::objects::{Exposure, Owner, PodPorts, ServicePorts};
use super::policy::{Claim, Policy};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use usernetes_api::{PortSpec, Protocol};

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

#[cfg(test)]
mod tests;
