//! What a node needs of the host beside namespaces: limits, memory, disk. Names follow kubeadm's preflight.

use crate::Role;
use usernetes_api::Paths;
use usernetes_host::Finding;

/// All checks of this module.
pub fn run(role: Role, paths: &Paths) -> Vec<Finding> {
    let _ = (role, paths);
    Vec::new()
}
