//! The namespaces of a node: mounts, files, sysctls and ports, from its plan.

use crate::{DaemonError, PodIds, volumes};
use ipnet::IpNet;
use std::fs::Permissions;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use usernetes_api::constants::ETCD_DATA_DIR;
use usernetes_api::{Config, KeptIn, Paths, PortSpec, Protocol, host_directories};
use usernetes_cluster::addons::{flannel, kube_proxy};
use usernetes_host::fs::Context as _;
use usernetes_host::{env, fs};
use usernetes_node::{NodePlan, Role};
use usernetes_rootless::{FileEntry, Forward, Mount, OwnPorts, Spec, SubIds};

/// Longest stop of the components, before and after the pods.
const COMPONENTS_STOP: Duration = Duration::from_secs(30);

/// The namespaces of the node that `plan` describes.
pub(crate) fn describe(plan: &NodePlan, paths: &Paths, config: &Config) -> Result<Spec, DaemonError> {
    let masquerade_by_nftables =
        kube_proxy::Mode::from_overrides(config.kube_proxy.as_ref()) == kube_proxy::Mode::Nftables;
    let mut spec = Spec::new(&plan.node_name, paths.runtime());
    spec.host_addresses = vec![plan.host_ip];
    spec.network = config.rootless.network.clone();
    spec.cgroup = plan.host.cgroups;
    spec.search_lines = usernetes_rootless::read_search_lines();
    spec.mounts = persistent_mounts(paths, config)?;
    if plan.role == Role::ControlPlane {
        spec.mounts.extend(volumes::prepare_mounts(config, paths)?);
    }
    let ids = SubIds::current()?;
    spec.files = user_files(&PodIds::new(&ids, config));
    spec.files.push(FileEntry::public(flannel::NET_CONF, flannel_network(plan, masquerade_by_nftables)?));
    spec.sysctls = node_sysctls(&ids);
    spec.stop_timeout = plan.stop_timeout.0 + COMPONENTS_STOP;
    spec.ports = own_forwards(plan);
    spec.own_ports =
        Some(OwnPorts { ports: plan.reserved_ports().iter().collect(), services: plan.cluster.service_subnet });
    spec.nft = Some(plan.software.bundle.join("bin/nft"));
    spec.inside_networks =
        vec![plan.cluster.pod_subnet, plan.cluster.service_subnet, config.rootless.network.tap_range().into()];
    spec.payload = serde_json::to_value(plan).expect("plain data");
    Ok(spec)
}

/// This host's share of flannel's configuration. The MTU is that of the host's route to its peers, never the tap's.
fn flannel_network(plan: &NodePlan, nftables: bool) -> Result<String, DaemonError> {
    const ETHERNET: u32 = 1500;
    let IpNet::V4(pods) = plan.cluster.pod_subnet else {
        return Err(DaemonError::PodSubnetFamily(plan.cluster.pod_subnet));
    };
    let underlay_mtu = env::mtu_to_outside(plan.host_ip)?.unwrap_or(ETHERNET);
    Ok(flannel::net_conf(&flannel::Network { pods, port: plan.vxlan_port, underlay_mtu, nftables }))
}

/// Directories that pods write to, and kubeadm's paths inside the node, are directories of the state directory outside.
fn persistent_mounts(paths: &Paths, config: &Config) -> Result<Vec<Mount>, DaemonError> {
    let mut mounts = Vec::new();
    for inside in host_directories(KeptIn::State) {
        let source = paths.kept_directory(inside);
        fs::create_dir(&source)?;
        // Pods see its mode; the state directory is private.
        std::fs::set_permissions(&source, Permissions::from_mode(0o755)).context("set the mode of", &source)?;
        mounts.push(Mount::kept(source, inside));
    }
    for inside in Paths::PERSISTENT {
        let is_moved = inside == ETCD_DATA_DIR && config.join.is_none();
        let source = if is_moved { config.etcd_data_dir(paths) } else { paths.node(inside) };
        fs::create_dir(&source)?;
        mounts.push(Mount::bind(source, inside));
    }
    Ok(mounts)
}

/// Users inside the node. The kubelet takes id ranges for pods from those of the user `kubelet`.
fn user_files(ids: &PodIds) -> Vec<FileEntry> {
    let mut passwd = String::from("root:x:0:0:root:/root:/bin/sh\n");
    let mut ranges = String::new();
    if ids.suffice() {
        passwd.push_str("kubelet:x:65000:65000:kubelet:/nonexistent:/usr/sbin/nologin\n");
        ranges = ids.subid_line();
    }
    passwd.push_str("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
    vec![
        FileEntry::public("/etc/passwd", passwd),
        FileEntry::public("/etc/group", "root:x:0:\nkubelet:x:65000:\nnogroup:x:65534:\n"),
        FileEntry::public("/etc/subuid", ranges.clone()),
        FileEntry::public("/etc/subgid", ranges),
    ]
}

/// Sysctls of the node's own network namespace that Kubernetes needs.
fn node_sysctls(ids: &SubIds) -> Vec<(String, String)> {
    // The kernel accepts mapped groups only: the user's own, as 0, and the subordinate ones.
    let (_, groups) = ids.totals();
    let every_group = format!("0 {groups}");
    [
        ("net.ipv4.ip_forward", "1"),
        ("net.ipv6.conf.all.forwarding", "1"),
        ("net.ipv4.conf.all.rp_filter", "0"),
        ("net.ipv4.conf.default.rp_filter", "0"),
        ("net.bridge.bridge-nf-call-iptables", "1"),
        ("net.bridge.bridge-nf-call-ip6tables", "1"),
        ("net.ipv4.ip_unprivileged_port_start", "0"),
        ("net.ipv4.ping_group_range", &every_group),
        // The forwarder closes first inside when a client closes first. Without it, 28,000 connections in a minute use up
        // the ports of the node's address, and every further one looks through the whole range.
        ("net.ipv4.tcp_tw_reuse", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// The API server's and the kubelet's port, and VXLAN's, which is relayed: no process inside listens on it.
fn own_forwards(plan: &NodePlan) -> Vec<Forward> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let spec = |protocol, host: IpAddr, port| PortSpec {
        protocol,
        host: SocketAddr::new(host, port),
        node: SocketAddr::new(plan.host_ip, port),
    };
    let mut tcp = vec![plan.kubelet_port];
    if plan.role == Role::ControlPlane {
        tcp.push(plan.api_server_port);
    }
    let mut forwards = vec![Forward::relay(spec(Protocol::Udp, plan.host_ip, plan.vxlan_port))];
    for port in tcp {
        forwards.extend([plan.host_ip, loopback].map(|host| Forward::session(spec(Protocol::Tcp, host, port))));
    }
    forwards
}
