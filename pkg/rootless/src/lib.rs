//! Runs a payload as PID 1 and root in its own namespaces, with a working network, started by an ordinary user.
//!
//! Two processes of the same program: the *parent* stays in the host's network namespace, makes the child's id
//! maps, runs the network driver and binds published ports; the *child* is PID 1 inside, prepares mounts and
//! addresses, forwards the ports and runs the payload. Their protocol is in this crate's README.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use usernetes_rootless::{ChildContext, Spec, child_main, run_parent};
//!
//! async fn payload(context: ChildContext) -> ExitCode {
//!     context.ready.notify().await;
//!     context.shutdown.cancelled().await;
//!     ExitCode::SUCCESS
//! }
//!
//! fn main() -> ExitCode {
//!     if let Some(code) = child_main(payload) {
//!         return code;
//!     }
//!     let spec = Spec::new("node", "/run/user/1000/node");
//!     match run_parent(&spec, |_| ()) {
//!         Ok(status) if status.success() => ExitCode::SUCCESS,
//!         _ => ExitCode::FAILURE,
//!     }
//! }
//! ```

mod cgroup;
pub mod checks;
mod child;
pub mod control;
mod dispatch;
mod enter;
mod forward;
mod network;
mod parent;
pub mod ports;
mod protocol;
mod remove;
mod resolver;
mod spec;
mod sync;
mod userns;

pub use cgroup::{CgroupProbe, Obstacle, probe_cgroup, probe_manager};
pub use child::{ChildContext, ReadyNotifier, Status, SysctlOutcome, list_own_entries};
pub use control::PayloadRequest;
pub use dispatch::child_main;
pub use enter::enter_command;
pub use forward::{Forward, ForwardKind};
pub use network::{NetworkError, follow_host_network};
pub use parent::{Error, Event, Ready, run_parent};
pub use ports::{PortError, PortManager, Published, RelayPeers};
pub use protocol::WireError;
pub use remove::{RemoveError, remove_all};
pub use resolver::read_search_lines;
pub use spec::{FileEntry, Mount, OwnPorts, Spec};
pub use userns::{IdMapError, IdMaps, Nested, NestedKind, SubIds, UsernsError, last_own_id, nested};
