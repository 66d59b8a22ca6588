//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler, with the flags of kubeadm's static Pods.

use super::ComponentName::{Etcd, KubeApiserver, KubeControllerManager, KubeScheduler};
use super::flags::{build_argv, build_env};
use super::{Component, Condition, GRACE, LONG_GRACE, StopStage, pki_path};
use crate::probe::{Probe, Trust};
use crate::{KubeletServing, NodePlan};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use usernetes_api::{constants as c, loopback_of};

fn format_url(scheme: &str, ip: IpAddr, port: u16) -> String {
    format!("{scheme}://{}", SocketAddr::new(ip, port))
}

pub(super) fn etcd(plan: &NodePlan) -> Option<Component> {
    plan.require_control_plane()?;
    if plan.cluster.external_etcd.is_some() {
        return None;
    }
    let local = loopback_of(plan.host_ip);
    let client = format_url("https", plan.host_ip, c::ETCD_CLIENT_PORT);
    let peer = format_url("https", plan.host_ip, c::ETCD_PEER_PORT);
    let flags = vec![
        ("name", plan.node_name.clone()),
        ("data-dir", c::ETCD_DATA_DIR.to_owned()),
        ("listen-client-urls", format!("{},{client}", format_url("https", local, c::ETCD_CLIENT_PORT))),
        ("advertise-client-urls", client),
        ("listen-peer-urls", peer.clone()),
        ("initial-advertise-peer-urls", peer.clone()),
        ("initial-cluster", format!("{}={peer}", plan.node_name)),
        ("listen-metrics-urls", format_url("http", local, c::ETCD_METRICS_PORT)),
        ("cert-file", pki_path("etcd/server.crt")),
        ("key-file", pki_path("etcd/server.key")),
        ("trusted-ca-file", pki_path("etcd/ca.crt")),
        ("client-cert-auth", "true".to_owned()),
        ("peer-cert-file", pki_path("etcd/peer.crt")),
        ("peer-key-file", pki_path("etcd/peer.key")),
        ("peer-trusted-ca-file", pki_path("etcd/ca.crt")),
        ("peer-client-cert-auth", "true".to_owned()),
        ("snapshot-count", "10000".to_owned()),
        ("feature-gates", "InitialCorruptCheck=true".to_owned()),
        ("watch-progress-notify-interval", "5s".to_owned()),
        // A single member also waits for its election, here at most 5 ticks of 30 ms instead of 10 of 100 ms. So
        // kube-apiserver, started at the same time, connects at its first attempt; the second comes 1 s later.
        // Shorter ticks cost more CPU when idle: 0.45 % of a core for these.
        ("heartbeat-interval", "30".to_owned()),
        ("election-timeout", "150".to_owned()),
    ];
    Some(Component {
        name: Etcd,
        argv: build_argv(plan, Etcd, flags),
        env: build_env(plan, Etcd),
        ready: Probe::Http { address: SocketAddr::new(local, c::ETCD_METRICS_PORT), path: "/readyz" },
        live: Some(Probe::Http { address: SocketAddr::new(local, c::ETCD_METRICS_PORT), path: "/livez" }),
        start_after: Condition::files(
            ["etcd/server.crt", "etcd/server.key", "etcd/peer.crt", "etcd/peer.key", "etcd/ca.crt"].map(pki_path),
        ),
        stop: StopStage::Last,
        grace: LONG_GRACE,
    })
}

/// Files that the API server exits without.
const API_SERVER_FILES: [&str; 13] = [
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
];
/// Certificate and key of the CA that signs serving certificates of kubelets, and no client trusts.
const KUBELET_SERVING_CA: (&str, &str) = ("kubelet-serving-ca.crt", "kubelet-serving-ca.key");
/// Signers of the controller manager that sign by the cluster's CA.
const CLUSTER_SIGNERS: [[&str; 2]; 3] = [
    ["cluster-signing-kubelet-client-cert-file", "cluster-signing-kubelet-client-key-file"],
    ["cluster-signing-kube-apiserver-client-cert-file", "cluster-signing-kube-apiserver-client-key-file"],
    ["cluster-signing-legacy-unknown-cert-file", "cluster-signing-legacy-unknown-key-file"],
];

