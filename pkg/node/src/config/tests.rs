use super::*;
use crate::cri::Cri;
use crate::cri::tests::programs;
use crate::plan::tests::{control_plane, with_host, worker};
use crate::{NodePlan, Role};
use usernetes_api::CgroupMode;
use usernetes_api::Snapshotter;

#[test]
fn kubelet_without_cgroups() {
    insta::assert_snapshot!(render_kubelet(&control_plane()));
}

#[test]
fn kubelet_with_delegated_cgroups() {
    let plan = NodePlan { kubelet_port: 10350, ..with_host(worker(), |host| host.cgroups = CgroupMode::Delegated) };
    insta::assert_snapshot!(render_kubelet(&plan));
}

#[test]
fn a_small_machine_keeps_room_for_pods() {
    let of = |role, memory| {
        let plan = with_host(NodePlan { role, ..control_plane() }, |host| {
            host.cgroups = CgroupMode::Delegated;
            host.memory = memory;
        });
        merge_kubelet_config(&plan)["systemReserved"]["memory"].as_str().expect("a quantity").to_owned()
    };
    assert_eq!(of(Role::ControlPlane, 8 << 30), "900Mi");
    assert_eq!(of(Role::ControlPlane, 2 << 30), "512Mi");
    assert_eq!(of(Role::Worker, 2 << 30), "300Mi");
}

#[test]
fn the_users_kubelet_configuration_lies_over_ours() {
    let users = "
evictionHard: { memory.available: 5%, nodefs.available: null }
clusterDNS: [10.96.0.11]
featureGates: { Foo: true }
maxPods: 20
staticPodPath: null";
    let plan = NodePlan { kubelet: serde_yaml::from_str(users).expect("YAML"), ..control_plane() };
    let config = merge_kubelet_config(&plan);
    let json = |key: &str| serde_json::to_string(&config[key]).expect("JSON");
    assert_eq!(json("evictionHard"), r#"{"memory.available":"5%","imagefs.available":"512Mi"}"#);
    assert_eq!(json("clusterDNS"), r#"["10.96.0.11"]"#);
    assert_eq!(json("featureGates"), r#"{"KubeletInUserNamespace":true,"Foo":true}"#);
    assert_eq!(json("maxPods"), "20");
    assert!(!config.contains_key("staticPodPath"));
}

#[test]
fn a_worker_takes_over_what_is_the_clusters() {
    let users = "{ maxPods: 77, evictionHard: { memory.available: 5% }, featureGates: { Foo: true } }";
    let first = NodePlan {
        kubelet: serde_yaml::from_str(users).expect("YAML"),
        kubelet_port: 10350,
        ..with_host(control_plane(), |host| host.open_files = 4096)
    };
    let own = serde_yaml::from_str("{ evictionHard: { memory.available: 7% } }").expect("YAML");
    let taken = adopt_kubelet_config(merge_kubelet_config(&first), Some(&own));
    let second = NodePlan { kubelet: Some(taken), ..with_host(worker(), |host| host.cgroups = CgroupMode::Delegated) };
    let config = merge_kubelet_config(&second);
    let json = |key: &str| serde_json::to_string(&config[key]).expect("JSON");
    assert_eq!(json("maxPods"), "77");
    assert_eq!(
        json("evictionHard"),
        r#"{"memory.available":"7%","nodefs.available":"512Mi","imagefs.available":"512Mi"}"#
    );
    assert_eq!(json("featureGates"), r#"{"KubeletInUserNamespace":true,"Foo":true}"#);
    // The node's own settings stay.
    let bare = merge_kubelet_config(&NodePlan { kubelet: None, ..second.clone() });
    for key in ["cgroupsPerQOS", "enforceNodeAllocatable", "port", "maxOpenFiles", "resolvConf"] {
        assert_eq!(config[key], bare[key], "{key}");
    }
}

#[test]
fn the_kubelet_asks_for_no_more_open_files_than_allowed() {
    let plan = with_host(control_plane(), |host| host.open_files = 4096);
    assert_eq!(merge_kubelet_config(&plan)["maxOpenFiles"], 4096);
}

#[test]
fn containerd_without_cgroups() {
    insta::assert_snapshot!(render_containerd(&control_plane()));
}

#[test]
fn containerd_with_delegated_cgroups() {
    let plan = with_host(worker(), |host| {
        host.cgroups = CgroupMode::Delegated;
        host.snapshotter = Snapshotter::Native;
    });
    insta::assert_snapshot!(render_containerd(&plan));
}

#[test]
fn crio_without_cgroups() {
    let plan = with_host(control_plane(), |host| host.cri = Cri::CriO(programs()));
    insta::assert_snapshot!(render_crio(&plan));
    insta::assert_snapshot!(render_crio_storage(&plan), @r#"
    [storage]
    driver = "overlay"
    graphroot = "/var/lib/containers/storage"
    runroot = "/run/containers/storage"
    "#);
    assert_eq!(merge_kubelet_config(&plan)["containerRuntimeEndpoint"], "unix:///run/crio/crio.sock");
}

#[test]
fn crio_with_delegated_cgroups() {
    let (cgroups, snapshotter) = (CgroupMode::Delegated, Snapshotter::Native);
    insta::assert_snapshot!(render_crio(&with_host(worker(), |host| {
        host.cri = Cri::CriO(programs());
        host.cgroups = cgroups;
        host.snapshotter = snapshotter;
    })));
}

#[test]
fn containerd_with_fuse_overlayfs() {
    let text = render_containerd(&with_host(worker(), |host| host.snapshotter = Snapshotter::FuseOverlayfs));
    let (_, plugins) = text.split_once("[proxy_plugins.").expect("a proxy plugin");
    insta::assert_snapshot!(plugins, @r#"
    fuse-overlayfs]
    type = "snapshot"
    address = "/run/fuse-overlayfs/grpc.sock"

    [proxy_plugins.fuse-overlayfs.exports]
    root = "/var/lib/containerd/io.containerd.snapshotter.v1.fuse-overlayfs"
    "#);
}

#[test]
fn cni_conflist() {
    insta::assert_snapshot!(render_cni());
}
