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
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use usernetes_api::{CgroupMode, NetworkDriver, PortSpec};

/// Facts about a running child.
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
    /// Network driver and its process.
    pub network: NetworkInfo,
    /// Start of the payload, in seconds since 1970.
    pub started: u64,
    /// Whether the payload has reported that it is up.
    pub ready: bool,
    /// Status of the payload, as set by it.
    pub status: Value,
}

/// Network driver and its process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkInfo {
    /// Network driver.
    pub driver: NetworkDriver,
    /// Process id on the host; 0 while it is being restarted.
    pub pid: u32,
    /// Number of restarts.
    pub restarts: u32,
}

/// One line from a client.
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

/// One line from the server.
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

/// Path of the control socket by a handle of its directory: an address has at most 107 bytes, and a home may have more.
fn short_socket_path(directory: &File) -> PathBuf {
    socket_path(&PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())))
}
