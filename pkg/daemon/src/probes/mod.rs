//! Probes from inside the node's namespaces that `init` and `join` wait for.

pub(crate) mod dns;
pub(crate) mod pod_network;
