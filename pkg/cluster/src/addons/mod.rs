//! Flannel, kube-proxy and CoreDNS: manifests of the repository with this cluster's values in them.
//!
//! Each `objects` gives what [`Cluster::apply`](crate::Cluster::apply) takes; objects of several addons can be applied
//! in one go. Values are set in parsed documents, never pasted into text.

pub mod coredns;
pub mod flannel;
pub mod kube_proxy;
pub(crate) mod manifest;
pub mod user_namespaces;