pub(super) fn api_server(plan: &NodePlan) -> Option<Component> {
    plan.require_control_plane()?;
    let mut flags = vec![
        ("advertise-address", plan.host_ip.to_string()),
        ("secure-port", plan.api_server_port.to_string()),
        ("allow-privileged", "true".to_owned()),
        ("client-ca-file", pki_path("ca.crt")),
        // With externalIPs a Service may take any address inside the nodes, also the API server's own.
        ("enable-admission-plugins", "NodeRestriction,DenyServiceExternalIPs".to_owned()),
        ("enable-bootstrap-token-auth", "true".to_owned()),
        ("kubelet-client-certificate", pki_path("apiserver-kubelet-client.crt")),
        ("kubelet-client-key", pki_path("apiserver-kubelet-client.key")),
        ("kubelet-preferred-address-types", "InternalIP,ExternalIP,Hostname".to_owned()),
        ("proxy-client-cert-file", pki_path("front-proxy-client.crt")),
        ("proxy-client-key-file", pki_path("front-proxy-client.key")),
        ("requestheader-allowed-names", "front-proxy-client".to_owned()),
        ("requestheader-client-ca-file", pki_path("front-proxy-ca.crt")),
        ("requestheader-extra-headers-prefix", "X-Remote-Extra-".to_owned()),
        ("requestheader-group-headers", "X-Remote-Group".to_owned()),
        ("requestheader-username-headers", "X-Remote-User".to_owned()),
        ("service-account-issuer", format!("https://kubernetes.default.svc.{}", plan.cluster.dns_domain)),
        ("service-account-key-file", pki_path("sa.pub")),
        ("service-account-signing-key-file", pki_path("sa.key")),
        ("service-cluster-ip-range", plan.cluster.service_subnet.to_string()),
        ("tls-cert-file", pki_path("apiserver.crt")),
        ("tls-private-key-file", pki_path("apiserver.key")),
    ];
    flags.extend(etcd_flags(plan));
    // The two flags exclude each other.
    if !plan.has_arg(KubeApiserver, "authorization-config") {
        flags.push(("authorization-mode", "Node,RBAC".to_owned()));
    }
    let mut files = API_SERVER_FILES.to_vec();
    if plan.cluster.external_etcd.is_some() {
        files.retain(|file| !file.contains("etcd"));
    }
    if plan.kubelet_serving() == KubeletServing::Verified {
        flags.push(("kubelet-certificate-authority", pki_path(KUBELET_SERVING_CA.0)));
        files.push(KUBELET_SERVING_CA.0);
    }
    Some(Component {
        name: KubeApiserver,
        argv: build_argv(plan, KubeApiserver, flags),
        env: build_env(plan, KubeApiserver),
        ready: probe_api_server(plan, "/readyz"),
        live: Some(probe_api_server(plan, "/livez")),
        start_after: Condition::files(files.into_iter().map(pki_path)),
        stop: StopStage::AfterPods,
        grace: LONG_GRACE,
    })
}

/// How the API server reaches etcd: the node's own, or that of others.
fn etcd_flags(plan: &NodePlan) -> Vec<(&'static str, String)> {
    let Some(external) = &plan.cluster.external_etcd else {
        return vec![
            ("etcd-servers", format_url("https", loopback_of(plan.host_ip), c::ETCD_CLIENT_PORT)),
            ("etcd-cafile", pki_path("etcd/ca.crt")),
            ("etcd-certfile", pki_path("apiserver-etcd-client.crt")),
            ("etcd-keyfile", pki_path("apiserver-etcd-client.key")),
        ];
    };
    let files = [
        ("etcd-cafile", &external.ca_file),
        ("etcd-certfile", &external.cert_file),
        ("etcd-keyfile", &external.key_file),
    ];
    let files = files.into_iter().filter(|(_, path)| !path.is_empty()).map(|(flag, path)| (flag, path.clone()));
    std::iter::once(("etcd-servers", external.endpoints.join(","))).chain(files).collect()
}

fn probe_api_server(plan: &NodePlan, path: &'static str) -> Probe {
    let trust = Trust::Ca {
        ca: pki_path("ca.crt").into(),
        certificate: pki_path("apiserver-kubelet-client.crt").into(),
        key: pki_path("apiserver-kubelet-client.key").into(),
    };
    Probe::Https { address: SocketAddr::new(plan.host_ip, plan.api_server_port), path, trust }
}

