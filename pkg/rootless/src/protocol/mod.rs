//! What parent and child say to each other. The order of the handshake is in this crate's README.

mod link;
mod socket;

pub(crate) use link::ParentLink;
pub(crate) use socket::{AsyncSocket, Socket, WireError, pair};

use crate::Spec;
use serde::{Deserialize, Serialize};
use usernetes_api::PortSpec;

/// Told in every first message: a program that was replaced by another version is noticed.
pub(crate) const VERSION: u32 = 2;

/// From a child stage to the parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ToParent {
    /// The first stage has its user namespace and waits for the maps.
    Unshared { version: u32 },
    /// The first stage has started PID 1, known to the parent as `pid`, and ends.
    Spawned { pid: i32 },
    /// PID 1 is tied to the parent's life and waits for its orders.
    Init { version: u32 },
    /// The tap is there: the network helper can be attached.
    Tap,
    /// A port is wanted; answered by [`ToChild::Bound`].
    Bind { id: u64, spec: PortSpec },
    /// The payload is up.
    Ready,
    /// The payload does what it is there for.
    Steady,
    /// Answer to [`ToChild::Ping`].
    Pong,
    /// The payload has ended, or something has failed before it began.
    Failed { message: String },
    /// What a short-lived helper stage found out or could not do.
    Report(Vec<Outcome>),
}

/// From the parent to a child stage.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ToChild {
    /// The id maps are written.
    Mapped,
    /// PID 1's orders; the control socket comes with it.
    Start { version: u32, pid: i32, spec: Box<Spec> },
    /// The network helper runs, with its process id and how often it was restarted.
    Network(HelperState),
    /// Answer to [`ToParent::Bind`]; the socket comes with it.
    Bound { id: u64, failure: Option<BindFailure> },
    /// Whether PID 1 still turns; answered by [`ToParent::Pong`].
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

/// One step of a helper stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// What was tried.
    pub(crate) what: String,
    /// Why it failed, if it did.
    pub(crate) failure: Option<String>,
}

/// Why the parent could not bind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BindFailure {
    /// The kernel's error number.
    pub(crate) errno: i32,
    /// Who has the port, as far as can be seen.
    pub(crate) owner: Option<String>,
}

/// The error for a message that has no place at this step.
pub(crate) fn unexpected(expected: &'static str, got: &impl std::fmt::Debug) -> WireError {
    let mut got = format!("{got:?}");
    got.truncate(got.floor_char_boundary(200));
    WireError::Unexpected { expected, got }
}

/// Refuses another version of this program.
pub(crate) fn same_version(theirs: u32) -> Result<(), WireError> {
    if theirs == VERSION {
        return Ok(());
    }
    Err(WireError::Unexpected { expected: "the same version of the protocol", got: format!("version {theirs}") })
}
