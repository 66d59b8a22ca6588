//! Ports and what follows from the service range.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Transport protocol of a published port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A port published on the host: traffic to `host` reaches `node` inside the namespaces.
///
/// Written `HOST_IP:PORT:NODE_IP:PORT/PROTOCOL`, RootlessKit's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortSpec {
    /// Transport.
    pub protocol: Protocol,
    /// Address and port bound on the host.
    pub host: SocketAddr,
    /// Address and port connected to inside the node.
    pub node: SocketAddr,
}

impl fmt::Display for PortSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.node, self.protocol)
    }
}

/// Addresses inside the service range that have a fixed meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceNetwork(pub IpNet);

impl ServiceNetwork {
    /// The `kubernetes` Service: the first address.
    pub fn api_server(&self) -> IpAddr {
        self.nth(1)
    }

    /// The `kube-dns` Service: the tenth address.
    pub fn dns(&self) -> IpAddr {
        self.nth(10)
    }

    fn nth(&self, n: u32) -> IpAddr {
        match self.0.network() {
            IpAddr::V4(a) => IpAddr::V4((u32::from(a) + n).into()),
            IpAddr::V6(a) => IpAddr::V6((u128::from(a) + u128::from(n)).into()),
        }
    }
}
