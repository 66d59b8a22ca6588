//! From objects to ports: which object gets which port of the host, and which get none.

use super::objects::{Exposure, Owner, PodPorts, ServicePorts};
use super::policy::{Claim, Policy};
use crate::ObjectRef;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use usernetes_api::{PortOptions, PortSpec, Protocol};

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
        Some(format!(
            "{what} {asked}/{protocol} is published on host port {}, since ports.privilegedPortOffset is set",
            host.port()
        ))
    }
}

/// Why an object does not get a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is a port of the node itself.
    Reserved {
        /// What listens on it.
        server: &'static str,
    },
    /// Another object has it.
    Taken(Owner),
    /// The host chooses ports of outgoing connections from this range.
    Outgoing {
        /// First port of the range.
        first: u16,
        /// Last port of the range.
        last: u16,
    },
    /// `ports.maxPerHost` are published.
    HostLimit(usize),
    /// `ports.maxPerNamespace` are published for the namespace.
    NamespaceLimit(usize),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved { server } => write!(f, "the node itself needs it for {server}; choose another port"),
            Self::Taken(Owner { object, .. }) => {
                let ObjectRef { kind, namespace, name, .. } = object;
                write!(f, "{kind} {namespace}/{name} has it; choose another port")
            }
            Self::Outgoing { first, last } => {
                write!(f, "the host's outgoing connections use {first} to {last}; choose another port")
            }
            Self::HostLimit(limit) => {
                write!(f, "this host publishes {limit} ports of Services and pods; raise ports.maxPerHost")
            }
            Self::NamespaceLimit(limit) => {
                write!(f, "this host publishes {limit} ports of this namespace; raise ports.maxPerNamespace")
            }
        }
    }
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
    /// Why not.
    pub refusal: Refusal,
}

impl Conflict {
    /// Reason of the event about it.
    pub const REASON: &'static str = "PortConflict";

    /// Message of that event.
    pub fn message(&self) -> String {
        let what = self.exposure.name();
        let asked = self.instead_of.map_or_else(String::new, |asked| format!(" (for {asked})"));
        let Self { port, protocol, refusal, .. } = self;
        format!("{what} {port}/{protocol}{asked} is not published: {refusal}")
    }
}

/// Everything that a host shall publish, sorted, each address and port once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DesiredPorts {
    /// Ports to publish.
    pub ports: Vec<PublishedPort>,
    /// Ports that an object asks for and does not get.
    pub conflicts: Vec<Conflict>,
    /// Pods of the node's network that declare no port.
    pub undeclared: Vec<ObjectRef>,
}

impl DesiredPorts {
    /// Reason of the event about a pod that declares no port.
    pub const UNDECLARED: &'static str = "HostNetworkNotPublished";
    /// Message of that event.
    pub const UNDECLARED_MESSAGE: &'static str = "hostNetwork is the network of the node, which other hosts reach by \
        published ports only; name the ports on which the pod listens as containerPort, and this host publishes them";
}

/// Grants ports: first the node's own, then node ports, which the API server allocates only once, then the older object's.
pub fn assign_ports<'a>(
    services: impl IntoIterator<Item = &'a ServicePorts>,
    pods: impl IntoIterator<Item = &'a PodPorts>,
    policy: &Policy,
) -> DesiredPorts {
    let pods: Vec<&PodPorts> = pods.into_iter().collect();
    let undeclared = pods.iter().filter(|pod| pod.is_undeclared()).map(|pod| pod.owner.object.clone()).collect();
    let mut claims: Vec<Claim<'a>> = services.into_iter().flat_map(|service| policy.service_claims(service)).collect();
    claims.extend(pods.into_iter().flat_map(|pod| policy.pod_claims(pod)));
    claims.sort_by(|a, b| (a.exposure, a.owner, a.spec).cmp(&(b.exposure, b.owner, b.spec)));
    DesiredPorts { undeclared, ..grant_claims(claims, policy) }
}

/// Addresses and ports that were granted, and how many ports that are: one on two addresses counts once.
#[derive(Default)]
struct Granted {
    ports: BTreeMap<(SocketAddr, Protocol), PublishedPort>,
    counted: BTreeSet<(Protocol, u16)>,
    per_namespace: BTreeMap<String, usize>,
}

impl Granted {
    /// Why the claim gets nothing. `Ok` if it gets the port, or has it already.
    fn grant(&mut self, claim: Claim<'_>, policy: &Policy) -> Result<(), Refusal> {
        let Claim { owner, exposure, local_only, host_network, spec, instead_of } = claim;
        let PortSpec { protocol, host, .. } = spec;
        let asked = instead_of.unwrap_or(host.port());
        policy.refusal(exposure, protocol, host.port(), asked).map_or(Ok(()), Err)?;
        match self.ports.get(&(host, protocol)) {
            // Not a conflict with itself: the port of a Service may be its node port.
            Some(other) if other.owner == *owner => return Ok(()),
            Some(other) => return Err(Refusal::Taken(other.owner.clone())),
            None => self.count(&owner.object.namespace, (protocol, host.port()), &policy.options)?,
        }
        let port = PublishedPort { spec, owner: owner.clone(), exposure, local_only, host_network, instead_of };
        self.ports.insert((host, protocol), port);
        Ok(())
    }

    fn count(&mut self, namespace: &str, port: (Protocol, u16), limits: &PortOptions) -> Result<(), Refusal> {
        if self.counted.contains(&port) {
            return Ok(());
        }
        if self.counted.len() >= limits.max_per_host {
            return Err(Refusal::HostLimit(limits.max_per_host));
        }
        let of_namespace = self.per_namespace.entry(namespace.to_owned()).or_default();
        if *of_namespace >= limits.max_per_namespace {
            return Err(Refusal::NamespaceLimit(limits.max_per_namespace));
        }
        *of_namespace += 1;
        self.counted.insert(port);
        Ok(())
    }
}

fn grant_claims(claims: Vec<Claim<'_>>, policy: &Policy) -> DesiredPorts {
    let mut granted = Granted::default();
    let mut conflicts = Vec::new();
    for claim in claims {
        let Claim { owner, exposure, instead_of, spec: PortSpec { protocol, host, .. }, .. } = claim;
        let Err(refusal) = granted.grant(claim, policy) else { continue };
        let conflict = Conflict { protocol, port: host.port(), instead_of, loser: owner.clone(), exposure, refusal };
        // The same port on a second address is the same conflict.
        if !conflicts.contains(&conflict) {
            conflicts.push(conflict);
        }
    }
    DesiredPorts { ports: granted.ports.into_values().collect(), conflicts, undeclared: Vec::new() }
}

#[cfg(test)]
mod tests;
