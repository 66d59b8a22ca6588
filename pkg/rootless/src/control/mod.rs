//! The control socket: JSON lines over `<runtime_dir>/control.sock`, which the parent binds and the child serves.

mod client;
mod endpoint;
mod node;
mod server;

pub use client::{Client, ControlError, Watch};
pub(crate) use endpoint::Endpoint;
pub use endpoint::EndpointError;
pub(crate) use node::Node;
pub use node::PayloadRequest;
pub(crate) use server::serve;

use crate::forward::Forward;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use usernetes_api::{CgroupMode, NetworkDriver, PortSpec};

/// A running child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Version of the protocol between parent and child.
    pub protocol: u32,
    /// Process id of PID 1 as the host sees it.
    pub child_pid: i32,
    /// Host name inside.
    pub host_name: String,
    /// Addresses that are local inside.
    pub addresses: Vec<IpAddr>,
    /// Address on the tap.
    pub tap_address: Ipv4Addr,
    /// How cgroups are handled.
    pub cgroup: CgroupMode,
    /// The network helper.
    pub network: NetworkInfo,
    /// When the payload was started, in seconds since 1970.
    pub started: u64,
    /// Whether the payload has said that it is up.
    pub ready: bool,
    /// What the payload says of itself.
    pub status: Value,
}

/// The network helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkInfo {
    /// Which one.
    pub driver: NetworkDriver,
    /// Its process id on the host; 0 while it is being restarted.
    pub pid: u32,
    /// How often it had to be restarted.
    pub restarts: u32,
}

/// One line of a client.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Request {
    Info,
    Ports,
    AddPort(Forward),
    RemovePort(PortSpec),
    Shutdown,
    Watch,
    Payload(Value),
}

/// One line of the server.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Response {
    Ok(Value),
    Error {
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

fn socket_path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("control.sock")
}
