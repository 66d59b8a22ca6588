//! The objects that `kubeadm init` makes, in its names.

mod access;
mod cluster_info;
mod config;
mod mark;
pub(crate) mod rbac;

pub use access::ensure_cluster_admins;
pub(crate) use cluster_info::{KUBE_PUBLIC, sign, unsign};
pub(crate) use config::KUBE_SYSTEM;
