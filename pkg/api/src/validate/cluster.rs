//! `InitConfiguration` and `ClusterConfiguration`.

use super::{Errors, validate_arguments, validate_node_registration, validate_timeouts, validate_token};
use crate::flags::with_flag;
use crate::{
    BootstrapTokenSpec, ClusterConfiguration, Config, Duration, EnvVar, Etcd, HostPathMount, LocalEtcd, Paths,
    constants, names,
};
use ipnet::IpNet;
use std::net::IpAddr;
use std::path::Path;

/// Largest service range, in bits of addresses: the API server keeps a bitmap of it.
const SERVICE_BITS: u8 = 20;
/// Most bits between the pod range's mask and a node's, for the same reason.
const NODES_BITS: u8 = 16;

pub(super) fn validate_init(errors: &mut Errors, config: &Config) {
    let init = &config.init;
    validate_node_registration(errors, &init.node_registration);
    validate_timeouts(errors, &init.timeouts);
    for (n, spec) in init.bootstrap_tokens.iter().enumerate() {
        validate_bootstrap_token(errors, &format!("bootstrapTokens[{n}]."), spec);
    }
}

pub(super) fn validate_bootstrap_token(errors: &mut Errors, prefix: &str, spec: &BootstrapTokenSpec) {
    if !spec.token.is_empty() {
        validate_token(errors, &format!("{prefix}token"), &spec.token);
    }
    errors.require(spec.ttl.is_none() || spec.expires.is_none(), format!("{prefix}expires"), || {
        "excludes ttl; give one of the two".into()
    });
    for usage in &spec.usages {
        errors.require(matches!(usage.as_str(), "signing" | "authentication"), format!("{prefix}usages"), || {
            format!("{usage:?} is not signing or authentication")
        });
    }
    let authenticates = spec.usages.is_empty() || spec.usages.iter().any(|u| u == "authentication");
    errors.require(spec.groups.is_empty() || authenticates, format!("{prefix}groups"), || {
        "need the usage authentication".into()
    });
    for group in &spec.groups {
        let name = group.strip_prefix("system:bootstrappers:").unwrap_or_default();
        let valid = name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b':' || c == b'-');
        let right = valid && !name.is_empty() && name.len() <= 256 && !name.ends_with([':', '-']);
        errors.require(right, format!("{prefix}groups"), || {
            format!("{group:?} does not have the form system:bootstrappers:NAME")
        });
    }
}

pub(super) fn validate_cluster(errors: &mut Errors, config: &Config) {
    let cluster = &config.cluster;
    validate_version(errors, &cluster.kubernetes_version);
    validate_networking(errors, config);
    let endpoint = &cluster.control_plane_endpoint;
    errors.require(endpoint.is_empty() || names::host_port(endpoint).is_some(), "controlPlaneEndpoint", || {
        format!("{endpoint:?} is not HOST or HOST:PORT")
    });
    validate_components(errors, cluster);
    validate_etcd(errors, &cluster.etcd);
    let volumes = [
        ("apiServer.extraVolumes", &cluster.api_server.extra_volumes),
        ("controllerManager.extraVolumes", &cluster.controller_manager.extra_volumes),
        ("scheduler.extraVolumes", &cluster.scheduler.extra_volumes),
    ];
    for (field, volumes) in volumes {
        validate_volumes(errors, field, volumes, &config.extra_volumes());
    }
    validate_validity(errors, cluster);
}

/// kubeadm's skew: the control plane may be as new as the tool or one minor older.
fn validate_version(errors: &mut Errors, given: &str) {
    let own: semver::Version = constants::KUBERNETES_VERSION.trim_start_matches('v').parse().expect("a constant");
    let parsed = given.strip_prefix('v').and_then(|v| semver::Version::parse(v).ok());
    let Some(version) = parsed else {
        return errors
            .add("kubernetesVersion", format!("{given:?} is not a version such as {}", constants::KUBERNETES_VERSION));
    };
    let supported = version.major == own.major && (own.minor - 1..=own.minor).contains(&version.minor);
    errors.require(supported, "kubernetesVersion", || {
        format!(
            "{given} is not supported; this version of the tool runs v{0}.{1} and v{0}.{2}",
            own.major,
            own.minor - 1,
            own.minor
        )
    });
}

