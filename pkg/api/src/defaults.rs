//! Values for everything that the user left out.

use crate::{Config, Duration, Timeouts, constants};
use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

/// What defaults depend on, found out by the caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// The host's name.
    pub hostname: String,
    /// Address of the interface of the default route.
    pub host_ip: Option<IpAddr>,
    /// Ranges that the host uses; the tap gets one beside them.
    pub used_ranges: Vec<IpNet>,
    /// The tap's range that an earlier run has chosen.
    pub kept_tap: Option<Ipv4Net>,
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
        if self.rootless.network.cidr.is_none() {
            self.rootless.network.cidr = facts.kept_tap;
            self.state.tap_cidr_chosen = true;
        }
        self.choose_tap_range(&facts.used_ranges);
        self.drop_covered_resolv_conf();

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

    /// The node covers `/run`, where systemd-resolved keeps its files; the node's resolver follows the host's anyway.
    fn drop_covered_resolv_conf(&mut self) {
        let Some(kubelet) = &mut self.kubelet else { return };
        let path = kubelet.get("resolvConf").and_then(|path| path.as_str()).unwrap_or_default().to_owned();
        if ["/run/", "/var/run/"].iter().any(|covered| path.starts_with(covered)) {
            kubelet.remove("resolvConf");
            let note = format!(
                "KubeletConfiguration: resolvConf {path} is left out: a node has a /run of its own, and pods use its resolver, \
                 which asks the host's"
            );
            self.sources.notes.push(note);
        }
    }

    /// Chooses a range of the tap beside `used` and the cluster's own ranges. One that the user or an earlier run has
    /// chosen stays, the latter only while neither the cluster nor HOST_IP is in it.
    pub fn choose_tap_range(&mut self, used: &[IpNet]) {
        let networking = &self.cluster.networking;
        let cluster = [&networking.pod_subnet, &networking.service_subnet].map(|text| text.parse::<IpNet>().ok());
        let host = self.rootless.host_ip.map(IpNet::from);
        let own: Vec<IpNet> = cluster.into_iter().chain([host]).flatten().collect();
        let network = &mut self.rootless.network;
        if network.cidr.is_some_and(|chosen| !self.state.tap_cidr_chosen || is_free(chosen, &own)) {
            return;
        }
        let mut candidates = constants::TAP_CIDRS.iter().map(|range| range.parse().expect("a constant"));
        let free = candidates.find(|range| is_free(*range, &own) && is_free(*range, used));
        network.cidr = Some(free.unwrap_or_else(|| network.tap_range()));
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

fn is_free(range: Ipv4Net, used: &[IpNet]) -> bool {
    let range = IpNet::V4(range);
    !used.iter().any(|net| net.contains(&range) || range.contains(net))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tap(config: &mut Config, host_ip: &str, used: &[&str], kept: Option<&str>) -> (String, bool) {
        let facts = HostFacts {
            hostname: "a".into(),
            host_ip: host_ip.parse().ok(),
            used_ranges: used.iter().map(|range| range.parse().expect("a range")).collect(),
            kept_tap: kept.map(|range| range.parse().expect("a range")),
        };
        config.set_defaults(&facts);
        (config.rootless.network.tap_range().to_string(), config.state.tap_cidr_chosen)
    }

    #[test]
    fn a_range_that_the_host_does_not_use_is_chosen() {
        let of = |host_ip: &str, used: &[&str]| tap(&mut Config::default(), host_ip, used, None);
        assert_eq!(of("192.0.2.1", &["192.0.2.0/24", "172.17.0.0/16"]), ("10.0.2.0/24".into(), true));
        assert_eq!(of("192.0.2.1", &["10.0.2.0/24"]), ("10.254.254.0/24".into(), true));
        assert_eq!(of("10.0.2.15", &[]), ("10.254.254.0/24".into(), true), "HOST_IP");
        assert_eq!(of("10.1.1.1", &["10.0.0.0/8"]), ("192.168.254.0/24".into(), true), "a VPN");
        let all = ["10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12", "100.64.0.0/10", "198.18.0.0/15"];
        assert_eq!(of("10.1.1.1", &all), ("10.0.2.0/24".into(), true), "none is free");
    }

    #[test]
    fn what_was_chosen_stays() {
        let of = |used: &[&str], kept| tap(&mut Config::default(), "192.0.2.1", used, kept);
        assert_eq!(of(&[], Some("192.168.254.0/24")), ("192.168.254.0/24".into(), true));
        assert_eq!(of(&["192.168.0.0/16"], Some("192.168.254.0/24")), ("192.168.254.0/24".into(), true));
        let mut config = Config::default();
        config.rootless.network.cidr = "10.0.2.0/24".parse().ok();
        assert_eq!(tap(&mut config, "10.0.2.15", &["10.0.2.0/24"], None), ("10.0.2.0/24".into(), false), "by the user");
    }

    #[test]
    fn resolvers_of_a_covered_directory_are_left_out() {
        let resolv_conf = |path: &str| {
            let kubelet = serde_yaml::Mapping::from_iter([("resolvConf".into(), path.into())]);
            let mut config = Config { kubelet: Some(kubelet), ..Config::default() };
            config.set_defaults(&HostFacts::default());
            (config.kubelet.expect("a document").contains_key("resolvConf"), config.sources.notes.len())
        };
        assert_eq!(resolv_conf("/run/systemd/resolve/resolv.conf"), (false, 1));
        assert_eq!(resolv_conf("/home/alice/resolv.conf"), (true, 0));
        assert_eq!(resolv_conf(""), (true, 0));
    }

    #[test]
    fn the_clusters_ranges_make_it_move() {
        let mut config = Config::default();
        assert_eq!(tap(&mut config, "192.0.2.1", &[], None).0, "10.0.2.0/24");
        config.cluster.networking.pod_subnet = "10.0.0.0/16".into();
        config.choose_tap_range(&["10.254.0.0/16".parse().expect("a range")]);
        assert_eq!(config.rootless.network.tap_range().to_string(), "192.168.254.0/24");
    }
}
