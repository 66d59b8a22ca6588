//! `usernetes.rs/v1alpha1` `RootlessConfiguration`: settings of a rootless node that kubeadm has no field for.
//!
//! Each group of settings has a module with its fields, defaults, validation and flags.

mod network;
mod ports;

pub use network::{NetworkDriver, NetworkLimits, NetworkOptions};
pub(crate) use ports::FLAGS as PORT_FLAGS;
pub use ports::{PortOptions, PortShift, PublishSelection};

use crate::Duration;
use crate::validate::Errors;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// This host and the namespaces of the node on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RootlessConfiguration {
    /// Address at which other hosts reach this host; detected from the default route if absent.
    #[serde(rename = "hostIP", skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<IpAddr>,
    /// Directory or archive of the bundle; the cached one, or upstream's releases, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<PathBuf>,
    /// Take the bundle from the control plane's host, over the connection to its API server.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bundle_from_peer: bool,
    /// API servers, each as HOST:PORT, that discovery tries after the first one. A join token has them.
    #[serde(alias = "moreEndpoints", skip_serializing_if = "Vec::is_empty")]
    pub additional_endpoints: Vec<String>,
    /// Whether pods get cgroups.
    pub cgroups: CgroupSelection,
    /// How layers of images are put together.
    pub snapshotter: Snapshotter,
    /// What makes containers.
    pub oci_runtime: OciRuntime,
    /// The node's way out.
    pub network: NetworkOptions,
    /// Ports on the host.
    pub ports: PortOptions,
    /// Whether the control-plane node refuses ordinary workloads.
    pub taint_control_plane: bool,
    /// Time for pods to end when the node stops, whatever stops it; 60 s when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<Duration>,
}

impl RootlessConfiguration {
    /// Longest time for pods to end.
    pub const LONGEST_STOP: Duration = Duration::hours(1);

    /// Time for pods to end when the node stops.
    pub fn stop_timeout(&self) -> Duration {
        self.stop_timeout.unwrap_or(Duration::minutes(1))
    }

    /// Adds what is wrong with a field on its own.
    pub(crate) fn validate(&self, errors: &mut Errors) {
        self.network.validate(errors);
        self.ports.validate(errors);
        errors.require(self.stop_timeout() <= Self::LONGEST_STOP, "stopTimeout", || {
            format!("is longer than {}", Self::LONGEST_STOP)
        });
    }
}

/// Which cgroup mode is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupSelection {
    /// Delegated where cpu, memory and pids are delegated to us, none elsewhere.
    #[default]
    Auto,
    /// Delegated; an error where it cannot be.
    Delegated,
    /// None.
    None,
}

/// Which cgroup mode a node runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupMode {
    /// cgroup v2 with cpu, memory and pids delegated: limits and accounting work.
    Delegated,
    /// No delegation: limits are ignored.
    None,
}

impl std::fmt::Display for CgroupMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Delegated => "delegated",
            Self::None => "none",
        })
    }
}

/// How layers of images are put together: containerd's snapshotter, or what is like it in CRI-O.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Snapshotter {
    /// The first that a probe mount shows to work: overlayfs, fuse-overlayfs, native.
    #[default]
    Auto,
    /// The kernel's overlayfs.
    Overlayfs,
    /// The FUSE implementation.
    FuseOverlayfs,
    /// Full copies.
    Native,
}

/// What makes containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OciRuntime {
    /// The bundle's runc.
    #[default]
    Runc,
    /// The host's crun.
    Crun,
}

/// Fields of the document that a flag sets.
pub(crate) const FLAGS: &[(&str, &str)] = &[("bundleFromPeer", "--bundle-from-peer"), ("hostIP", "--host-ip")];
