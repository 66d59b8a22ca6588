//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler, with the flags of kubeadm's static Pods.

use super::ComponentName::{Etcd, KubeApiserver, KubeControllerManager, KubeScheduler};
use super::flags::{argv, env};
use super::{Component, Condition, pki};
use crate::NodePlan;
use crate::probe::{Probe, Trust};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use usernetes_api::constants as c;

/// Loopback of HOST_IP's family.
fn loopback(plan: &NodePlan) -> IpAddr {
    match plan.host_ip {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

fn url(scheme: &str, ip: IpAddr, port: u16) -> String {
    format!("{scheme}://{}", SocketAddr::new(ip, port))
}

pub(super) fn etcd(plan: &NodePlan) -> Component {
    let local = loopback(plan);
    let client = url("https", plan.host_ip, c::ETCD_CLIENT_PORT);
    let peer = url("https", plan.host_ip, c::ETCD_PEER_PORT);
    let flags = vec![
        ("name", plan.node_name.clone()),
        ("data-dir", c::ETCD_DATA_DIR.to_owned()),
        ("listen-client-urls", format!("{},{client}", url("https", local, c::ETCD_CLIENT_PORT))),
        ("advertise-client-urls", client),
        ("listen-peer-urls", peer.clone()),
        ("initial-advertise-peer-urls", peer.clone()),
        ("initial-cluster", format!("{}={peer}", plan.node_name)),
        ("listen-metrics-urls", url("http", local, c::ETCD_METRICS_PORT)),
        ("cert-file", pki("etcd/server.crt")),
        ("key-file", pki("etcd/server.key")),
        ("trusted-ca-file", pki("etcd/ca.crt")),
        ("client-cert-auth", "true".to_owned()),
        ("peer-cert-file", pki("etcd/peer.crt")),
        ("peer-key-file", pki("etcd/peer.key")),
        ("peer-trusted-ca-file", pki("etcd/ca.crt")),
        ("peer-client-cert-auth", "true".to_owned()),
        ("snapshot-count", "10000".to_owned()),
        ("feature-gates", "InitialCorruptCheck=true".to_owned()),
        ("watch-progress-notify-interval", "5s".to_owned()),
        // The only member too waits for its election, here 5 ticks of 30 ms at most instead of 10 of 100 ms. So
        // kube-apiserver, started at the same time, finds it open at its first try; the second comes 1 s later.
        // Shorter ticks cost more CPU when idle: 0.45 % of a core for these.
        ("heartbeat-interval", "30".to_owned()),
        ("election-timeout", "150".to_owned()),
    ];
    Component {
        name: Etcd,
        argv: argv(plan, Etcd, flags),
        env: env(plan, Etcd),
        ready: Probe::Http { address: SocketAddr::new(local, c::ETCD_METRICS_PORT), path: "/readyz" },
        live: Some(Probe::Http { address: SocketAddr::new(local, c::ETCD_METRICS_PORT), path: "/livez" }),
        after: Condition::files(
            ["etcd/server.crt", "etcd/server.key", "etcd/peer.crt", "etcd/peer.key", "etcd/ca.crt"].map(pki),
        ),
    }
}

pub(super) fn api_server(plan: &NodePlan) -> Component {
    let mut flags = vec![
        ("advertise-address", plan.host_ip.to_string()),
        ("secure-port", plan.api_server_port.to_string()),
        ("allow-privileged", "true".to_owned()),
        ("client-ca-file", pki("ca.crt")),
        ("enable-admission-plugins", "NodeRestriction".to_owned()),
        ("enable-bootstrap-token-auth", "true".to_owned()),
        ("etcd-servers", url("https", loopback(plan), c::ETCD_CLIENT_PORT)),
        ("etcd-cafile", pki("etcd/ca.crt")),
        ("etcd-certfile", pki("apiserver-etcd-client.crt")),
        ("etcd-keyfile", pki("apiserver-etcd-client.key")),
        ("kubelet-client-certificate", pki("apiserver-kubelet-client.crt")),
        ("kubelet-client-key", pki("apiserver-kubelet-client.key")),
        ("kubelet-preferred-address-types", "InternalIP,ExternalIP,Hostname".to_owned()),
        ("proxy-client-cert-file", pki("front-proxy-client.crt")),
        ("proxy-client-key-file", pki("front-proxy-client.key")),
        ("requestheader-allowed-names", "front-proxy-client".to_owned()),
        ("requestheader-client-ca-file", pki("front-proxy-ca.crt")),
        ("requestheader-extra-headers-prefix", "X-Remote-Extra-".to_owned()),
        ("requestheader-group-headers", "X-Remote-Group".to_owned()),
        ("requestheader-username-headers", "X-Remote-User".to_owned()),
        ("service-account-issuer", format!("https://kubernetes.default.svc.{}", plan.dns_domain)),
        ("service-account-key-file", pki("sa.pub")),
        ("service-account-signing-key-file", pki("sa.key")),
        ("service-cluster-ip-range", plan.service_subnet.to_string()),
        ("tls-cert-file", pki("apiserver.crt")),
        ("tls-private-key-file", pki("apiserver.key")),
    ];
    // The two flags exclude each other.
    if !plan.has_arg(KubeApiserver, "authorization-config") {
        flags.push(("authorization-mode", "Node,RBAC".to_owned()));
    }
    Component {
        name: KubeApiserver,
        argv: argv(plan, KubeApiserver, flags),
        env: env(plan, KubeApiserver),
        ready: api_server_answers(plan, "/readyz"),
        live: Some(api_server_answers(plan, "/livez")),
        after: Condition::files(
            [
                "ca.crt",
                "etcd/ca.crt",
                "apiserver-etcd-client.crt",
                "apiserver-etcd-client.key",
                "apiserver-kubelet-client.crt",
                "apiserver-kubelet-client.key",
                "front-proxy-ca.crt",
                "front-proxy-client.crt",
                "front-proxy-client.key",
                "sa.pub",
                "sa.key",
                "apiserver.crt",
                "apiserver.key",
            ]
            .map(pki),
        ),
    }
}

fn api_server_answers(plan: &NodePlan, path: &'static str) -> Probe {
    let trust = Trust::Ca {
        ca: pki("ca.crt").into(),
        certificate: pki("apiserver-kubelet-client.crt").into(),
        key: pki("apiserver-kubelet-client.key").into(),
    };
    Probe::Https { address: SocketAddr::new(plan.host_ip, plan.api_server_port), path, trust }
}

pub(super) fn controller_manager(plan: &NodePlan) -> Component {
    // Empty values: the signing controllers do not start.
    let signing = |file: &str| if plan.external_ca { String::new() } else { pki(file) };
    let mut flags = with_kubeconfig("controller-manager.conf");
    flags.extend([
        ("allocate-node-cidrs", "true".to_owned()),
        ("client-ca-file", pki("ca.crt")),
        ("cluster-cidr", plan.pod_subnet.to_string()),
        ("cluster-name", plan.cluster_name.clone()),
        ("cluster-signing-cert-file", signing("ca.crt")),
        ("cluster-signing-key-file", signing("ca.key")),
        ("controllers", "*,bootstrapsigner,tokencleaner".to_owned()),
        // The default lies in a folder that only root can make.
        ("flex-volume-plugin-dir", crate::config::VOLUME_PLUGIN_DIR.to_owned()),
        // A new cluster's service accounts and their tokens alone cost 4.8 s at the default of 20 a second.
        ("kube-api-qps", "300".to_owned()),
        ("kube-api-burst", "600".to_owned()),
        ("requestheader-client-ca-file", pki("front-proxy-ca.crt")),
        ("root-ca-file", pki("ca.crt")),
        ("service-account-private-key-file", pki("sa.key")),
        ("service-cluster-ip-range", plan.service_subnet.to_string()),
        ("use-service-account-credentials", "true".to_owned()),
    ]);
    Component {
        name: KubeControllerManager,
        argv: argv(plan, KubeControllerManager, flags),
        env: env(plan, KubeControllerManager),
        ready: self_signed(c::CONTROLLER_MANAGER_PORT, "/healthz"),
        live: Some(self_signed(c::CONTROLLER_MANAGER_PORT, "/healthz")),
        after: after_api_server("controller-manager.conf"),
    }
}

pub(super) fn scheduler(plan: &NodePlan) -> Component {
    Component {
        name: KubeScheduler,
        argv: argv(plan, KubeScheduler, with_kubeconfig("scheduler.conf")),
        env: env(plan, KubeScheduler),
        ready: self_signed(c::SCHEDULER_PORT, "/readyz"),
        live: Some(self_signed(c::SCHEDULER_PORT, "/livez")),
        after: after_api_server("scheduler.conf"),
    }
}

fn kubeconfig(file: &str) -> String {
    format!("{}/{file}", c::KUBERNETES_DIR)
}

/// What both clients of the API server are given. One of each runs: there is no leader to elect, and a lease
/// of a life before would have to lapse first.
fn with_kubeconfig(file: &str) -> Vec<(&'static str, String)> {
    vec![
        ("bind-address", "127.0.0.1".to_owned()),
        ("leader-elect", "false".to_owned()),
        ("kubeconfig", kubeconfig(file)),
        ("authentication-kubeconfig", kubeconfig(file)),
        ("authorization-kubeconfig", kubeconfig(file)),
    ]
}

/// Not before `/readyz`: until RBAC is there the controller manager exits and the scheduler's informers back off.
fn after_api_server(file: &str) -> Vec<Condition> {
    let mut after = Condition::files([kubeconfig(file)]);
    after.push(Condition::Ready(KubeApiserver));
    after
}

fn self_signed(port: u16, path: &'static str) -> Probe {
    Probe::Https { address: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), path, trust: Trust::SelfSigned }
}
