//! The plan of a node: everything that command lines, configuration files and supervision depend on.
//!
//! The parent makes the plan on the host; the child reads it as JSON and needs nothing else. A copy is kept in the state
//! directory for `status` and `start`. In JSON the parts of a plan stand in one flat object.

mod cluster;
mod host;
mod software;

pub use cluster::ClusterSettings;
pub use host::{KubeletServing, ResolvedHost};
pub use software::{ImageArchive, Software};

use crate::component::{self, ComponentName, Extra};
use serde::{Deserialize, Serialize};
use serde_yaml::Mapping;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use usernetes_api::bundle::BundleManifest;
use usernetes_api::{
    Config, Duration, Paths, PortOptions, PortShift, ReservedPorts, RootlessConfiguration, Snapshotter, Taint,
    constants,
};
use usernetes_host::fs::{self, FsError, Mode};

/// Arguments of the controller manager that exclude ours, or replace the CA of kubelets' serving certificates.
const SIGNER_ARGS: [&str; 4] = [
    "cluster-signing-cert-file",
    "cluster-signing-key-file",
    "cluster-signing-kubelet-serving-cert-file",
    "cluster-signing-kubelet-serving-key-file",
];

/// Role of the node in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs etcd and the control plane.
    ControlPlane,
    /// Runs the container runtime and the kubelet only.
    Worker,
}

impl Role {
    /// The role that the documents describe: a JoinConfiguration makes a worker.
    pub fn of(config: &Config) -> Self {
        if config.join.is_some() { Self::Worker } else { Self::ControlPlane }
    }
}

/// The plan of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodePlan {
    /// Role of the node.
    pub role: Role,
    /// Name of the node.
    pub node_name: String,
    /// HOST_IP, the node's InternalIP.
    pub host_ip: IpAddr,
    /// Port of this node's API server.
    pub api_server_port: u16,
    /// Port of the kubelet.
    pub kubelet_port: u16,
    /// UDP port of VXLAN.
    pub vxlan_port: u16,
    /// What is published of Services and pods. The default publishes everything.
    #[serde(default)]
    pub ports: PortOptions,
    /// Offset of published ports that only the administrator may bind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_shift: Option<PortShift>,
    /// Time for pods to end when the node stops.
    #[serde(default = "default_stop_timeout")]
    pub stop_timeout: Duration,
    /// Taints with which the node registers.
    pub taints: Vec<Taint>,
    /// Settings that all nodes of the cluster share.
    #[serde(flatten)]
    pub cluster: ClusterSettings,
    /// Settings that depend on the host.
    #[serde(flatten)]
    pub host: ResolvedHost,
    /// The bundle and its images.
    #[serde(flatten)]
    pub software: Software,
    /// Extra arguments and variables of components.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<ComponentName, Extra>,
    /// The user's KubeletConfiguration, merged over the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubelet: Option<Mapping>,
}

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// containerd needs a proxy snapshotter for fuse-overlayfs, and the bundle has none.
    #[error("bundle {} has no snapshotter fuse-overlayfs", bundle.display())]
    NoFuseOverlayfs {
        /// Directory of the bundle.
        bundle: PathBuf,
    },
    /// The bundle has no image that every node needs.
    #[error("bundle {} has no image {image}", bundle.display())]
    NoImage {
        /// Directory of the bundle.
        bundle: PathBuf,
        /// Name of the image.
        image: &'static str,
    },
}

impl PlanError {
    /// The command or edit that helps.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoFuseOverlayfs { .. } => {
                "choose another snapshotter: native works everywhere (--snapshotter native)".to_owned()
            }
            Self::NoImage { .. } => "use a complete bundle: usernetes-rs bundle verify PATH".to_owned(),
        })
    }
}

