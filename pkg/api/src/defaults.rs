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

/// Whether a label such as `stable-1` or `latest-1.36` may mean the release of this program.
fn is_own_label(version: &str) -> bool {
    let name = version.strip_prefix("release/").unwrap_or(version);
    let Some(rest) = ["stable", "latest"].iter().find_map(|label| name.strip_prefix(label)) else { return false };
    let own = constants::KUBERNETES_VERSION.trim_start_matches('v');
    rest.is_empty()
        || rest.strip_prefix('-').is_some_and(|prefix| own.starts_with(&format!("{prefix}.")) || own == prefix)
}

impl Config {
    /// Fills in everything that is empty; what the user wrote stays.
    pub fn set_defaults(&mut self, facts: &HostFacts) {
        self.set_cluster_defaults();
        self.set_host_defaults(facts);
        self.resolve_variables();
    }

    /// Fills in what is empty in a `ClusterConfiguration`, also in that of a cluster to join.
    pub fn set_cluster_defaults(&mut self) {
        let networking = &mut self.cluster.networking;
        set_if_empty(&mut networking.service_subnet, constants::DEFAULT_SERVICE_SUBNET);
        set_if_empty(&mut networking.pod_subnet, constants::DEFAULT_POD_SUBNET);
        set_if_empty(&mut networking.dns_domain, constants::DEFAULT_DNS_DOMAIN);
        set_if_empty(&mut self.cluster.cluster_name, "kubernetes");
        self.resolve_version();
        self.cluster.certificate_validity_period.get_or_insert(Duration::hours(8760));
        self.cluster.ca_certificate_validity_period.get_or_insert(Duration::hours(87600));
        self.cluster.encryption_algorithm.get_or_insert_default();
    }

    fn set_host_defaults(&mut self, facts: &HostFacts) {
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

    /// Takes values of variables from the fields of the Pods that kubeadm would make of the components.
    fn resolve_variables(&mut self) {
        let node = self.node_name().to_owned();
        let ip = self.rootless.host_ip.map(|ip| ip.to_string()).unwrap_or_default();
        let cluster = &mut self.cluster;
        let components = [
            ("etcd", &mut cluster.etcd.local.extra_envs),
            ("kube-apiserver", &mut cluster.api_server.extra_envs),
            ("kube-controller-manager", &mut cluster.controller_manager.extra_envs),
            ("kube-scheduler", &mut cluster.scheduler.extra_envs),
        ];
        for (component, variables) in components {
            for variable in variables {
                let value = match variable.value_from.as_ref().map(|source| source.field_ref.field_path.as_str()) {
                    Some("spec.nodeName") => node.clone(),
                    Some("metadata.name") => format!("{component}-{node}"),
                    Some("metadata.namespace") => "kube-system".to_owned(),
                    Some("status.hostIP" | "status.podIP" | "status.hostIPs" | "status.podIPs") => ip.clone(),
                    _ => continue,
                };
                (variable.value, variable.value_from) = (value, None);
            }
        }
    }

    /// The release that a label means, or an empty version: the one that this program is tested with.
    fn resolve_version(&mut self) {
        let version = &mut self.cluster.kubernetes_version;
        set_if_empty(version, constants::KUBERNETES_VERSION);
        if is_own_label(version) {
            let note = format!("kubernetesVersion {version} is {} here", constants::KUBERNETES_VERSION);
            constants::KUBERNETES_VERSION.clone_into(version);
            self.sources.notes.push(note);
        } else if version.starts_with(|c: char| c.is_ascii_digit()) {
            // kubeadm takes both forms, binaries report the one with the v.
            version.insert(0, 'v');
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
