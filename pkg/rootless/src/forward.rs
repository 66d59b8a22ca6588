//! A port to be published: where from, where to, and how its traffic is carried.

use serde::{Deserialize, Serialize};
use usernetes_api::PortSpec;

/// How a port's traffic is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ForwardKind {
    /// Connections, or for UDP the exchanges of each client, have their way back.
    Session,
    /// As [`Session`](Self::Session), and what is inside sees the client's own address. Clients on the host itself, and
    /// all where the kernel refuses, are seen as with a session.
    Transparent,
    /// UDP in one direction, from the addresses of [`PortManager::admit`](crate::PortManager::admit): for tunnels that answer by a way of their own.
    Relay,
}

/// A port to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forward {
    /// Where from and where to.
    pub spec: PortSpec,
    /// How.
    pub kind: ForwardKind,
}

impl Forward {
    /// With a way back.
    pub fn session(spec: PortSpec) -> Self {
        Self { spec, kind: ForwardKind::Session }
    }

    /// With a way back, from the client's own address.
    pub fn transparent(spec: PortSpec) -> Self {
        Self { spec, kind: ForwardKind::Transparent }
    }

    /// One way; UDP only.
    pub fn relay(spec: PortSpec) -> Self {
        Self { spec, kind: ForwardKind::Relay }
    }
}
