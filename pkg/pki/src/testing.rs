//! What several tests need.

use crate::{CertParams, Endpoint, Policy};
use std::time::Duration;
use usernetes_api::EncryptionAlgorithm;

/// A node `alice` at 198.51.100.11.
pub(crate) fn params(algorithm: EncryptionAlgorithm) -> CertParams {
    let year = Duration::from_hours(365 * 24);
    CertParams {
        node_name: "alice".into(),
        advertise_address: "198.51.100.11".parse().unwrap(),
        bind_port: 6443,
        control_plane_endpoint: None::<Endpoint>,
        service_network: "10.96.0.0/12".parse().unwrap(),
        dns_domain: "cluster.local".into(),
        cluster_name: "kubernetes".into(),
        api_server_sans: vec![],
        etcd_server_sans: vec![],
        etcd_peer_sans: vec![],
        policy: Policy { algorithm, validity: year, ca_validity: year * 10 },
    }
}
