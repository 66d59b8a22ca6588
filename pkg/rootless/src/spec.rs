//! Specification of a child: names, addresses, mounts, files, ports, and data of the payload.

use crate::forward::Forward;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use usernetes_api::{CgroupMode, NetworkOptions, Protocol};

/// One set of namespaces and what runs in it. Sent to the child as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// Host name inside.
    pub host_name: String,
    /// Addresses that are local inside: each becomes a /32 or /128 on `lo`.
    pub host_addresses: Vec<IpAddr>,
    /// Network driver with its options.
    pub network: NetworkOptions,
    /// Mounts on top of the host's tree, in this order.
    pub mounts: Vec<Mount>,
    /// Lines `search` and `options` of `/etc/resolv.conf` inside.
    #[serde(default)]
    pub search_lines: Vec<String>,
    /// Files written inside, after the mounts.
    pub files: Vec<FileEntry>,
    /// Names (`net.ipv4.ip_forward`) and values, set one after the other; the outcome is in
    /// [`ChildContext::sysctls`](crate::ChildContext::sysctls).
    pub sysctls: Vec<(String, String)>,
    /// Ports published at the start; the child fails if one of them cannot be.
    pub ports: Vec<Forward>,
    /// Ports whose connections inside no NAT rule of a Service or hostPort diverts; needs `nft`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_ports: Option<OwnPorts>,
    /// Path of `nft`, for ports that keep the addresses of their clients; `None` disables that.
    pub nft: Option<PathBuf>,
    /// Networks that exist inside only: no client of a published port has an address of them, and none may appear as one.
    #[serde(default)]
    pub inside_networks: Vec<IpNet>,
    /// Time for the payload to end; it is killed afterwards.
    pub stop_timeout: Duration,
    /// How cgroups are handled; see [`probe_cgroup`](crate::probe_cgroup).
    pub cgroup: CgroupMode,
    /// Directory of the control socket, on the host. Made if absent, 0700.
    pub runtime_dir: PathBuf,
    /// Data of the payload; not read by this crate.
    pub payload: serde_json::Value,
}

impl Spec {
    /// A spec with the default network and no mounts, files or ports.
    pub fn new(host_name: impl Into<String>, runtime_dir: impl Into<PathBuf>) -> Self {
        Self {
            host_name: host_name.into(),
            host_addresses: Vec::new(),
            network: NetworkOptions::default(),
            mounts: Vec::new(),
            search_lines: Vec::new(),
            files: Vec::new(),
            sysctls: Vec::new(),
            ports: Vec::new(),
            own_ports: None,
            nft: None,
            inside_networks: Vec::new(),
            stop_timeout: Duration::from_mins(1),
            cgroup: CgroupMode::None,
            runtime_dir: runtime_dir.into(),
            payload: serde_json::Value::Null,
        }
    }
}

/// Ports of the node itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnPorts {
    /// Transport and port.
    pub ports: BTreeSet<(Protocol, u16)>,
    /// Addresses of Services, which may have the same ports.
    pub services: IpNet,
}

/// A mount. A missing target is made; where the host's permissions prevent that, its nearest existing parent becomes a
/// private directory with the same entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Mount {
    /// A file or directory of the host, with everything mounted below it.
    Bind {
        /// Path on the host.
        source: PathBuf,
        /// Path inside.
        target: PathBuf,
        /// Whether it cannot be written through this mount.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        read_only: bool,
    },
    /// A directory of the host that becomes `target`, with the entries that `target` has on the host visible in it. Without a
    /// `target` on the host it does nothing. `/etc` is an overlay instead, whose files are in `upper` below `source`.
    Kept {
        /// Path on the host.
        source: PathBuf,
        /// Path inside.
        target: PathBuf,
    },
    /// A fresh tmpfs, 0755.
    Tmpfs {
        /// Path inside.
        target: PathBuf,
    },
    /// A private directory with the host's entries: those stay on the host, new ones are in memory.
    Private {
        /// Path inside.
        target: PathBuf,
    },
}

impl Mount {
    /// A bind mount.
    pub fn bind(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self::Bind { source: source.into(), target: target.into(), read_only: false }
    }

    /// The same mount, read-only if it is a bind mount.
    #[must_use]
    pub fn read_only(self) -> Self {
        match self {
            Self::Bind { source, target, .. } => Self::Bind { source, target, read_only: true },
            other => other,
        }
    }

    /// A directory with the host's entries of `target`, whose new entries are kept.
    pub fn kept(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self::Kept { source: source.into(), target: target.into() }
    }

    /// A fresh tmpfs.
    pub fn tmpfs(target: impl Into<PathBuf>) -> Self {
        Self::Tmpfs { target: target.into() }
    }

    /// A private directory with the host's entries.
    pub fn private(target: impl Into<PathBuf>) -> Self {
        Self::Private { target: target.into() }
    }
}

/// A file inside. It replaces what is there and never touches the host's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileEntry {
    /// Absolute path below `/etc` or `/run`.
    pub path: PathBuf,
    /// The whole content.
    pub content: String,
    /// Permission bits.
    pub mode: u32,
}

impl FileEntry {
    /// A file with mode 0644.
    pub fn public(path: impl Into<PathBuf>, content: impl Into<String>) -> Self {
        Self { path: path.into(), content: content.into(), mode: 0o644 }
    }
}
