//! Ports of the node itself. Nothing else may have them: neither on a host nor inside a node.

use crate::{Protocol, constants};
use std::collections::BTreeMap;

/// Ports with fixed numbers, and what listens on them. Every node reserves all of them, also those of the control plane.
pub(crate) const FIXED: [(u16, &str); 9] = [
    (constants::ETCD_CLIENT_PORT, "etcd"),
    (constants::ETCD_PEER_PORT, "etcd"),
    (constants::ETCD_METRICS_PORT, "etcd"),
    (constants::BUNDLE_PORT, "the bundle for joining hosts"),
    (constants::KUBELET_HEALTHZ_PORT, "the kubelet's health check"),
    (constants::KUBE_PROXY_METRICS_PORT, "kube-proxy's metrics"),
    (constants::KUBE_PROXY_HEALTHZ_PORT, "kube-proxy's health check"),
    (constants::CONTROLLER_MANAGER_PORT, "kube-controller-manager"),
    (constants::SCHEDULER_PORT, "kube-scheduler"),
];

/// Reserved ports, each with the name of what listens on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedPorts(BTreeMap<(Protocol, u16), &'static str>);

impl ReservedPorts {
    /// The ports with fixed numbers, and those that a cluster or host chooses. API servers have two: the port that they
    /// listen on and that of `controlPlaneEndpoint`.
    pub fn new(api_servers: [u16; 2], kubelet: u16, vxlan: u16) -> Self {
        let fixed = FIXED.map(|(port, server)| ((Protocol::Tcp, port), server));
        let api_servers = api_servers.map(|port| ((Protocol::Tcp, port), "kube-apiserver"));
        let chosen = [((Protocol::Tcp, kubelet), "the kubelet"), ((Protocol::Udp, vxlan), "VXLAN")];
        Self(fixed.into_iter().chain(api_servers).chain(chosen).collect())
    }

    /// What listens on a port, if it is reserved.
    pub fn server(&self, protocol: Protocol, port: u16) -> Option<&'static str> {
        self.0.get(&(protocol, port)).copied()
    }

    /// All of them, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (Protocol, u16)> {
        self.0.keys().copied()
    }
}
