use super::*;
use crate::{Arg, Duration, EncryptionAlgorithm, HostFacts, NodeState, Snapshotter, Taint};
use insta::assert_snapshot;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("c.yaml"), text)
}

fn message(text: &str) -> String {
    parse(text).expect_err("must be refused").to_string()
}

const TWO: &str = "# a comment
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
networking:
  podSubnet: 10.1.0.0/16
---
---
# nothing
--- # another
kind: RootlessConfiguration
apiVersion: usernetes.rs/v1alpha1
hostIP: 198.51.100.11
snapshotter: fuse-overlayfs
";

#[test]
fn documents_are_dispatched_and_empty_ones_skipped() {
    let config = parse(TWO).expect("right");
    assert_eq!(config.cluster.networking.pod_subnet, "10.1.0.0/16");
    assert_eq!(config.rootless.host_ip, Some("198.51.100.11".parse().expect("an address")));
    assert_eq!(config.rootless.snapshotter, Snapshotter::FuseOverlayfs);
    assert_eq!(config.join, None);
    assert_eq!(parse(&format!("{TWO}---\n# only\n---\nnull\n---\n")).expect("empty"), config);
    assert_snapshot!(message("# only\n---\nnull\n---\n"), @"c.yaml:1: the file has no document; one begins with `apiVersion: kubeadm.k8s.io/v1beta4` and `kind: ClusterConfiguration`");
}

#[test]
fn a_misspelt_field_names_its_line_and_the_right_one() {
    let text = TWO.replace("podSubnet", "podSubnett");
    assert_snapshot!(message(&text), @"c.yaml:6: networking.podSubnett: unknown field; did you mean podSubnet?");
    let text = TWO.replace("hostIP", "hostIp");
    assert_snapshot!(message(&text), @"c.yaml:13: hostIp: unknown field; did you mean hostIP?");
    let text = TWO.replace("networking", "dryRun");
    assert_snapshot!(message(&text), @"c.yaml:5: dryRun: unknown field; known are apiServer, caCertificateValidityPeriod, certificateValidityPeriod, certificatesDir, clusterName, controlPlaneEndpoint, controllerManager, dns, encryptionAlgorithm, etcd, featureGates, imageRepository, kubernetesVersion, networking, proxy, scheduler");
}

