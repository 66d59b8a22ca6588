use super::*;
use crate::KubeletServing;
use crate::cri::Cri;
use crate::cri::tests::programs;
use crate::plan::tests::{control_plane, with_host, worker};
use std::fmt::Write as _;
use usernetes_api::{Arg, EnvVar, Snapshotter, Taint};

fn render(plan: &NodePlan) -> String {
    let mut text = String::new();
    for component in components(plan) {
        let after: Vec<_> = component.start_after.iter().map(ToString::to_string).collect();
        writeln!(text, "{}", component.argv.join("\n  ")).expect("a string");
        writeln!(text, "  env {:?}", component.env).expect("a string");
        writeln!(text, "  ready {:?}", component.ready).expect("a string");
        writeln!(text, "  after {}", after.join(", ")).expect("a string");
        writeln!(text, "  stop {:?}, grace {:?}\n", component.stop, component.grace).expect("a string");
    }
    text
}

#[test]
fn control_plane_node() {
    insta::assert_snapshot!(render(&control_plane()));
}

#[test]
fn worker_node() {
    let taints = vec![Taint { key: "gpu".into(), value: "yes".into(), effect: "NoSchedule".into() }];
    insta::assert_snapshot!(render(&NodePlan { taints, ..worker() }));
}

#[test]
fn crio_takes_the_place_of_containerd() {
    let plan = with_host(worker(), |host| host.cri = Cri::CriO(programs()));
    let components = components(&plan);
    assert_eq!(components[0].name, ComponentName::Crio);
    insta::assert_snapshot!(format!("{:#?}", components[0]), @r#"
    Component {
        name: Crio,
        argv: [
            "/usr/bin/crio",
            "--config=/var/lib/containers/crio.conf",
            "--config-dir=",
        ],
        env: {
            "CONTAINERS_STORAGE_CONF": "/var/lib/containers/storage.conf",
            "HOME": "/var/lib/containers",
            "PATH": "/bundle/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TMPDIR": "/run",
            "_CRIO_ROOTLESS": "1",
        },
        start_after: [
            File(
                "/var/lib/containers/crio.conf",
            ),
        ],
        ready: Runtime(
            "/run/crio/crio.sock",
        ),
        live: Some(
            Runtime(
                "/run/crio/crio.sock",
            ),
        ),
        stop: AfterPods,
        grace: 5s,
    }
    "#);
    assert!(components[1].start_after.contains(&Condition::Ready(ComponentName::Crio)));
}

#[test]
fn fuse_overlayfs_comes_before_containerd() {
    let plan = with_host(worker(), |host| host.snapshotter = Snapshotter::FuseOverlayfs);
    let of = |name| components(&plan).into_iter().find(|c| c.name == name).expect("there");
    insta::assert_snapshot!(of(ComponentName::FuseOverlayfs).argv.join(" "), @"/bundle/bin/containerd-fuse-overlayfs-grpc /run/fuse-overlayfs/grpc.sock /var/lib/containerd/io.containerd.snapshotter.v1.fuse-overlayfs");
    assert!(of(ComponentName::Containerd).start_after.contains(&Condition::Ready(ComponentName::FuseOverlayfs)));
}

fn with(name: ComponentName, args: &[(&str, &str)]) -> Vec<String> {
    let args = args.iter().map(|(n, v)| Arg { name: (*n).into(), value: (*v).into() }).collect();
    let mut plan = control_plane();
    plan.extra
        .insert(name, Extra { args, envs: vec![EnvVar { name: "GOGC".into(), value: "50".into(), value_from: None }] });
    let component = components(&plan).into_iter().find(|c| c.name == name).expect("there");
    assert_eq!(component.env["GOGC"], "50");
    component.argv
}

#[test]
fn users_flags_replace_ours_and_may_repeat() {
    let argv = with(
        ComponentName::KubeApiserver,
        &[("allow-privileged", "false"), ("v", "4"), ("service-account-issuer", "a"), ("service-account-issuer", "b")],
    );
    let of = |flag: &str| argv.iter().filter(|a| a.starts_with(flag)).cloned().collect::<Vec<_>>();
    assert_eq!(of("--allow-privileged="), ["--allow-privileged=false"]);
    assert_eq!(of("--service-account-issuer="), ["--service-account-issuer=a", "--service-account-issuer=b"]);
    assert_eq!(of("--v="), ["--v=4"]);
}

#[test]
fn authorization_config_excludes_authorization_mode() {
    let argv = with(ComponentName::KubeApiserver, &[("authorization-config", "/x")]);
    assert!(!argv.iter().any(|a| a.starts_with("--authorization-mode")));
}

/// Arguments of the controller manager that begin with `--cluster-signing`, and whether the API server verifies kubelets.
fn signers(plan: &NodePlan) -> (Vec<String>, bool) {
    let components = components(plan);
    let of = |name| &components.iter().find(|c| c.name == name).expect("there").argv;
    let signing =
        of(ComponentName::KubeControllerManager).iter().filter_map(|arg| arg.strip_prefix("--cluster-signing-"));
    let verifies =
        of(ComponentName::KubeApiserver).iter().any(|arg| arg.starts_with("--kubelet-certificate-authority="));
    (signing.map(str::to_owned).collect(), verifies)
}

#[test]
fn external_ca_signs_serving_certificates_of_kubelets_alone() {
    let plan = with_host(control_plane(), |host| host.external_ca = true);
    let (signing, verifies) = signers(&plan);
    assert!(verifies);
    insta::assert_snapshot!(signing.join("\n"), @"
    kubelet-serving-cert-file=/etc/kubernetes/pki/kubelet-serving-ca.crt
    kubelet-serving-key-file=/etc/kubernetes/pki/kubelet-serving-ca.key
    kubelet-client-cert-file=
    kubelet-client-key-file=
    kube-apiserver-client-cert-file=
    kube-apiserver-client-key-file=
    legacy-unknown-cert-file=
    legacy-unknown-key-file=
    ");
}

#[test]
fn kubelets_are_verified_when_all_of_them_can_be() {
    let one_pair = ["cert-file=/etc/kubernetes/pki/ca.crt", "key-file=/etc/kubernetes/pki/ca.key"];
    let (signing, verifies) =
        signers(&with_host(control_plane(), |host| host.kubelet_serving = KubeletServing::Signed));
    assert!(signing.len() == 8 && !verifies, "some kubelet may still have a certificate of its own");
    let none = with_host(control_plane(), |host| host.kubelet_serving = KubeletServing::SelfSigned);
    assert_eq!(signers(&none), (one_pair.map(str::to_owned).to_vec(), false));
    let users = serde_yaml::from_str("serverTLSBootstrap: false").expect("YAML");
    let (signing, verifies) = signers(&NodePlan { kubelet: users, ..control_plane() });
    assert!(signing.len() == 8 && !verifies, "the user wants self-signed ones");
    let mut own_ca = control_plane();
    let args = ["cert", "key"].map(|part| Arg { name: format!("cluster-signing-{part}-file"), value: "/own".into() });
    own_ca.extra.insert(ComponentName::KubeControllerManager, Extra { args: args.to_vec(), envs: vec![] });
    let own = ["cert-file=/own", "key-file=/own"].map(str::to_owned).to_vec();
    assert_eq!(signers(&own_ca), (own, false), "the flags exclude each other");
}

#[test]
fn ipv6_addresses_stand_in_brackets() {
    let plan = NodePlan { host_ip: "fd00::11".parse().expect("an address"), ..control_plane() };
    let text = render(&plan);
    assert!(text.contains("--listen-client-urls=https://[::1]:2379,https://[fd00::11]:2379"), "{text}");
    assert!(text.contains("--advertise-address=fd00::11"), "{text}");
}

#[test]
fn names_are_read_back() {
    for name in ComponentName::ALL {
        assert_eq!(name.as_str().parse(), Ok(name));
    }
    let message = "etdc".parse::<ComponentName>().expect_err("a wrong name");
    assert!(message.contains("\"etdc\"") && message.contains("kube-scheduler"), "{message}");
}
