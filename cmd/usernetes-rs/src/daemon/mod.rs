//! The node's two processes: the parent (`usernetes-rs daemon`) and the payload of the child, PID 1 inside.

pub(crate) mod address;
mod bundle;
mod dns;
mod overlay;
pub(crate) mod parent;
mod payload;
mod peers;
pub(crate) mod pod_ids;
pub(crate) mod ports;
pub(crate) mod process;
mod proxies;
mod spec;
mod watch;

pub(crate) use payload::{Request, payload};
