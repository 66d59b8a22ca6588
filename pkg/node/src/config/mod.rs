//! Configuration files of components, rendered from the plan, and their paths inside the node.

mod cni;
mod containerd;
mod crio;
mod kubelet;
#[cfg(test)]
mod tests;

pub use cni::render_cni;
pub use containerd::render_containerd;
pub(crate) use containerd::snapshotter_name;
pub use crio::{crio_storage_driver, render_crio, render_crio_policy, render_crio_storage};
pub use kubelet::{adopt_kubelet_config, merge_kubelet_config, render_kubelet};

/// The kubelet's configuration, at kubeadm's path.
pub const KUBELET_FILE: &str = "/var/lib/kubelet/config.yaml";
/// containerd's configuration, in its `root`, which persists.
pub const CONTAINERD_FILE: &str = "/var/lib/containerd/config.toml";
/// CRI-O's configuration, in the directory of its storage, which persists.
pub const CRIO_FILE: &str = "/var/lib/containers/crio.conf";
/// Configuration of containers-storage for programs that open CRI-O's storage.
pub const CRIO_STORAGE_FILE: &str = "/var/lib/containers/storage.conf";
/// Directory of the state of running containers in CRI-O's storage.
const CRIO_RUN_DIR: &str = "/run/containers/storage";
/// CRI-O's policy of image signatures, instead of the host's own file.
pub const CRIO_POLICY_FILE: &str = "/var/lib/containers/policy.json";
/// The CNI configuration, at the path of flannel's manifest.
pub const CNI_FILE: &str = "/etc/cni/net.d/10-flannel.conflist";
/// Directory of static Pods of the user.
pub const STATIC_POD_DIR: &str = "/etc/kubernetes/manifests";
/// Directory of Flexvolume plugins; only root can create the default directory.
pub const VOLUME_PLUGIN_DIR: &str = "/var/lib/kubelet/volumeplugins";
