//! `usernetes.rs/v1alpha1` `RootlessConfiguration`: what kubeadm has no word for.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// This host and the namespaces of the node on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RootlessConfiguration {
    /// Address at which other hosts reach this host; detected from the default route if absent.
    #[serde(rename = "hostIP", skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<IpAddr>,
    /// Folder or archive of the bundle; the cached one, or upstream's releases, when absent.
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

/// The node's way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkOptions {
    /// Program that carries the tap's traffic.
    pub driver: NetworkDriver,
    /// Range of the tap. The driver gives the node, its gateway and its resolver addresses of it.
    pub cidr: Ipv4Net,
    /// MTU of the tap in bytes.
    pub mtu: u32,
}

/// Program that carries the tap's traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkDriver {
    /// slirp4netns.
    #[default]
    Slirp4netns,
}

/// What a network driver takes of [`NetworkOptions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkLimits {
    /// Smallest MTU of the tap in bytes.
    pub min_mtu: u32,
    /// Largest MTU of the tap in bytes.
    pub max_mtu: u32,
    /// Longest prefix of the tap's range that holds all addresses of the driver.
    pub max_prefix: u8,
}

impl NetworkDriver {
    /// Every driver.
    pub const ALL: [Self; 1] = [Self::Slirp4netns];

    /// Name of the driver, as in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slirp4netns => "slirp4netns",
        }
    }

    /// Limits of the driver.
    pub fn limits(self) -> NetworkLimits {
        match self {
            // IPv6 needs an MTU of 1280; the node has the range's .100.
            Self::Slirp4netns => NetworkLimits { min_mtu: 1280, max_mtu: 65521, max_prefix: 25 },
        }
    }
}

impl fmt::Display for NetworkDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Ports published on the host beside the API server's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PortOptions {
    /// The kubelet's, TCP.
    pub kubelet: u16,
    /// VXLAN's, UDP.
    pub vxlan: u16,
    /// Offset at which privileged ports of Services and pods are published: 8000 publishes port 80 as 8080. Ports are
    /// privileged below `net.ipv4.ip_unprivileged_port_start`, 1024 by default. 0 publishes none of them.
    #[serde(alias = "shiftPrivileged", skip_serializing_if = "is_zero")]
    pub privileged_port_offset: u16,
}

/// Ports that the host keeps for its administrator, and how far away others are published in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortShift {
    /// The first that everybody may have.
    pub below: u16,
    /// How far.
    pub by: u16,
}

impl PortShift {
    /// The port that is published for this one.
    pub fn of(self, port: u16) -> u16 {
        if port < self.below { port.checked_add(self.by).unwrap_or(port) } else { port }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(number: &u16) -> bool {
    *number == 0
}
