//! What certificates and kubeconfigs depend on, resolved from the configuration.

use crate::Endpoint;
use crate::endpoint::is_dns_name;
use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Duration;
use usernetes_api::{Config, EncryptionAlgorithm};

/// How keys and certificates are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Algorithm of every new key.
    pub algorithm: EncryptionAlgorithm,
    /// Validity of leaf certificates, from now.
    pub validity: Duration,
    /// Validity of CA certificates, from now.
    pub ca_validity: Duration,
}

/// What the certificate tree and the kubeconfigs of one control-plane node depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertParams {
    /// Name of the node.
    pub node_name: String,
    /// Where this node's API server is reached: HOST_IP and port.
    pub advertise_address: IpAddr,
    /// Its port.
    pub bind_port: u16,
    /// Where every node reaches the API; the local endpoint when `None`.
    pub control_plane_endpoint: Option<Endpoint>,
    /// Range of Services; its first address is in the API server's certificate.
    pub service_network: IpNet,
    /// DNS domain of Services.
    pub dns_domain: String,
    /// Name of the cluster in kubeconfigs.
    pub cluster_name: String,
    /// Extra names and addresses of kube-apiserver.
    pub api_server_sans: Vec<String>,
    /// Extra names and addresses of etcd's server certificate.
    pub etcd_server_sans: Vec<String>,
    /// Extra names and addresses of etcd's peer certificate.
    pub etcd_peer_sans: Vec<String>,
    /// Algorithm and validity.
    pub policy: Policy,
}

/// A configuration from which no certificate can be made. Exit code 3.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParamsError {
    /// No HOST_IP.
    #[error("localAPIEndpoint.advertiseAddress is not known")]
    NoAddress,
    /// A value that cannot be understood.
    #[error("{field}: {value:?} is not {wanted}")]
    Value {
        /// Path of the field.
        field: &'static str,
        /// Value of the field.
        value: String,
        /// What would be right.
        wanted: &'static str,
    },
}

impl CertParams {
    /// From a configuration whose defaults are set.
    pub fn from_config(config: &Config) -> Result<Self, ParamsError> {
        let cluster = &config.cluster;
        let endpoint = &config.init.local_api_endpoint;
        let etcd = &cluster.etcd.local;
        let bind_port = config.api_server_port();
        Ok(Self {
            node_name: config.init.node_registration.name.clone(),
            advertise_address: endpoint.advertise_address.ok_or(ParamsError::NoAddress)?,
            bind_port,
            control_plane_endpoint: control_plane(&cluster.control_plane_endpoint, bind_port)?,
            service_network: service_network(&cluster.networking.service_subnet)?,
            dns_domain: cluster.networking.dns_domain.clone(),
            cluster_name: cluster.cluster_name.clone(),
            api_server_sans: sans("apiServer.certSANs", &cluster.api_server.cert_sans)?,
            etcd_server_sans: sans("etcd.local.serverCertSANs", &etcd.server_cert_sans)?,
            etcd_peer_sans: sans("etcd.local.peerCertSANs", &etcd.peer_cert_sans)?,
            policy: Policy::from_config(config),
        })
    }

    /// This node's API server.
    pub fn local_endpoint(&self) -> Endpoint {
        Endpoint::new(self.advertise_address, self.bind_port)
    }

    /// The endpoint for other nodes and users.
    pub fn shared_endpoint(&self) -> Endpoint {
        self.control_plane_endpoint.clone().unwrap_or_else(|| self.local_endpoint())
    }
}

impl Policy {
    /// From a configuration; kubeadm's validity and ECDSA P-256 by default.
    pub fn from_config(config: &Config) -> Self {
        Self {
            algorithm: config.cluster.encryption_algorithm.unwrap_or_default(),
            validity: config.cluster.certificate_validity_period.unwrap_or(usernetes_api::Duration::hours(8760)).0,
            ca_validity: config
                .cluster
                .ca_certificate_validity_period
                .unwrap_or(usernetes_api::Duration::hours(87600))
                .0,
        }
    }
}

/// kubeadm's rule: without a port of its own, it has the local endpoint's.
fn control_plane(text: &str, port: u16) -> Result<Option<Endpoint>, ParamsError> {
    if text.is_empty() {
        return Ok(None);
    }
    Endpoint::parse_or(text, port).map(Some).map_err(|_| ParamsError::Value {
        field: "controlPlaneEndpoint",
        value: text.to_owned(),
        wanted: "HOST, HOST:PORT or [IPv6]:PORT",
    })
}

/// The first range where there are two: the `kubernetes` Service has one address.
fn service_network(text: &str) -> Result<IpNet, ParamsError> {
    let first = text.split(',').next().unwrap_or_default().trim();
    first.parse().map_err(|_| ParamsError::Value {
        field: "networking.serviceSubnet",
        value: text.to_owned(),
        wanted: "a CIDR",
    })
}

fn is_san(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || is_dns_name(name.strip_prefix("*.").unwrap_or(name))
}

fn sans(field: &'static str, names: &[String]) -> Result<Vec<String>, ParamsError> {
    match names.iter().find(|name| !is_san(name)) {
        None => Ok(names.to_vec()),
        Some(bad) => Err(ParamsError::Value { field, value: bad.clone(), wanted: "an IP address or a DNS name" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usernetes_api::HostFacts;

    fn config() -> Config {
        let mut config = Config::default();
        let host_ip = Some("198.51.100.11".parse().unwrap());
        config.set_defaults(&HostFacts { hostname: "Alice".into(), host_ip, ..HostFacts::default() });
        config
    }

    #[test]
    fn defaults_are_kubeadms() {
        let params = CertParams::from_config(&config()).unwrap();
        assert_eq!(params, crate::testing::params(EncryptionAlgorithm::EcdsaP256));
        assert_eq!(params.shared_endpoint().url(), "https://198.51.100.11:6443");
    }

    #[test]
    fn everything_set() {
        let mut config = config();
        config.init.local_api_endpoint.bind_port = Some(7443);
        config.cluster.control_plane_endpoint = "api.example.org".into();
        config.cluster.networking.service_subnet = "10.0.0.0/16,2001:db8::/108".into();
        let params = CertParams::from_config(&config).unwrap();
        assert_eq!(params.shared_endpoint().url(), "https://api.example.org:7443");
        assert_eq!(params.local_endpoint().url(), "https://198.51.100.11:7443");
        assert_eq!(params.service_network.to_string(), "10.0.0.0/16");
    }

    #[test]
    fn mistakes_name_the_field() {
        let told = |change: &dyn Fn(&mut Config)| {
            let mut config = config();
            change(&mut config);
            CertParams::from_config(&config).unwrap_err().to_string()
        };
        let told = [
            told(&|c| c.init.local_api_endpoint.advertise_address = None),
            told(&|c| c.cluster.control_plane_endpoint = "a b".into()),
            told(&|c| c.cluster.networking.service_subnet = "10.0.0.0".into()),
            told(&|c| c.cluster.api_server.cert_sans = vec!["*.ok.org".into(), "not ok".into()]),
        ];
        insta::assert_snapshot!(told.join("\n"), @r#"
localAPIEndpoint.advertiseAddress is not known
controlPlaneEndpoint: "a b" is not HOST, HOST:PORT or [IPv6]:PORT
networking.serviceSubnet: "10.0.0.0" is not a CIDR
apiServer.certSANs: "not ok" is not an IP address or a DNS name
"#);
    }
}