#[test]
fn wrong_types_and_values_name_their_line() {
    assert_snapshot!(message(&TWO.replace("10.1.0.0/16", "[1]")), @"c.yaml:6: networking.podSubnet (--pod-network-cidr): a list is not text");
    assert_snapshot!(message(&TWO.replace("198.51.100.11", "host-a")), @r#"c.yaml:13: hostIP (--host-ip): "host-a" is not an IP address"#);
    assert_snapshot!(message(&TWO.replace("fuse-overlayfs", "overlay")), @r#"c.yaml:14: snapshotter: "overlay" is not known; did you mean overlayfs?"#);
    assert_snapshot!(message(&TWO.replace("snapshotter: fuse-overlayfs", "ports: {kubelet: 70000}")), @"c.yaml:14: ports.kubelet (--kubelet-port): 70000 is not a port number; choose one of 1 to 65535");
    assert_snapshot!(message(&(TWO.to_owned() + "snapshotter: auto\n")), @"c.yaml:15: snapshotter: stands twice in one mapping; remove one of the two");
    assert_snapshot!(message("kind: [x\n"), @"c.yaml:2: did not find expected ',' or ']' at line 2 column 1, while parsing a flow sequence at line 1 column 7");
    assert_snapshot!(message("---\n- a\n"), @"c.yaml:2: a document is a mapping of fields, with apiVersion and kind among them");
    assert_snapshot!(message("apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nbootstrapTokens:\n- ttl: 1 day\n"), @r#"c.yaml:4: bootstrapTokens[0].ttl: "1 day" is not a duration such as 24h, 90m or 500ms"#);
}

#[test]
fn documents_of_other_kinds_are_refused() {
    assert_snapshot!(message("\n---\nkind: Pod\napiVersion: v1\n"), @"c.yaml:3: unknown document v1 Pod; known are kubeadm.k8s.io/v1beta4 InitConfiguration, kubeadm.k8s.io/v1beta4 ClusterConfiguration, kubeadm.k8s.io/v1beta4 JoinConfiguration, kubeadm.k8s.io/v1beta4 ResetConfiguration, kubeadm.k8s.io/v1beta4 UpgradeConfiguration, usernetes.rs/v1alpha1 RootlessConfiguration, kubelet.config.k8s.io/v1beta1 KubeletConfiguration, kubeproxy.config.k8s.io/v1alpha1 KubeProxyConfiguration");
    assert_snapshot!(message("apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\n"), @"c.yaml:1: kubeadm.k8s.io/v1beta2 is too old: kubeadm v1.36 does not read it either");
    assert_snapshot!(message("networking: {}\n"), @"c.yaml:1: apiVersion and kind are missing");
    assert_snapshot!(message("apiVersion: v1\n"), @"c.yaml:1: kind is missing");
    let twice = format!("{TWO}---\n\n{}", TWO.split("---\n").nth(1).expect("a document"));
    assert_snapshot!(message(&twice), @"c.yaml:17: a second ClusterConfiguration document; one file holds each kind once");
}

#[test]
fn a_marker_inside_a_text_is_no_marker_when_indented() {
    let text = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nproviderID: |\n  ---\n  kind: x\nmaxPods: 30\n";
    let kubelet = parse(text).expect("right").kubelet.expect("there");
    assert_eq!(kubelet["providerID"], "---\nkind: x\n");
    assert_eq!(kubelet["maxPods"], 30);
    assert!(!kubelet.contains_key("kind") && !kubelet.contains_key("apiVersion"));
}

#[test]
fn what_kubeadm_prints_as_defaults_is_understood_where_we_know_it() {
    let text = include_str!("init-defaults.yaml");
    let config = parse(text).expect("right");
    assert_eq!(config.init.node_registration.taints, None);
    assert_eq!(config.cluster.encryption_algorithm, Some(EncryptionAlgorithm::Rsa2048));
}

#[test]
fn fields_are_read_by_their_names_before_1_0() {
    let header = "apiVersion: usernetes.rs/v1alpha1\nkind: RootlessConfiguration\n";
    let old = parse(&format!("{header}moreEndpoints: ['b:6443']\nports: {{shiftPrivileged: 8000}}\n")).expect("right");
    let new = parse(&format!("{header}additionalEndpoints: ['b:6443']\nports: {{privilegedPortOffset: 8000}}\n"));
    assert_eq!(old, new.expect("right"));
    assert_snapshot!(message(&format!("{header}ports: {{shiftPrivilege: 1}}\n")), @"c.yaml:3: ports.shiftPrivilege: unknown field; known are addresses, kubelet, maxPerHost, maxPerNamespace, privilegedPortOffset, publish, vxlan");
}

#[test]
fn state_in_a_users_file_is_refused() {
    let state = "apiVersion: usernetes.rs/v1alpha1\nkind: NodeState\nhostIPDetected: true\n";
    let found = TWO.to_owned() + "hostIPFound: true\n";
    for (text, wanted) in [
        (state, "c.yaml:1: NodeState is state of a node, not configuration"),
        (&found, "c.yaml:15: hostIPFound is state of a node, not configuration"),
    ] {
        let error = parse(text).expect_err("must be refused");
        assert_eq!(error.to_string(), wanted);
        assert!(error.hint().expect("a hint").starts_with("remove "), "{wanted}");
    }
}

#[test]
fn a_kept_file_of_a_version_before_1_0_is_read_and_written_anew() {
    let (path, old) = (Path::new("kept.yaml"), include_str!("kept-by-0.1.yaml"));
    let config = Config::parse_kept(path, old).expect("right");
    let state = NodeState { host_ip_detected: true, bundle_sha256: Some("07".repeat(32)), ..NodeState::default() };
    assert_eq!(config.state, state);
    assert_eq!(config.rootless.additional_endpoints, ["198.51.100.12:6443"]);
    assert_eq!(config.rootless.ports.privileged_port_offset, 8000);
    assert_eq!(config.join.as_ref().expect("a worker").node_registration.name, "vm");
    let written = config.to_kept_yaml();
    assert!(!written.contains("hostIPFound") && written.contains("kind: NodeState"), "{written}");
    assert_eq!(Config::parse_kept(path, &written).expect("right"), config);
}

#[test]
fn a_mistake_beside_former_fields_is_still_one() {
    let text = TWO.to_owned() + "hostIPFound: true\ncgroup: auto\n";
    let error = Config::parse_kept(Path::new("c.yaml"), &text).expect_err("must be refused");
    assert_snapshot!(error.to_string(), @"c.yaml:11: unknown field `cgroup`, expected one of `hostIP`, `bundle`, `bundleFromPeer`, `additionalEndpoints`, `moreEndpoints`, `cgroups`, `snapshotter`, `ociRuntime`, `network`, `ports`, `taintControlPlane`, `stopTimeout`");
}

#[test]
fn users_see_no_state() {
    let mut config = Config::default();
    let host_ip = Some("192.0.2.1".parse().expect("an address"));
    config.set_defaults(&HostFacts { hostname: "a".into(), host_ip, ..HostFacts::default() });
    config.state.bundle_sha256 = Some("07".repeat(32));
    let yaml = config.to_user_yaml();
    assert!(!yaml.contains("192.0.2.1") && !yaml.contains("0707") && !yaml.contains("NodeState"), "{yaml}");
    let mut again = parse(&yaml).expect("right");
    again.set_defaults(&HostFacts { hostname: "b".into(), host_ip, ..HostFacts::default() });
    assert_eq!((again.rootless.host_ip, again.state.host_ip_detected), (host_ip, true));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,8}",
        "[ -~]{0,12}",
        Just("null".into()),
        Just("1e3".into()),
        Just("---".into()),
        Just("a\n--- b\n".into()),
        ".{0,6}"
    ]
}

fn args() -> impl Strategy<Value = Vec<Arg>> {
    prop::collection::vec((text(), text()).prop_map(|(name, value)| Arg { name, value }), 0..3)
}

prop_compose! {
    fn config()(
        words in prop::collection::vec(text(), 6),
        args in args(),
        taints in prop::option::of(prop::collection::vec((text(), text()), 0..2)),
        seconds in 0u64..1_000_000,
        joined in any::<bool>(),
        disabled in any::<bool>(),
        port in prop::option::of(any::<u16>()),
        host_ip in prop::option::of(any::<std::net::IpAddr>()),
        defaults in any::<bool>(),
    ) -> Config {
        let mut config = Config::default();
        if defaults {
            config.set_defaults(&HostFacts { hostname: "a".into(), host_ip: Some("192.0.2.1".parse().expect("an address")), ..HostFacts::default() });
        }
        config.cluster.networking.pod_subnet.clone_from(&words[0]);
        config.cluster.cluster_name.clone_from(&words[1]);
        config.cluster.api_server.cert_sans = words[2..4].to_vec();
        config.cluster.etcd.local.extra_args = args;
        config.cluster.proxy.disabled = disabled;
        config.init.node_registration.taints = taints.map(|taints| {
            taints.into_iter().map(|(key, value)| Taint { key, value, effect: "NoSchedule".into() }).collect()
        });
        config.init.local_api_endpoint.bind_port = port;
        config.init.timeouts.discovery = Duration(std::time::Duration::from_secs(seconds));
        config.rootless.host_ip = host_ip;
        config.rootless.bundle = host_ip.map(|_| words[4].clone().into());
        if joined {
            config.join = Some(crate::JoinConfiguration::default());
            config.kubelet = Some(serde_yaml::Mapping::from_iter([(words[5].clone().into(), seconds.into())]));
        }
        config
    }
}

proptest! {
    #[test]
    fn written_and_read_again_is_the_same(config in config()) {
        let yaml = config.to_kept_yaml();
        let read = Config::parse_kept(Path::new("c.yaml"), &yaml);
        prop_assert_eq!(read.map_err(|e| TestCaseError::fail(format!("{e}\n{yaml}")))?, config);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(---|[ \n:a-z{}\\[\\]\"#&*-]){0,60}") {
        let _ = parse(&text);
    }
}

const SHARED: &str = "apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 198.51.100.11}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
nodeRegistration: {name: second}
discovery: {file: {kubeConfigPath: /a}}
";

#[test]
fn each_command_reads_its_own_kinds() {
    let file = ConfigFile::new(Path::new("c.yaml"), SHARED);
    assert_eq!(file.readers(), [Reader::Init, Reader::Join]);
    let init = file.read(Reader::Init);
    assert_eq!(
        (init.join.is_none(), init.notes()),
        (true, &["c.yaml:5: init does not read JoinConfiguration".into()][..])
    );
    let join = file.read(Reader::Join);
    assert_eq!(join.init.local_api_endpoint.advertise_address, None, "the first host's address");
    assert_eq!(
        (join.node_name(), join.notes()),
        ("second", &["c.yaml:1: join does not read InitConfiguration".into()][..])
    );
}

#[test]
fn v1beta3_is_converted() {
    let config = parse(include_str!("v1beta3.yaml")).expect("right");
    let minute = Duration::minutes(1);
    assert_eq!(config.init.timeouts.control_plane_component_health_check, minute);
    assert_eq!(config.join.as_ref().expect("there").timeouts.discovery, minute);
    let names = |args: &[Arg]| args.iter().map(|arg| format!("{}={}", arg.name, arg.value)).collect::<Vec<_>>();
    assert_eq!(names(&config.cluster.api_server.extra_args), ["audit-log-path=/a", "v=2"]);
    assert_eq!(names(&config.cluster.etcd.local.extra_args), ["quota-backend-bytes=1"]);
    assert_eq!(names(&config.init.node_registration.kubelet_extra_args), ["node-labels=a=b"]);
    let text = include_str!("v1beta3.yaml").replace("v1beta3", "v1beta4");
    assert_snapshot!(message(&text), @r"
c.yaml:4: apiServer.timeoutForControlPlane: unknown field; v1beta4 has timeouts.controlPlaneComponentHealthCheck of InitConfiguration instead
c.yaml:5: apiServer.extraArgs: a mapping of fields is not a list, each item `- {name: NAME, value: VALUE}`
c.yaml:11: etcd.local.extraArgs: a mapping of fields is not a list, each item `- {name: NAME, value: VALUE}`
c.yaml:16: nodeRegistration.kubeletExtraArgs: a mapping of fields is not a list, each item `- {name: NAME, value: VALUE}`
c.yaml:21: discovery.timeout: unknown field; v1beta4 has timeouts.discovery instead
");
}

#[test]
fn every_mistake_is_reported_with_its_line() {
    assert_snapshot!(message(include_str!("mistakes.yaml")), @r#"
c.yaml:3: dryRun: kubeadm has this field, but it cannot be used here: init and join have no dry run; `usernetes-rs preflight --config FILE` checks the host and changes nothing
c.yaml:5: localAPIEndpoint.bindPort (--apiserver-bind-port): "6443" is not a number; write 6443 without quotes
c.yaml:7: nodeRegistration.taint: unknown field; did you mean taints?
c.yaml:8: nodeRegistration.imagePullPolicy: "Sometimes" is not one of Always, IfNotPresent, Never
c.yaml:10: bootstrapTokens[0].token (--token): is not text; put it in quotes
c.yaml:11: bootstrapTokens[0].ttl: "1 day" is not a duration such as 24h, 90m or 500ms
c.yaml:12: bootstrapTokens[1].ttl: stands twice in one mapping; remove one of the two
c.yaml:16: kubernetesVersion: 1.36 is not text; put it in quotes: "1.36"
c.yaml:18: apiServer.certSANs (--apiserver-cert-extra-sans): "a.example" is not a list, each item on a line `- VALUE`
c.yaml:19: apiServer.extraArgs: a mapping of fields is not a list, each item `- {name: NAME, value: VALUE}`
c.yaml:20: dns: "disabled" is not a mapping of the fields disabled, imageRepository, imageTag
"#);
}

#[test]
fn yaml_of_every_kind_is_read() {
    let header = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n";
    let merged = "controllerManager: &a\n  extraArgs: [{name: v, value: 2}]\nscheduler:\n  <<: *a\n";
    let config = parse(&format!("\u{feff}{header}{merged}").replace('\n', "\r\n")).expect("right");
    assert_eq!(config.cluster.scheduler, config.cluster.controller_manager);
    assert_eq!(config.cluster.scheduler.extra_args[0].value, "2");
    let json = r#"{"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration", "dns": {"disabled": true}}"#;
    assert!(parse(json).expect("right").cluster.dns.disabled);
}

#[test]
fn values_without_effect_are_noted() {
    let text = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nprotectKernelDefaults: true\nresolvConf: null\nmaxPods: 30\n";
    let config = ConfigFile::new(Path::new("c.yaml"), text).read(Reader::All);
    assert_snapshot!(config.notes().join("\n"), @"c.yaml:3: protectKernelDefaults has no effect: the kernel's settings are the host's; a kubelet without root would not start with it");
    assert_eq!(config.kubelet.expect("there").len(), 1, "maxPods");
}

#[test]
fn a_list_without_effect_leaves_nothing() {
    let external = "etcd: {external: {endpoints: ['http://a:1'], httpEndpoints: ['http://a:2']}}";
    let config = parse(&format!("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n{external}\n"));
    assert_eq!(config.expect("right").cluster.etcd.external.expect("there").endpoints, ["http://a:1"]);
}
