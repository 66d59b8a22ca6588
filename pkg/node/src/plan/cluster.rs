//! The cluster's part of a plan.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use usernetes_api::{Config, ExternalEtcd, ServiceNetwork, constants};

/// Settings that all nodes of the cluster share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSettings {
    /// Name of the cluster in kubeconfigs and flags.
    #[serde(rename = "clusterName")]
    pub name: String,
    /// `HOST:PORT` under which all nodes reach the API server.
    pub control_plane_endpoint: String,
    /// Addresses of pods.
    pub pod_subnet: IpNet,
    /// Addresses of Services.
    pub service_subnet: IpNet,
    /// DNS domain of Services.
    pub dns_domain: String,
    /// The etcd that others run, instead of the node's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_etcd: Option<ExternalEtcd>,
}

impl ClusterSettings {
    /// The settings of a validated configuration.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            name: config.cluster.cluster_name.clone(),
            control_plane_endpoint: find_endpoint(config),
            pod_subnet: config.pod_subnet(),
            service_subnet: config.service_network().0,
            dns_domain: config.cluster.networking.dns_domain.clone(),
            external_etcd: config.cluster.etcd.external.clone(),
        }
    }

    /// Port at which all nodes reach the API server.
    pub fn api_server_port(&self) -> u16 {
        let (_, port) = self.control_plane_endpoint.rsplit_once(':').unwrap_or_default();
        port.parse().unwrap_or(constants::API_SERVER_PORT)
    }

    /// Addresses of Services with a fixed meaning.
    pub fn service_network(&self) -> ServiceNetwork {
        ServiceNetwork(self.service_subnet)
    }
}

/// The configured endpoint, else the one of the discovery, else this node's own API server.
fn find_endpoint(config: &Config) -> String {
    let discovery = config.join.as_ref().and_then(|join| join.discovery.bootstrap_token.as_ref());
    if !config.cluster.control_plane_endpoint.is_empty() {
        config.cluster.control_plane_endpoint.clone()
    } else if let Some(discovery) = discovery {
        discovery.api_server_endpoint.clone()
    } else {
        SocketAddr::new(config.host_ip(), config.api_server_port()).to_string()
    }
}
