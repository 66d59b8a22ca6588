//! Configuration files of components, rendered from the plan.

use crate::NodePlan;
use serde_yaml::Mapping;

/// KubeletConfiguration of this node, the user's laid over ours: also what is uploaded as `kubelet-config`.
pub fn kubelet(plan: &NodePlan) -> Mapping {
    let _ = plan;
    Mapping::new()
}

/// `/etc/containerd/config.toml`.
pub fn containerd(plan: &NodePlan) -> String {
    let _ = plan;
    String::new()
}

/// `/etc/cni/net.d/10-flannel.conflist`.
pub fn cni(plan: &NodePlan) -> String {
    let _ = plan;
    String::new()
}
