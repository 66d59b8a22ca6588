//! `ports`: ports of the host on which a node is reached.

use crate::constants;
use crate::validate::Errors;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Fields that a flag sets.
pub(crate) const FLAGS: &[(&str, &str)] = &[
    ("ports.kubelet", "--kubelet-port"),
    ("ports.privilegedPortOffset", "--privileged-port-offset"),
    ("ports.vxlan", "--vxlan-port"),
];

/// Offsets that move every port below 1024 to 1024 or more, and none past 65535.
const PORT_OFFSETS: RangeInclusive<u16> = 1024..=64_512;

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
        Self { kubelet: constants::KUBELET_PORT, vxlan: constants::VXLAN_PORT, privileged_port_offset: 0 }
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
    }
}

impl PortShift {
    /// The port of the host that is published for `port`.
    pub fn of(self, port: u16) -> u16 {
        if port < self.below { port.checked_add(self.by).unwrap_or(port) } else { port }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(number: &u16) -> bool {
    *number == 0
}
