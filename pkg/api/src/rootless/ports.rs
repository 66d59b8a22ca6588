//! `ports`: ports of the host on which a node is reached.

use crate::constants;
use crate::validate::Errors;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// Fields that a flag sets.
pub(crate) const FLAGS: &[(&str, &str)] = &[
    ("ports.kubelet", "--kubelet-port"),
    ("ports.privilegedPortOffset", "--privileged-port-offset"),
    ("ports.vxlan", "--vxlan-port"),
];

/// Offsets that move every port below 1024 to 1024 or more, and none past 65535.
const PORT_OFFSETS: RangeInclusive<u16> = 1024..=64_512;

/// Defaults of `ports.maxPerHost` and `ports.maxPerNamespace`.
const MAX_PER_HOST: usize = 256;
const MAX_PER_NAMESPACE: usize = 64;

/// Ports published on the host beside the API server's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PortOptions {
    /// TCP port of the kubelet's API.
    pub kubelet: u16,
    /// UDP port of VXLAN, the same on all nodes.
    pub vxlan: u16,
    /// Offset at which privileged ports of Services and pods are published: 8000 publishes port 80 as 8080. Ports are
    /// privileged below `net.ipv4.ip_unprivileged_port_start`, 1024 by default. 0 publishes none of them.
    #[serde(alias = "shiftPrivileged", skip_serializing_if = "is_zero")]
    pub privileged_port_offset: u16,
    /// Which ports of Services and pods this host publishes.
    #[serde(skip_serializing_if = "PublishSelection::is_default")]
    pub publish: PublishSelection,
    /// Addresses of the host that they are published on. Without any: NodePorts and hostPorts on HOST_IP and the loopback
    /// address, LoadBalancer ports on HOST_IP. On the loopback address a Service could stand in for a server of the host,
    /// such as a database on port 5432.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Most ports that this host publishes for Services and pods. Each of them is lost to outgoing connections.
    #[serde(skip_serializing_if = "is_default_per_host")]
    pub max_per_host: usize,
    /// Most of them for one Kubernetes namespace.
    #[serde(skip_serializing_if = "is_default_per_namespace")]
    pub max_per_namespace: usize,
}

/// Ports of Services and pods that a host publishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PublishSelection {
    /// NodePorts, LoadBalancer ports and hostPorts.
    #[default]
    All,
    /// NodePorts only, whose range the API server bounds.
    NodePorts,
    /// None.
    None,
}

/// The privileged ports of a host, and where they are published instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortShift {
    /// First port that is not privileged.
    pub below: u16,
    /// Offset that is added to a privileged port.
    pub by: u16,
}

impl Default for PortOptions {
    fn default() -> Self {
        Self {
            kubelet: constants::KUBELET_PORT,
            vxlan: constants::VXLAN_PORT,
            privileged_port_offset: 0,
            publish: PublishSelection::default(),
            addresses: Vec::new(),
            max_per_host: MAX_PER_HOST,
            max_per_namespace: MAX_PER_NAMESPACE,
        }
    }
}

impl PortOptions {
    /// Adds what is wrong with a field on its own.
    pub(crate) fn validate(&self, errors: &mut Errors) {
        errors.require_port(self.kubelet, "ports.kubelet");
        errors.require_port(self.vxlan, "ports.vxlan");
        let offset = self.privileged_port_offset;
        errors.require(offset == 0 || PORT_OFFSETS.contains(&offset), "ports.privilegedPortOffset", || {
            format!("{offset} is neither 0 nor {} to {}", PORT_OFFSETS.start(), PORT_OFFSETS.end())
        });
        for address in &self.addresses {
            errors.require(!address.is_unspecified() && !address.is_multicast(), "ports.addresses", || {
                format!("{address} is not an address of this host; list each address that ports are published on")
            });
        }
    }
}

impl PublishSelection {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl PortShift {
    /// The port of the host that is published for `port`.
    pub fn of(self, port: u16) -> u16 {
        if port < self.below { port.checked_add(self.by).unwrap_or(port) } else { port }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_default_per_host(number: &usize) -> bool {
    *number == MAX_PER_HOST
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_default_per_namespace(number: &usize) -> bool {
    *number == MAX_PER_NAMESPACE
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(number: &u16) -> bool {
    *number == 0
}
