//! Components of a node: command line, environment, readiness and what each waits for.

mod control_plane;
mod flags;
#[cfg(test)]
mod tests;
mod worker;

use crate::probe::Probe;
use crate::{NodePlan, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use usernetes_api::{Snapshotter, constants};

/// A process that the child supervises; the order is that of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentName {
    /// etcd.
    Etcd,
    /// kube-apiserver.
    KubeApiserver,
    /// containerd's snapshotter for fuse-overlayfs, where that is chosen.
    FuseOverlayfs,
    /// containerd.
    Containerd,
    /// CRI-O, in the place of containerd.
    Crio,
    /// kubelet.
    Kubelet,
    /// kube-controller-manager.
    KubeControllerManager,
    /// kube-scheduler.
    KubeScheduler,
}

/// What a component waits for before its process is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The other component answers its probe.
    Ready(ComponentName),
    /// The file is there.
    File(PathBuf),
}

impl Condition {
    /// Each of the files is there: keys may be made while the node already starts.
    fn files(files: impl IntoIterator<Item = String>) -> Vec<Self> {
        files.into_iter().map(|file| Self::File(file.into())).collect()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(name) => write!(f, "{name} ready"),
            Self::File(file) => write!(f, "{}", file.display()),
        }
    }
}

/// A component of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Which.
    pub name: ComponentName,
    /// Program and flags.
    pub argv: Vec<String>,
    /// The whole environment: nothing is inherited (`NOTIFY_SOCKET` would send READY too early).
    pub env: BTreeMap<String, String>,
    /// When it is ready.
    pub ready: Probe,
    /// Whether it still works, as kubeadm's static Pods are asked. Not containerd: a hung process accepts, too.
    pub live: Option<Probe>,
    /// What must hold before it is started.
    pub after: Vec<Condition>,
}

/// The components of a node, in start order.
pub fn components(plan: &NodePlan) -> Vec<Component> {
    let is_fuse = plan.snapshotter == Snapshotter::FuseOverlayfs;
    let snapshotter = is_fuse.then(|| worker::fuse_overlayfs(plan));
    let worker = snapshotter.into_iter().chain([worker::runtime(plan), worker::kubelet(plan)]);
    match plan.role {
        Role::Worker => worker.collect(),
        Role::ControlPlane => [control_plane::etcd(plan), control_plane::api_server(plan)]
            .into_iter()
            .chain(worker)
            .chain([control_plane::controller_manager(plan), control_plane::scheduler(plan)])
            .collect(),
    }
}

/// A file of kubeadm's PKI tree.
fn pki(file: &str) -> String {
    format!("{}/{file}", constants::PKI_DIR)
}

impl ComponentName {
    /// All of them, in start order.
    pub const ALL: [Self; 8] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::FuseOverlayfs,
        Self::Containerd,
        Self::Crio,
        Self::Kubelet,
        Self::KubeControllerManager,
        Self::KubeScheduler,
    ];

    /// Its name; mostly that of its program.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::FuseOverlayfs => "fuse-overlayfs",
            Self::Containerd => "containerd",
            Self::Crio => "crio",
            Self::Kubelet => "kubelet",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
        }
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ComponentName {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|name| name.as_str() == s).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("unknown component {s:?}; known are {known}")
        })
    }
}
