//! Which ports a host has to publish: those of NodePorts, LoadBalancers and hostPorts.
//!
//! [`follow`] runs for as long as the node does, inside its PID 1, so it keeps of each object only what ports need.
//! [`write_load_balancers`] runs once in the cluster, on a control plane. Both say what they found; they open nothing.

mod balance;
pub(crate) mod follow;
mod objects;
pub(crate) mod peers;
mod ports;
mod reach;
pub(crate) mod session;

pub use balance::write_load_balancers;
pub use follow::follow;
pub use objects::{Exposure, PodPorts, ServicePort, ServicePorts};
pub use peers::follow_hosts;
pub use ports::{Conflict, Holder, Owner, Policy, Published, Wanted, wanted};
pub use reach::{Reach, write_reachability};

use crate::Error;

/// What a watch that never ends has to say.
#[derive(Debug)]
pub enum Update<T> {
    /// All there is now; said again only when it differs.
    State(T),
    /// The API server cannot be reached; what was said last goes on to hold. Tried again all the time.
    Lost(Error),
}
