//! What the namespaces of a node look like, from its plan.

use super::pod_ids::PodIds;
use anyhow::{Result, bail};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use usernetes_api::{Config, Paths, PortSpec, Protocol};
use usernetes_cluster::addons::{flannel, kube_proxy};
use usernetes_host::{env, fs};
use usernetes_node::{NodePlan, Role};
use usernetes_rootless::{FileEntry, Forward, Mount, Spec, SubIds};

/// The spec of the node that `plan` describes.
pub(super) fn spec(plan: &NodePlan, paths: &Paths, config: &Config) -> Result<Spec> {
    let masquerade_by_nftables =
        kube_proxy::Mode::from_overrides(config.kube_proxy.as_ref()) == kube_proxy::Mode::Nftables;
    let mut spec = Spec::new(&plan.node_name, paths.runtime());
    spec.host_addresses = vec![plan.host_ip];
    spec.network = config.rootless.network.clone();
    spec.cgroup = plan.cgroups;
    spec.mounts = mounts(paths)?;
    let ids = SubIds::current()?;
    spec.files = files(&PodIds::new(&ids, config));
    spec.files.push(FileEntry::public(flannel::NET_CONF, flannel_network(plan, masquerade_by_nftables)?));
    spec.sysctls = sysctls(&ids);
    spec.ports = ports(plan);
    spec.nft = Some(plan.bundle.join("bin/nft"));
    spec.payload = serde_json::to_value(plan)?;
    Ok(spec)
}

/// This host's share of flannel's configuration. The MTU is that of the host's route to its peers, never the tap's.
fn flannel_network(plan: &NodePlan, nftables: bool) -> Result<String> {
    const ETHERNET: u32 = 1500;
    let IpNet::V4(pods) = plan.pod_subnet else {
        bail!("flannel's VXLAN carries IPv4 pods only, not {}", plan.pod_subnet)
    };
    let underlay_mtu = env::mtu_to_outside(plan.host_ip)?.unwrap_or(ETHERNET);
    Ok(flannel::net_conf(&flannel::Network { pods, port: plan.vxlan_port, underlay_mtu, nftables }))
}

/// kubeadm's paths inside are folders of the state outside.
fn mounts(paths: &Paths) -> Result<Vec<Mount>> {
    let bind = |inside: &str| {
        let source = paths.node(inside);
        fs::create_dir(&source)?;
        Ok(Mount::bind(source, inside))
    };
    Paths::PERSISTENT.into_iter().map(bind).collect()
}

/// Users inside. The kubelet takes id ranges of pods from the user `kubelet`.
fn files(ids: &PodIds) -> Vec<FileEntry> {
    let mut passwd = String::from("root:x:0:0:root:/root:/bin/sh\n");
    let mut ranges = String::new();
    if ids.suffice() {
        passwd.push_str("kubelet:x:65000:65000:kubelet:/nonexistent:/usr/sbin/nologin\n");
        ranges = ids.line();
    }
    passwd.push_str("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
    vec![
        FileEntry::public("/etc/passwd", passwd),
        FileEntry::public("/etc/group", "root:x:0:\nkubelet:x:65000:\nnogroup:x:65534:\n"),
        FileEntry::public("/etc/subuid", ranges.clone()),
        FileEntry::public("/etc/subgid", ranges),
    ]
}

/// What tools ask root for; in our own network namespace it is ours to set.
fn sysctls(ids: &SubIds) -> Vec<(String, String)> {
    // The kernel takes only groups that exist here: our own, as 0, and the subordinate ones.
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
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// The API server's and the kubelet's port, and VXLAN's, which is relayed: nothing inside answers from it.
fn ports(plan: &NodePlan) -> Vec<Forward> {
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