pub(super) fn controller_manager(plan: &NodePlan) -> Option<Component> {
    plan.require_control_plane()?;
    let mut flags = client_flags("controller-manager.conf");
    flags.extend([
        ("allocate-node-cidrs", "true".to_owned()),
        ("client-ca-file", pki_path("ca.crt")),
        ("cluster-cidr", plan.cluster.pod_subnet.to_string()),
        ("cluster-name", plan.cluster.name.clone()),
        ("controllers", "*,bootstrapsigner,tokencleaner".to_owned()),
        // Only root can create the default directory.
        ("flex-volume-plugin-dir", crate::config::VOLUME_PLUGIN_DIR.to_owned()),
        // At the default of 20 requests per second the service accounts of a new cluster alone take 4.8 s.
        ("kube-api-qps", "300".to_owned()),
        ("kube-api-burst", "600".to_owned()),
        ("requestheader-client-ca-file", pki_path("front-proxy-ca.crt")),
        ("root-ca-file", pki_path("ca.crt")),
        ("service-account-private-key-file", pki_path("sa.key")),
        ("service-cluster-ip-range", plan.cluster.service_subnet.to_string()),
        ("use-service-account-credentials", "true".to_owned()),
    ]);
    flags.extend(signing_flags(plan));
    Some(Component {
        name: KubeControllerManager,
        argv: build_argv(plan, KubeControllerManager, flags),
        env: build_env(plan, KubeControllerManager),
        ready: probe_self_signed(c::CONTROLLER_MANAGER_PORT, "/healthz"),
        live: Some(probe_self_signed(c::CONTROLLER_MANAGER_PORT, "/healthz")),
        start_after: wait_for_api_server("controller-manager.conf"),
        stop: StopStage::BeforePods,
        grace: GRACE,
    })
}

/// The CA of each signer. The controller manager takes either one pair for all of them or a pair for each.
fn signing_flags(plan: &NodePlan) -> Vec<(&'static str, String)> {
    let (certificate, key) = (signing_path(plan, "ca.crt"), signing_path(plan, "ca.key"));
    if !plan.signs_kubelet_serving() {
        return vec![("cluster-signing-cert-file", certificate), ("cluster-signing-key-file", key)];
    }
    let mut flags = vec![
        ("cluster-signing-kubelet-serving-cert-file", pki_path(KUBELET_SERVING_CA.0)),
        ("cluster-signing-kubelet-serving-key-file", pki_path(KUBELET_SERVING_CA.1)),
    ];
    for [certificate_flag, key_flag] in CLUSTER_SIGNERS {
        flags.extend([(certificate_flag, certificate.clone()), (key_flag, key.clone())]);
    }
    flags
}

/// Path of the CA's certificate or key. Empty with an external CA: then the signing controllers do not start.
fn signing_path(plan: &NodePlan, file: &str) -> String {
    if plan.host.external_ca { String::new() } else { pki_path(file) }
}

pub(super) fn scheduler(plan: &NodePlan) -> Option<Component> {
    plan.require_control_plane()?;
    Some(Component {
        name: KubeScheduler,
        argv: build_argv(plan, KubeScheduler, client_flags("scheduler.conf")),
        env: build_env(plan, KubeScheduler),
        ready: probe_self_signed(c::SCHEDULER_PORT, "/readyz"),
        live: Some(probe_self_signed(c::SCHEDULER_PORT, "/livez")),
        start_after: wait_for_api_server("scheduler.conf"),
        stop: StopStage::BeforePods,
        grace: GRACE,
    })
}

fn kubeconfig_path(file: &str) -> String {
    format!("{}/{file}", c::KUBERNETES_DIR)
}

/// Flags of both clients of the API server. One instance of each runs: there is no leader to elect, and the lease of an
/// earlier instance would have to expire first.
fn client_flags(file: &str) -> Vec<(&'static str, String)> {
    vec![
        ("bind-address", "127.0.0.1".to_owned()),
        ("leader-elect", "false".to_owned()),
        ("kubeconfig", kubeconfig_path(file)),
        ("authentication-kubeconfig", kubeconfig_path(file)),
        ("authorization-kubeconfig", kubeconfig_path(file)),
    ]
}

/// Not before `/readyz`: until RBAC exists the controller manager exits and the scheduler's informers back off.
fn wait_for_api_server(file: &str) -> Vec<Condition> {
    let mut after = Condition::files([kubeconfig_path(file)]);
    after.push(Condition::Ready(KubeApiserver));
    after
}

fn probe_self_signed(port: u16, path: &'static str) -> Probe {
    Probe::Https { address: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), path, trust: Trust::SelfSigned }
}
