//! Values for everything that the user left out.

use crate::{Config, Duration, Timeouts, constants};
use std::net::IpAddr;

/// What defaults depend on, found out by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// The host's name.
    pub hostname: String,
    /// Address of the interface of the default route.
    pub host_ip: Option<IpAddr>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            control_plane_component_health_check: Duration::minutes(4),
            kubelet_health_check: Duration::minutes(4),
            kubernetes_api_call: Duration::minutes(1),
            tls_bootstrap: Duration::minutes(5),
            discovery: Duration::minutes(5),
        }
    }
}

fn set_if_empty(field: &mut String, default: &str) {
    if field.is_empty() {
        default.clone_into(field);
    }
}

impl Config {
    /// Fills in everything that is empty; what the user wrote stays.
    pub fn set_defaults(&mut self, facts: &HostFacts) {
        let networking = &mut self.cluster.networking;
        set_if_empty(&mut networking.service_subnet, constants::DEFAULT_SERVICE_SUBNET);
        set_if_empty(&mut networking.pod_subnet, constants::DEFAULT_POD_SUBNET);
        set_if_empty(&mut networking.dns_domain, constants::DEFAULT_DNS_DOMAIN);
        set_if_empty(&mut self.cluster.cluster_name, "kubernetes");
        set_if_empty(&mut self.cluster.kubernetes_version, constants::KUBERNETES_VERSION);
        if self.cluster.kubernetes_version.starts_with(|c: char| c.is_ascii_digit()) {
            // kubeadm takes both forms, binaries report the one with the v.
            self.cluster.kubernetes_version.insert(0, 'v');
        }
        self.cluster.certificate_validity_period.get_or_insert(Duration::hours(8760));
        self.cluster.ca_certificate_validity_period.get_or_insert(Duration::hours(87600));
        self.cluster.encryption_algorithm.get_or_insert_default();

        let chosen = self.rootless.host_ip.or(self.init.local_api_endpoint.advertise_address);
        let host_ip = chosen.or(facts.host_ip);
        self.rootless.host_ip = host_ip;
        self.state.host_ip_detected |= chosen.is_none() && host_ip.is_some();
        self.init.local_api_endpoint.advertise_address = self.init.local_api_endpoint.advertise_address.or(host_ip);
        self.init.local_api_endpoint.bind_port.get_or_insert(constants::API_SERVER_PORT);

        let name = facts.hostname.to_lowercase();
        set_if_empty(&mut self.init.node_registration.name, &name);
        if let Some(join) = &mut self.join {
            set_if_empty(&mut join.node_registration.name, &name);
        }
    }

    /// Replaces the host's address; `detected` if it was not chosen by a user.
    pub fn move_host(&mut self, to: IpAddr, detected: bool) {
        let advertised = &mut self.init.local_api_endpoint.advertise_address;
        if *advertised == self.rootless.host_ip {
            *advertised = Some(to);
        }
        self.rootless.host_ip = Some(to);
        self.state.host_ip_detected = detected;
    }
}
