//! What one host publishes and reserves: from an object to the ports that it asks this host for.

use super::claims::Refusal;
use super::objects::{Exposure, Owner, PodPorts, ServicePort, ServicePorts};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use usernetes_api::{PortOptions, PortShift, PortSpec, Protocol, PublishSelection, ReservedPorts, loopback_of};

/// What this host reserves, and the addresses that it publishes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// HOST_IP: address of the host, and of the node inside the namespaces.
    pub host_ip: IpAddr,
    /// What the user wants published: which ports, on which addresses, and how many.
    pub options: PortOptions,
    /// Ports that the node itself needs.
    pub reserved: ReservedPorts,
    /// Ports from which the host chooses those of outgoing connections; only NodePorts, whose range the cluster's
    /// administrator chose, are published within. `None` where it is not known.
    pub outgoing: Option<RangeInclusive<u16>>,
    /// Offset for privileged ports; `None` where they are published as they are.
    pub shift: Option<PortShift>,
}

/// One request for a port, before it is granted.
pub(super) struct Claim<'a> {
    pub(super) owner: &'a Owner,
    pub(super) exposure: Exposure,
    pub(super) local_only: bool,
    pub(super) host_network: bool,
    pub(super) spec: PortSpec,
    pub(super) instead_of: Option<u16>,
}

impl Policy {
    pub(super) fn service_claims<'a>(&self, service: &'a ServicePorts) -> Vec<Claim<'a>> {
        let mut claims = Vec::new();
        if self.options.publish == PublishSelection::None {
            return claims;
        }
        if let Some(port) = service.health_check {
            claims.extend(self.service_claim(service, Exposure::HealthCheck, Protocol::Tcp, port, port));
        }
        for &ServicePort { protocol, port, node_port } in &service.ports {
            if let Some(node_port) = node_port {
                claims.extend(self.service_claim(service, Exposure::NodePort, protocol, node_port, node_port));
            }
            if service.balanced && self.options.publish == PublishSelection::All {
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
        self.host_addresses(exposure).into_iter().map(move |address| Claim {
            owner: &service.owner,
            exposure,
            local_only: service.local_only,
            host_network: false,
            spec: port_spec(protocol, (address, shifted), node),
            instead_of: (shifted != port).then_some(port),
        })
    }

    pub(super) fn pod_claims<'a>(&self, pod: &'a PodPorts) -> Vec<Claim<'a>> {
        let mut claims = Vec::new();
        if self.options.publish != PublishSelection::All {
            return claims;
        }
        for &(protocol, port, only) in &pod.ports {
            let (addresses, on_node) = match only {
                None => (self.host_addresses(Exposure::HostPort), self.host_ip),
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

    /// The configured addresses; without any, HOST_IP, and for what is not a LoadBalancer's the loopback address.
    fn host_addresses(&self, exposure: Exposure) -> Vec<IpAddr> {
        let configured = &self.options.addresses;
        match exposure {
            _ if !configured.is_empty() => configured.clone(),
            Exposure::LoadBalancer => vec![self.host_ip],
            Exposure::NodePort | Exposure::HealthCheck | Exposure::HostPort => {
                vec![self.host_ip, loopback_of(self.host_ip)]
            }
        }
    }

    /// Why this host publishes a port for no object; `asked` is the port before it was shifted.
    pub(super) fn refusal(&self, exposure: Exposure, protocol: Protocol, port: u16, asked: u16) -> Option<Refusal> {
        let server = self.reserved.server(protocol, port).or_else(|| self.reserved.server(protocol, asked));
        if let Some(server) = server {
            return Some(Refusal::Reserved { server });
        }
        let of_cluster = matches!(exposure, Exposure::NodePort | Exposure::HealthCheck);
        let outgoing = self.outgoing.clone().filter(|range| !of_cluster && range.contains(&port))?;
        Some(Refusal::Outgoing { first: *outgoing.start(), last: *outgoing.end() })
    }
}

fn port_spec(protocol: Protocol, host: (IpAddr, u16), node: (IpAddr, u16)) -> PortSpec {
    PortSpec { protocol, host: host.into(), node: node.into() }
}