impl NodePlan {
    /// Makes the plan from a validated configuration, a verified bundle and what was probed on the host.
    pub fn new(
        config: &Config,
        paths: &Paths,
        bundle: &Path,
        manifest: &BundleManifest,
        host: ResolvedHost,
    ) -> Result<Self, PlanError> {
        if host.snapshotter == Snapshotter::FuseOverlayfs && !manifest.has_file(constants::FUSE_OVERLAYFS_PROGRAM) {
            return Err(PlanError::NoFuseOverlayfs { bundle: bundle.to_owned() });
        }
        let role = Role::of(config);
        let ports = &config.rootless.ports;
        Ok(Self {
            role,
            node_name: config.node_name().to_owned(),
            host_ip: config.host_ip(),
            api_server_port: config.api_server_port(),
            kubelet_port: ports.kubelet,
            vxlan_port: ports.vxlan,
            ports: ports.clone(),
            port_shift: match ports.privileged_port_offset {
                0 => None,
                by => Some(PortShift { below: host.first_free_port, by }),
            },
            stop_timeout: config.rootless.stop_timeout(),
            taints: choose_taints(config, role),
            cluster: ClusterSettings::new(config),
            software: Software::new(paths, bundle, manifest, &host.cri)?,
            host,
            extra: component::collect_extras(config),
            kubelet: config.kubelet.clone(),
        })
    }

    /// Writes the plan to [`NodePlan::path`].
    pub fn save(&self, paths: &Paths) -> Result<(), FsError> {
        let json = serde_json::to_vec_pretty(self).expect("our types have string keys");
        // Extra variables may hold the password of a proxy.
        fs::write(Self::path(paths), json, Mode::Secret)
    }

    /// Reads the kept plan; `None` if there is none, or one of an incompatible version.
    pub fn load(paths: &Paths) -> Result<Option<Self>, FsError> {
        Ok(fs::read_if_exists(Self::path(paths))?.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Path of the kept plan.
    pub fn path(paths: &Paths) -> PathBuf {
        paths.state().join("plan.json")
    }

    /// `None` on a worker: leaves constructors of what only a control plane runs.
    pub(crate) fn require_control_plane(&self) -> Option<()> {
        (self.role == Role::ControlPlane).then_some(())
    }

    /// Ports that Services and pods may not have on this host, nor inside this node.
    pub fn reserved_ports(&self) -> ReservedPorts {
        ReservedPorts::new([self.api_server_port, self.cluster.api_server_port()], self.kubelet_port, self.vxlan_port)
    }

    /// Path of a program of the bundle.
    pub fn program_path(&self, name: &str) -> PathBuf {
        self.software.bundle.join("bin").join(name)
    }

    /// Whether the controller manager signs serving certificates of kubelets by the CA that is for nothing else: not where
    /// the user's arguments name other CAs.
    pub(crate) fn signs_kubelet_serving(&self) -> bool {
        let is_replaced = SIGNER_ARGS.iter().any(|arg| self.has_arg(ComponentName::KubeControllerManager, arg));
        self.host.kubelet_serving != KubeletServing::SelfSigned && !is_replaced
    }

    /// Certificates of the kubelets of this control plane's cluster; self-signed ones, too, where the user's
    /// KubeletConfiguration wants them.
    pub fn kubelet_serving(&self) -> KubeletServing {
        let bootstrap = self.kubelet.as_ref().and_then(|kubelet| kubelet.get("serverTLSBootstrap"));
        let wanted = self.role == Role::ControlPlane && bootstrap.is_none_or(|value| *value == true);
        if wanted && self.signs_kubelet_serving() { self.host.kubelet_serving } else { KubeletServing::SelfSigned }
    }

    /// Whether the user gave a component this argument.
    pub(crate) fn has_arg(&self, component: ComponentName, name: &str) -> bool {
        self.extra.get(&component).is_some_and(|extra| extra.args.iter().any(|arg| arg.name == name))
    }
}

/// For a plan of an earlier version.
fn default_stop_timeout() -> Duration {
    RootlessConfiguration::default().stop_timeout()
}

/// The configured taints, else kubeadm's taint of a control plane, where the user wants it.
fn choose_taints(config: &Config, role: Role) -> Vec<Taint> {
    match &config.node_registration().taints {
        Some(taints) => taints.clone(),
        None if role == Role::ControlPlane && config.rootless.taint_control_plane => vec![Taint {
            key: constants::CONTROL_PLANE_LABEL.to_owned(),
            value: String::new(),
            effect: "NoSchedule".to_owned(),
        }],
        None => Vec::new(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
