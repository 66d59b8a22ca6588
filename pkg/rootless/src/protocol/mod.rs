//! Messages between parent and child. The order of the handshake is in this crate's README.

mod link;
mod socket;

pub(crate) use link::ParentLink;
pub use socket::WireError;
pub(crate) use socket::{AsyncSocket, Socket, socket_pair};

use crate::Spec;
use serde::{Deserialize, Serialize};
use usernetes_api::PortSpec;

/// Version of the protocol. The first message of each side carries it, to detect that the program was replaced.
pub(crate) const VERSION: u32 = 4;

/// From a child stage to the parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ToParent {
    /// The first stage has its user namespace and waits for the maps.
    Unshared { version: u32 },
    /// The first stage has started PID 1, known to the parent as `pid`, and ends.
    Spawned { pid: i32 },
    /// PID 1 dies with the parent and waits for [`ToChild::Start`].
    Init { version: u32 },
    /// The tap exists: the network driver can attach to it. Carries the sockets of the node's name server, unless those
    /// could not be made.
    Tap { resolver_failure: Option<String> },
    /// Requests a socket of the host; answered by [`ToChild::Bound`].
    Bind { id: u64, spec: PortSpec },
    /// The payload is up.
    Ready,
    /// The payload works as intended.
    Steady,
    /// Answer to [`ToChild::Ping`].
    Pong,
    /// The network driver's process runs and carries nothing.
    NetworkHangs,
    /// The payload has ended, or something has failed before it began.
    Failed { message: String },
    /// Results of a short-lived stage.
    Report(Vec<Outcome>),
}

/// From the parent to a child stage.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ToChild {
    /// The id maps are written.
    Mapped,
    /// Starts PID 1; carries the control socket, and a netlink socket of the host's network that names users of sockets.
    Start { version: u32, pid: i32, spec: Box<Spec> },
    /// State of the network driver's process.
    Network(HelperState),
    /// Answer to [`ToParent::Bind`]; carries the socket.
    Bound { id: u64, failure: Option<BindFailure> },
    /// Heartbeat; answered by [`ToParent::Pong`].
    Ping,
    /// End in order.
    Shutdown,
}

/// The process of the network driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HelperState {
    /// Its process id on the host; 0 while it is being restarted.
    pub(crate) pid: u32,
    /// How often it was restarted.
    pub(crate) restarts: u32,
}

/// Result of one step of a short-lived stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Attempted action, or path.
    pub(crate) what: String,
    /// Error in words, if it failed.
    pub(crate) failure: Option<String>,
}

/// The parent could not bind a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BindFailure {
    /// The kernel's error number.
    pub(crate) errno: i32,
    /// Process that holds the port, if known.
    pub(crate) owner: Option<String>,
}

/// The error for a message that has no place at this step.
pub(crate) fn unexpected_message(expected: &'static str, got: &impl std::fmt::Debug) -> WireError {
    let mut got = format!("{got:?}");
    got.truncate(got.floor_char_boundary(200));
    WireError::Unexpected { expected, got }
}

/// Refuses another version of the protocol.
pub(crate) fn check_version(version: u32) -> Result<(), WireError> {
    if version == VERSION {
        return Ok(());
    }
    Err(WireError::Unexpected { expected: "the same version of the protocol", got: format!("version {version}") })
}
