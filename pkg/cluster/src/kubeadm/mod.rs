//! The objects that `kubeadm init` creates, under the same names.

mod access;
mod cluster_info;
mod config;
mod mark_control_plane;
pub(crate) mod rbac;

pub use access::ensure_cluster_admins;
pub(crate) use cluster_info::{add_signatures, remove_signature};
pub(crate) use config::KUBE_SYSTEM;
