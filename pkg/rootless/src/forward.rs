//! A port to be published: addresses, and how its traffic is carried.

use serde::{Deserialize, Serialize};
use usernetes_api::PortSpec;

/// How a port's traffic is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ForwardKind {
    /// Forwards in both directions: TCP connections, or a UDP session for each client.
    Session,
    /// As [`Session`](Self::Session), and servers inside see the client's own address. Where that is impossible, for
    /// clients on the host itself or if the kernel refuses, they see the node's address.
    Transparent,
    /// VXLAN over UDP in one direction, from the peers of
    /// [`PortManager::set_relay_peers`](crate::PortManager::set_relay_peers): replies take another way.
    Relay,
}

/// A port to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forward {
    /// Addresses on the host and inside.
    pub spec: PortSpec,
    /// How traffic is carried.
    pub kind: ForwardKind,
}

impl Forward {
    /// Forwards in both directions.
    pub fn session(spec: PortSpec) -> Self {
        Self { spec, kind: ForwardKind::Session }
    }

    /// Forwards in both directions, with the client's own address inside.
    pub fn transparent(spec: PortSpec) -> Self {
        Self { spec, kind: ForwardKind::Transparent }
    }

    /// Forwards in one direction; UDP only.
    pub fn relay(spec: PortSpec) -> Self {
        Self { spec, kind: ForwardKind::Relay }
    }
}
