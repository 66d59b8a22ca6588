//! The node of one cluster on this host: how it is found, started, asked and stopped, and what its two processes do.
//!
//! [`Instance`] is the way in for commands. A node has two processes, both this program: the *parent* ([`run_parent`]) stays
//! in the host's network namespace and lives as long as the node; the *child* is PID 1 inside the node's namespaces and runs
//! [`payload()`]: the supervisor of components and the controllers. Nothing here prints; nothing here parses a command line.

mod control;
mod controllers;
mod error;
pub mod host_ip;
mod instance;
pub mod kept;
mod launch;
mod namespaces;
mod parent;
mod payload;
mod pod_ids;
mod probes;
mod request;
mod resolve;
mod unit;
mod volumes;

pub use control::status_of;
pub use error::DaemonError;
pub use instance::Instance;
pub use launch::{How, Started};
pub use parent::run_parent;
pub use payload::payload;
pub use pod_ids::PodIds;
pub use request::Request;
pub use volumes::{check_etcd_data_dir, check_volumes};

/// A current-thread tokio runtime: commands and the parent wait for one thing at a time.
///
/// # Errors
/// The kernel refused an epoll instance.
pub fn runtime() -> Result<tokio::runtime::Runtime, DaemonError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| DaemonError::Io { action: "start the asynchronous runtime", source })
}
