use crate::{Config, ConfigFile, HostFacts, Reader};
use insta::assert_snapshot;
use std::path::Path;

fn config(text: &str) -> Config {
    let mut config = match text {
        "" => Config::default(),
        text => ConfigFile::new(Path::new("c.yaml"), text).read(Reader::All),
    };
    config.set_defaults(&HostFacts {
        hostname: "Host-A".into(),
        host_ip: Some("198.51.100.11".parse().expect("an address")),
        ..HostFacts::default()
    });
    config
}

fn errors(text: &str) -> String {
    config(text).validate().expect_err("must be refused").to_string()
}

fn cluster(fields: &str) -> String {
    errors(&format!("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n{fields}"))
}

fn init(fields: &str) -> String {
    errors(&format!("apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n{fields}"))
}

fn join(fields: &str) -> String {
    errors(&format!("apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n{fields}"))
}

fn rootless(fields: &str) -> String {
    errors(&format!("apiVersion: usernetes.rs/v1alpha1\nkind: RootlessConfiguration\n{fields}"))
}

#[test]
fn defaults_are_right_and_their_getters_work() {
    let config = config("");
    config.validate().expect("right");
    assert_eq!(config.pod_subnet().to_string(), "10.244.0.0/16");
    assert_eq!(config.service_network().dns().to_string(), "10.96.0.10");
    assert_eq!(config.host_ip().to_string(), "198.51.100.11");
    assert_eq!(config.control_plane_endpoint(), ("198.51.100.11".into(), 6443));
    assert_eq!(config.control_plane_url(), "https://198.51.100.11:6443");
    assert_eq!(config.kubernetes_version().minor, 36);
    assert_eq!(config.node_name(), "host-a");
}

#[test]
fn endpoints_may_leave_the_port_out() {
    let text = |e: &str| {
        format!(
            "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: 1.35.2\ncontrolPlaneEndpoint: '{e}'\n"
        )
    };
    for (given, url) in [
        ("api.example", "https://api.example:6443"),
        ("10.0.0.1:443", "https://10.0.0.1:443"),
        ("[fd00::1]:443", "https://[fd00::1]:443"),
        ("fd00::1", "https://[fd00::1]:6443"),
    ] {
        let config = config(&text(given));
        config.validate().expect("right");
        assert_eq!(config.control_plane_url(), url);
        assert_eq!(config.cluster.kubernetes_version, "v1.35.2");
    }
}