fn validate_networking(errors: &mut Errors, config: &Config) {
    let networking = &config.cluster.networking;
    let domain = &networking.dns_domain;
    errors.require(names::is_subdomain(domain), "networking.dnsDomain", || {
        format!("{domain:?} is not a DNS domain in lower case, such as cluster.local")
    });
    let services = parse_range(errors, "networking.serviceSubnet", &networking.service_subnet);
    let pods = parse_range(errors, "networking.podSubnet", &networking.pod_subnet);
    if let Some(net) = services {
        let bits = net.max_prefix_len() - net.prefix_len();
        errors.require((4..=SERVICE_BITS).contains(&bits), "networking.serviceSubnet", || {
            let max = net.max_prefix_len();
            format!("{net} has a mask outside /{} to /{}", max - SERVICE_BITS, max - 4)
        });
    }
    if let Some(net) = pods {
        let mask = node_mask(config, net);
        let right = net.prefix_len() <= mask && mask - net.prefix_len() <= NODES_BITS;
        errors.require(right, "networking.podSubnet", || {
            format!(
                "{net} has a mask outside /{} to /{mask}, from which each node gets a /{mask}",
                mask.saturating_sub(NODES_BITS)
            )
        });
    }
    require_disjoint(errors, config, services, pods);
}

/// One range, written with its first address.
fn parse_range(errors: &mut Errors, field: &str, text: &str) -> Option<IpNet> {
    if text.contains(',') {
        errors.add(field, format!("{text:?} holds several ranges; IPv6 clusters, also of two families, are not supported: give one IPv4 range"));
        return None;
    }
    let Ok(net) = text.parse::<IpNet>() else {
        errors.add(field, format!("{text:?} is not a range such as 10.244.0.0/16"));
        return None;
    };
    errors.require(net.addr().is_ipv4(), field, || {
        format!("IPv6 clusters are not supported; write a range such as 10.244.0.0/16 instead of {text}")
    });
    errors.require(net.network() == net.addr(), field, || {
        format!("{text} is an address inside {}; write the range", net.trunc())
    });
    Some(net.trunc())
}

/// What every node gets of the pod range, as kube-controller-manager's flags say.
fn node_mask(config: &Config, pods: IpNet) -> u8 {
    let (family, default) =
        if pods.addr().is_ipv4() { ("node-cidr-mask-size-ipv4", 24) } else { ("node-cidr-mask-size-ipv6", 64) };
    let args = &config.cluster.controller_manager.extra_args;
    let given = args.iter().rev().find(|arg| arg.name == family || arg.name == "node-cidr-mask-size");
    given.and_then(|arg| arg.value.parse().ok()).unwrap_or(default)
}

fn overlaps(a: IpNet, b: IpNet) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// Ranges are disjoint, and HOST_IP is in none of them.
fn require_disjoint(errors: &mut Errors, config: &Config, services: Option<IpNet>, pods: Option<IpNet>) {
    let tap = IpNet::V4(config.rootless.network.tap_range()).trunc();
    if let (Some(services), Some(pods)) = (services, pods) {
        errors.require(!overlaps(services, pods), "networking.podSubnet", || {
            format!("{pods} overlaps {} {services}", with_flag("networking.serviceSubnet"))
        });
    }
    for (field, net) in [("networking.serviceSubnet", services), ("networking.podSubnet", pods)] {
        let Some(net) = net else { continue };
        errors.require(!overlaps(net, tap), field, || format!("{net} overlaps network.cidr {tap}, the node's tap"));
        let Some(ip) = config.rootless.host_ip else { continue };
        errors.require(!net.contains(&ip), field, || {
            format!("{net} holds this host's address {ip}; pods could not reach it")
        });
    }
}

fn validate_components(errors: &mut Errors, cluster: &ClusterConfiguration) {
    validate_arguments(errors, "etcd.local.extraArgs", &cluster.etcd.local.extra_args);
    validate_arguments(errors, "apiServer.extraArgs", &cluster.api_server.extra_args);
    validate_arguments(errors, "controllerManager.extraArgs", &cluster.controller_manager.extra_args);
    validate_arguments(errors, "scheduler.extraArgs", &cluster.scheduler.extra_args);
    let variables = [
        ("etcd.local.extraEnvs", &cluster.etcd.local.extra_envs),
        ("apiServer.extraEnvs", &cluster.api_server.extra_envs),
        ("controllerManager.extraEnvs", &cluster.controller_manager.extra_envs),
        ("scheduler.extraEnvs", &cluster.scheduler.extra_envs),
    ];
    for (field, variables) in variables {
        validate_variables(errors, field, variables);
    }
    let sans = [
        ("apiServer.certSANs", &cluster.api_server.cert_sans),
        ("etcd.local.serverCertSANs", &cluster.etcd.local.server_cert_sans),
        ("etcd.local.peerCertSANs", &cluster.etcd.local.peer_cert_sans),
    ];
    for (field, san) in sans.iter().flat_map(|(field, sans)| sans.iter().map(move |san| (field, san))) {
        let name = san.strip_prefix("*.").unwrap_or(san);
        let right = san.parse::<IpAddr>().is_ok() || names::is_subdomain(name);
        errors.require(right, *field, || format!("{san:?} is neither an address nor a DNS name in lower case"));
    }
}

