//! Configuration files of components, rendered from the plan.

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

/// Inside the node: the kubelet's configuration, at kubeadm's place.
pub const KUBELET_FILE: &str = "/var/lib/kubelet/config.yaml";
/// Inside the node: containerd's configuration, in its root because that one persists.
pub const CONTAINERD_FILE: &str = "/var/lib/containerd/config.toml";
/// Inside the node: CRI-O's configuration, beside its storage because that persists.
pub const CRIO_FILE: &str = "/var/lib/containers/crio.conf";
/// Inside the node: where CRI-O's storage lies, for programs that open it.
pub const CRIO_STORAGE_FILE: &str = "/var/lib/containers/storage.conf";
/// Inside the node: what CRI-O's storage knows of running containers.
const CRIO_RUN_DIR: &str = "/run/containers/storage";
/// Inside the node: which images CRI-O takes; the host's own file, if it has one, is for others.
pub const CRIO_POLICY_FILE: &str = "/var/lib/containers/policy.json";
/// Inside the node: the CNI configuration, at flannel's own place.
pub const CNI_FILE: &str = "/etc/cni/net.d/10-flannel.conflist";
/// Inside the node: static Pods of the user.
pub const STATIC_POD_DIR: &str = "/etc/kubernetes/manifests";
/// Inside the node: Flexvolume plugins; the default place can be made by root only.
pub const VOLUME_PLUGIN_DIR: &str = "/var/lib/kubelet/volumeplugins";