#[test]
fn a_token_of_flags_is_checked_like_one_of_a_document() {
    let spec = crate::BootstrapTokenSpec {
        usages: vec!["signing".into()],
        groups: vec!["system:masters".into()],
        ..Default::default()
    };
    assert_snapshot!(spec.validate("--").expect_err("refused"), @r#"
--groups: need the usage authentication
--groups: "system:masters" does not have the form system:bootstrappers:NAME
"#);
}

#[test]
fn no_address_of_the_host() {
    let mut config = Config::default();
    config.set_defaults(&HostFacts { hostname: "a".into(), host_ip: None, ..HostFacts::default() });
    assert_snapshot!(config.validate().expect_err("no address"), @"hostIP (--host-ip): no address of this host was found; name the one under which other hosts reach it. A cluster of this host alone also works without a network, on an address of the loopback interface: as root, ip address add 198.18.0.1/32 dev lo; then --host-ip 198.18.0.1");
}

#[test]
fn ranges() {
    assert_snapshot!(cluster("networking: {podSubnet: 10.244.0.1/16, serviceSubnet: 10.96.0.0, dnsDomain: Cluster.local}"), @r#"
c.yaml:3: networking.dnsDomain (--service-dns-domain): "Cluster.local" is not a DNS domain in lower case, such as cluster.local
c.yaml:3: networking.serviceSubnet (--service-cidr): "10.96.0.0" is not a range such as 10.244.0.0/16
c.yaml:3: networking.podSubnet (--pod-network-cidr): 10.244.0.1/16 is an address inside 10.244.0.0/16; write the range
"#);
    assert_snapshot!(cluster("networking: {podSubnet: 10.0.0.0/8, serviceSubnet: 10.0.0.0/11}"), @r"
c.yaml:3: networking.serviceSubnet (--service-cidr): 10.0.0.0/11 has a mask outside /12 to /28
c.yaml:3: networking.podSubnet (--pod-network-cidr): 10.0.0.0/8 overlaps networking.serviceSubnet (--service-cidr) 10.0.0.0/11
");
    assert_snapshot!(cluster("networking: {podSubnet: 198.51.0.0/16, serviceSubnet: 10.0.2.0/28}\n---\n\
                              {apiVersion: usernetes.rs/v1alpha1, kind: RootlessConfiguration, network: {cidr: 10.0.2.0/24}}"), @r"
c.yaml:3: networking.serviceSubnet (--service-cidr): 10.0.2.0/28 overlaps network.cidr 10.0.2.0/24, the node's tap
c.yaml:3: networking.podSubnet (--pod-network-cidr): 198.51.0.0/16 holds this host's address 198.51.100.11; pods could not reach it
");
    assert_snapshot!(cluster("networking: {podSubnet: 10.1.0.0/26, serviceSubnet: 10.2.0.0/29}"), @r"
c.yaml:3: networking.serviceSubnet (--service-cidr): 10.2.0.0/29 has a mask outside /12 to /28
c.yaml:3: networking.podSubnet (--pod-network-cidr): 10.1.0.0/26 has a mask outside /8 to /24, from which each node gets a /24
");
    assert_snapshot!(cluster("networking: {podSubnet: 'fd00::/48', serviceSubnet: '10.2.0.0/16,fd01::/112'}"), @r#"
c.yaml:3: networking.serviceSubnet (--service-cidr): "10.2.0.0/16,fd01::/112" holds several ranges; IPv6 clusters, also of two families, are not supported: give one IPv4 range
c.yaml:3: networking.podSubnet (--pod-network-cidr): IPv6 clusters are not supported; write a range such as 10.244.0.0/16 instead of fd00::/48
"#);
}

#[test]
fn cluster_wide_values() {
    assert_snapshot!(cluster("kubernetesVersion: v1.34.0\ncontrolPlaneEndpoint: 'a_b:1'\n"), @r#"
c.yaml:3: kubernetesVersion: v1.34.0 is not supported; this version of the tool runs v1.35 and v1.36
c.yaml:4: controlPlaneEndpoint (--control-plane-endpoint): "a_b:1" is not HOST or HOST:PORT
"#);
    assert_snapshot!(cluster("kubernetesVersion: stable-1\ncontrolPlaneEndpoint: '10.0.0.999:6443'\n"), @r#"c.yaml:4: controlPlaneEndpoint (--control-plane-endpoint): "10.0.0.999:6443" is not HOST or HOST:PORT"#);
    assert_snapshot!(cluster("certificateValidityPeriod: 2h\ncaCertificateValidityPeriod: 1h\napiServer: {certSANs: ['*.a.example', 10.0.0.1, 'A b'], extraArgs: [{name: --v}]}"), @r#"
c.yaml:3: certificateValidityPeriod: 2h0m0s outlives caCertificateValidityPeriod 1h0m0s
c.yaml:5: apiServer.extraArgs[0].name: "--v" is not the name of a flag without its dashes
c.yaml:5: apiServer.certSANs (--apiserver-cert-extra-sans): "A b" is neither an address nor a DNS name in lower case
"#);
    assert_snapshot!(cluster("certificateValidityPeriod: 0s\n"), @"c.yaml:3: certificateValidityPeriod: must be longer than 0s");
}

#[test]
fn nodes_and_tokens() {
    assert_snapshot!(init("nodeRegistration: {name: a_b, taints: [{key: '', effect: NoSchedules}], kubeletExtraArgs: [{name: 'v=1'}]}"), @r#"
c.yaml:3: nodeRegistration.name (--node-name): "a_b" is not a node name: up to 63 of a-z, 0-9, '-' and '.', letters or digits at both ends, such as a-b
c.yaml:3: nodeRegistration.taints[0].key: "" is not a label key such as example.com/name
c.yaml:3: nodeRegistration.taints[0].effect: "NoSchedules" is not one of NoSchedule, PreferNoSchedule, NoExecute
c.yaml:3: nodeRegistration.kubeletExtraArgs[0].name: "v=1" is not the name of a flag without its dashes
"#);
    assert_snapshot!(init("nodeRegistration: {criSocket: 'unix:///run/cri-dockerd.sock'}"), @r#"c.yaml:3: nodeRegistration.criSocket (--cri-socket): "unix:///run/cri-dockerd.sock" is no socket of a runtime that can be started here: unix:///run/containerd/containerd.sock is containerd's, unix:///run/crio/crio.sock CRI-O's"#);
    assert_snapshot!(init("bootstrapTokens: [{token: abcdef.tooshort, ttl: 1h, expires: '2030-01-01T00:00:00Z', usages: [signing, x], groups: [a]}]\ntimeouts: {discovery: 0s}"), @r#"
c.yaml:3: bootstrapTokens[0].token (--token): what is given is no bootstrap token: ID.SECRET, which is 6 and 16 of a-z0-9
c.yaml:3: bootstrapTokens[0].expires: excludes ttl; give one of the two
c.yaml:3: bootstrapTokens[0].usages: "x" is not signing or authentication
c.yaml:3: bootstrapTokens[0].groups: need the usage authentication
c.yaml:3: bootstrapTokens[0].groups: "a" does not have the form system:bootstrappers:NAME
c.yaml:4: timeouts.discovery: must be longer than 0s
"#);
    assert_snapshot!(init("localAPIEndpoint: {advertiseAddress: 198.51.100.12, bindPort: 2379}"), @"c.yaml:3: localAPIEndpoint.bindPort (--apiserver-bind-port): 2379 is the port of etcd");
}

#[test]
fn discovery() {
    assert_snapshot!(join("discovery: {}"), @"c.yaml:3: discovery: bootstrapToken or file must be set");
    assert_snapshot!(join("discovery: {bootstrapToken: {token: a}, file: {kubeConfigPath: /a}}"), @"c.yaml:3: discovery: bootstrapToken and file cannot both be set");
    assert_snapshot!(join("discovery: {bootstrapToken: {token: secret, apiServerEndpoint: 10.0.0.1}}"), @r#"
c.yaml:3: discovery.bootstrapToken.token (--token): what is given is no bootstrap token: ID.SECRET, which is 6 and 16 of a-z0-9
c.yaml:3: discovery.bootstrapToken.apiServerEndpoint: "10.0.0.1" is not HOST:PORT
c.yaml:3: discovery.bootstrapToken.caCertHashes (--discovery-token-ca-cert-hash): a pin of the cluster's CA is needed, else anyone could answer; unsafeSkipCAVerification: true (--discovery-token-unsafe-skip-ca-verification) goes without
"#);
    assert_snapshot!(join("discovery: {tlsBootstrapToken: x, bootstrapToken: {token: abcdef.0123456789abcdef, apiServerEndpoint: '10.0.0.1:6443', caCertHashes: ['sha256:12']}}"), @r#"
c.yaml:3: discovery.bootstrapToken.caCertHashes (--discovery-token-ca-cert-hash): "sha256:12" is not sha256: and 64 hexadecimal digits
c.yaml:3: discovery.tlsBootstrapToken (--tls-bootstrap-token): what is given is no bootstrap token: ID.SECRET, which is 6 and 16 of a-z0-9
"#);
    assert_snapshot!(join("discovery: {file: {kubeConfigPath: 'http://a/b'}}"), @r#"c.yaml:3: discovery.file.kubeConfigPath (--discovery-file): "http://a/b" is neither a path nor an https URL"#);
}

#[test]
fn the_host() {
    assert_snapshot!(rootless("hostIP: 127.0.0.1\nnetwork: {mtu: 100, cidr: 10.0.2.0/28}\nports: {kubelet: 6443, vxlan: 0}"), @r"
c.yaml:3: hostIP (--host-ip): 127.0.0.1 is not an address under which other hosts reach this one
c.yaml:4: network.mtu: 100 is outside 1280 to 65521
c.yaml:4: network.cidr: 10.0.2.0/28 is too small; the tap needs a /25 or more
c.yaml:5: ports.vxlan (--vxlan-port): 0 is not a port; choose one of 1 to 65535
c.yaml:5: ports.kubelet (--kubelet-port): 6443 is localAPIEndpoint.bindPort (--apiserver-bind-port) already
");
    assert_snapshot!(rootless("ports: {privilegedPortOffset: 80}\nadditionalEndpoints: [a]"), @r#"
c.yaml:3: ports.privilegedPortOffset (--privileged-port-offset): 80 is neither 0 nor 1024 to 64512
c.yaml:4: additionalEndpoints: "a" is not HOST:PORT
"#);
    assert_snapshot!(rootless("hostIP: 10.0.2.15\nnetwork: {cidr: 10.0.2.0/24}"), @"c.yaml:4: network.cidr: 10.0.2.0/24 holds this host's address 10.0.2.15; leave the field out, and a range that the host does not use is chosen");
}

#[test]
fn layers_by_fuse_are_containerds() {
    let text = "{apiVersion: kubeadm.k8s.io/v1beta4, kind: InitConfiguration, nodeRegistration: {criSocket: /run/crio/crio.sock}}\n---\n\
                {apiVersion: usernetes.rs/v1alpha1, kind: RootlessConfiguration, snapshotter: fuse-overlayfs}";
    assert_snapshot!(errors(text), @"c.yaml:3: snapshotter: fuse-overlayfs is for containerd; with CRI-O choose overlayfs or native");
}

#[test]
fn no_message_repeats_a_token() {
    assert!(!join("discovery: {bootstrapToken: {token: s3cretsecret, apiServerEndpoint: 'a:1', unsafeSkipCAVerification: true}}").contains("s3cret"));
}