/// Variables whose value could not be taken from a field.
fn validate_variables(errors: &mut Errors, field: &str, variables: &[EnvVar]) {
    for (n, variable) in variables.iter().enumerate() {
        let path = variable.value_from.as_ref().map(|source| source.field_ref.field_path.as_str());
        errors.require(path.is_none(), format!("{field}[{n}].valueFrom.fieldRef.fieldPath"), || {
            format!(
                "{:?} is not one of spec.nodeName, status.hostIP, status.podIP, metadata.name, metadata.namespace; there \
                 is no Pod with other fields",
                path.unwrap_or_default()
            )
        });
        errors.require(!variable.name.is_empty(), format!("{field}[{n}].name"), || "a variable needs a name".into());
    }
}

/// Directories of the node that no volume may cover.
const COVERED: [&str; 9] = ["/dev", "/etc", "/proc", "/run", "/sys", "/usr", "/var/lib", "/var/log", "/tmp"];

fn validate_volumes(errors: &mut Errors, field: &str, volumes: &[HostPathMount], all: &[HostPathMount]) {
    for (n, volume) in volumes.iter().enumerate() {
        let field = format!("{field}[{n}]");
        for (name, path) in [("hostPath", &volume.host_path), ("mountPath", &volume.mount_path)] {
            let right = path.starts_with('/') && !path.split('/').any(|part| part == "..");
            errors.require(right, format!("{field}.{name}"), || format!("{path:?} is not an absolute path without .."));
        }
        let target = Path::new(&volume.mount_path);
        let covers = COVERED.iter().chain(&Paths::PERSISTENT).find(|own| Path::new(own).starts_with(target));
        let is_same = volume.host_path == volume.mount_path && !volume.read_only;
        if let Some(own) = covers.filter(|_| !is_same) {
            errors.add(format!("{field}.mountPath"), format!("{} would cover {own} of the node", target.display()));
        }
        // The first of a path is in the list.
        let other = all.iter().find(|other| other.mount_path == volume.mount_path);
        let agrees =
            other.is_none_or(|other| (&other.host_path, other.read_only) == (&volume.host_path, volume.read_only));
        errors.require(agrees, format!("{field}.mountPath"), || {
            format!("{} is another volume of another component; components share one file tree", volume.mount_path)
        });
    }
}

fn validate_etcd(errors: &mut Errors, etcd: &Etcd) {
    let data_dir = &etcd.local.data_dir;
    let own = Paths::PERSISTENT.iter().find(|own| Path::new(data_dir).starts_with(own));
    let right =
        data_dir.is_empty() || data_dir.starts_with('/') && own.is_none() || data_dir == constants::ETCD_DATA_DIR;
    errors.require(right, "etcd.local.dataDir", || {
        format!("{data_dir:?} is not an absolute path outside of the node's own directories")
    });
    let Some(external) = &etcd.external else { return };
    errors.require(etcd.local == LocalEtcd::default(), "etcd", || "local and external cannot both be set".into());
    let with_tls = external.endpoints.iter().any(|url| url.starts_with("https://"));
    errors.require(!external.endpoints.is_empty(), "etcd.external.endpoints", || "at least one URL is needed".into());
    for (n, url) in external.endpoints.iter().enumerate() {
        let authority = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let right = authority.and_then(|text| names::host_port(text.trim_end_matches('/'))).is_some();
        errors.require(right, format!("etcd.external.endpoints[{n}]"), || {
            format!("{url:?} is not a URL such as https://198.51.100.21:2379")
        });
    }
    let files = [("caFile", &external.ca_file), ("certFile", &external.cert_file), ("keyFile", &external.key_file)];
    for (name, path) in files {
        let right = if path.is_empty() { !with_tls } else { path.starts_with('/') };
        errors.require(right, format!("etcd.external.{name}"), || {
            format!("{path:?} is not the absolute path of a file, which https:// endpoints need")
        });
    }
}

fn validate_validity(errors: &mut Errors, cluster: &ClusterConfiguration) {
    let (leaf, ca) = (cluster.certificate_validity_period, cluster.ca_certificate_validity_period);
    for (field, period) in [("certificateValidityPeriod", leaf), ("caCertificateValidityPeriod", ca)] {
        errors.require(period.is_none_or(|p| p > Duration::default()), field, || "must be longer than 0s".into());
    }
    if let (Some(leaf), Some(ca)) = (leaf, ca) {
        errors.require(leaf <= ca, "certificateValidityPeriod", || {
            format!("{leaf} outlives caCertificateValidityPeriod {ca}")
        });
    }
}
