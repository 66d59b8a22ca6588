//! The host's part of a plan.

use crate::cri::Cri;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use usernetes_api::{CgroupMode, EnvVar, PortSpec, Snapshotter};

/// What serves the API of kubelets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KubeletServing {
    /// Certificates that each kubelet signs itself; the API server verifies none of them.
    #[default]
    SelfSigned,
    /// Certificates of the CA for kubelets. Kubelets of an earlier version may still have their own, so the API server
    /// verifies none of them.
    Signed,
    /// Certificates of the CA for kubelets, which the API server verifies.
    Verified,
}

/// Settings of a node that were probed on its host or resolved from `auto`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedHost {
    /// Whether pods get cgroups.
    pub cgroups: CgroupMode,
    /// How the runtime assembles image layers; never [`Snapshotter::Auto`].
    pub snapshotter: Snapshotter,
    /// Path of the OCI runtime, runc or crun.
    #[serde(default)]
    pub oci_runtime: PathBuf,
    /// The container runtime.
    #[serde(default)]
    pub cri: Cri,
    /// Whether the subordinate ids suffice for a user namespace of every pod.
    #[serde(default)]
    pub user_namespaces: bool,
    /// Whether `ca.key` is not on this host, so that the controller manager signs nothing.
    pub external_ca: bool,
    /// Certificates of the kubelets of this control plane's cluster, as far as the files on this host decide it.
    #[serde(default)]
    pub kubelet_serving: KubeletServing,
    /// Hard limit of open files that the node's processes inherit.
    pub open_files: u64,
    /// First port of the host that an ordinary user may bind.
    #[serde(default)]
    pub first_free_port: u16,
    /// First and last of the ports from which the host chooses those of outgoing connections, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outgoing_ports: Option<(u16, u16)>,
    /// Memory of the host in bytes, 0 if unknown.
    #[serde(default)]
    pub memory: u64,
    /// Ports that the user published with `usernetes-rs ports`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<PortSpec>,
    /// Proxy variables of the caller's environment (`HTTP_PROXY`, …) for all components, as in kubeadm.
    pub proxy_env: Vec<EnvVar>,
}
