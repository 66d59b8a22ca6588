//! What a command may ask the child of a running node.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use usernetes_api::Duration;

/// One request over the control socket; the answer is JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "ask")]
pub enum Request {
    /// Waits until a DNS server answers for a name, asked from the node's network. Answer: `{}`.
    Dns {
        /// Address of the server.
        server: SocketAddr,
        /// Name to resolve.
        name: String,
    },
    /// Waits until the tunnel address of another node answers through the pod network. Answer: `{}`.
    PodNetwork {
        /// Tunnel address of the other node.
        peer: IpAddr,
    },
    /// Writes a warning Event on this host's Node. Answer: `{}`.
    NodeEvent {
        /// Reason of the Event, one word.
        reason: String,
        /// Message of the Event.
        message: String,
    },
    /// Sets the addresses besides HOST_IP from which this host sends. Answer: `{}`.
    EgressAddresses {
        /// All of them.
        addresses: BTreeSet<IpAddr>,
    },
    /// Sets the time for pods to end at the stop that follows. Answer: `{}`.
    StopTimeout {
        /// Not longer than that of the configuration.
        timeout: Duration,
    },
    /// Services and pods whose ports could not be published. Answer: a list of messages.
    PortConflicts {},
}
