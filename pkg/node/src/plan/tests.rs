use super::*;
use crate::cri::Cri;
use usernetes_api::bundle::{BundleFile, BundleImage};
use usernetes_api::{BootstrapTokenDiscovery, CgroupMode, HostFacts, JoinConfiguration, Xdg};

pub(crate) fn paths() -> Paths {
    let xdg = Xdg {
        config: "/home/alice/.config".into(),
        data: "/home/alice/.local/share".into(),
        cache: "/home/alice/.cache".into(),
        runtime: "/run/user/1000".into(),
    };
    Paths::new(xdg, "default".parse().expect("a name"))
}

fn manifest() -> BundleManifest {
    let image = |name: &str, path: Option<&str>| BundleImage {
        name: name.into(),
        reference: format!("registry.example/{name}:1"),
        path: path.map(Into::into),
    };
    BundleManifest {
        api_version: "usernetes.rs/v1alpha1".into(),
        kind: "Bundle".into(),
        name: "test".into(),
        kubernetes_version: "v1.36.3".into(),
        architecture: "amd64".into(),
        components: vec![],
        images: vec![image("pause", Some("images/pause.tar")), image("busybox", None)],
        files: vec![BundleFile {
            path: "images/pause.tar".into(),
            size: 1,
            sha256: "ab".repeat(32),
            executable: false,
        }],
    }
}

fn resolved_host() -> ResolvedHost {
    ResolvedHost {
        cgroups: CgroupMode::None,
        snapshotter: Snapshotter::Overlayfs,
        oci_runtime: "/bundle/bin/runc".into(),
        cri: Cri::Containerd,
        user_namespaces: false,
        external_ca: false,
        kubelet_serving: KubeletServing::Verified,
        open_files: 524_288,
        first_free_port: 1024,
        outgoing_ports: Some((32768, 60999)),
        memory: 8 << 30,
        published: Vec::new(),
        proxy_env: vec![],
    }
}

fn config() -> Config {
    let mut config = Config::default();
    let host_ip = "198.51.100.11".parse().ok();
    config.set_defaults(&HostFacts { hostname: "Node1".into(), host_ip, ..HostFacts::default() });
    config
}

fn joined() -> Config {
    let mut config = config();
    let mut join = JoinConfiguration::default();
    join.node_registration.name = "node2".into();
    join.discovery.bootstrap_token =
        Some(BootstrapTokenDiscovery { api_server_endpoint: "198.51.100.11:6443".into(), ..Default::default() });
    config.join = Some(join);
    config.rootless.host_ip = "198.51.100.12".parse().ok();
    config
}

fn plan(config: &Config) -> NodePlan {
    NodePlan::new(config, &paths(), Path::new("/bundle"), &manifest(), resolved_host()).expect("a plan")
}

/// The plan with another host.
pub(crate) fn with_host(plan: NodePlan, change: impl FnOnce(&mut ResolvedHost)) -> NodePlan {
    let mut plan = plan;
    change(&mut plan.host);
    plan
}

pub(crate) fn control_plane() -> NodePlan {
    plan(&config())
}

pub(crate) fn worker() -> NodePlan {
    plan(&joined())
}

#[test]
fn survives_json() {
    for plan in [control_plane(), worker()] {
        let json = serde_json::to_string(&plan).expect("JSON");
        assert_eq!(serde_json::from_str::<NodePlan>(&json).expect("the same"), plan);
    }
}

#[test]
fn a_plan_from_before_there_was_a_choice_has_containerd() {
    let mut json = serde_json::to_value(control_plane()).expect("JSON");
    json.as_object_mut().expect("an object").remove("cri").expect("there");
    assert_eq!(serde_json::from_value::<NodePlan>(json).expect("a plan").host.cri, Cri::Containerd);
}

#[test]
fn control_plane_plan() {
    insta::assert_json_snapshot!(control_plane());
}

#[test]
fn a_worker_reaches_the_api_where_it_was_discovered() {
    let plan = worker();
    assert_eq!(plan.role, Role::Worker);
    assert_eq!(plan.node_name, "node2");
    assert_eq!(plan.cluster.control_plane_endpoint, "198.51.100.11:6443");
}

#[test]
fn the_configured_endpoint_wins() {
    let mut config = joined();
    config.cluster.control_plane_endpoint = "k8s.example:443".into();
    assert_eq!(plan(&config).cluster.control_plane_endpoint, "k8s.example:443");
}

#[test]
fn the_control_plane_is_tainted_on_demand_only() {
    let mut config = config();
    assert!(plan(&config).taints.is_empty());
    config.rootless.taint_control_plane = true;
    assert_eq!(plan(&config).taints[0].key, "node-role.kubernetes.io/control-plane");
    config.init.node_registration.taints = Some(vec![]);
    assert!(plan(&config).taints.is_empty());
}

#[test]
fn impossible_plans_say_why() {
    let make = |config: &Config, manifest: &BundleManifest, host| {
        let plan = NodePlan::new(config, &paths(), Path::new("/bundle"), manifest, host);
        plan.expect_err("no plan").to_string()
    };
    let empty = BundleManifest { images: vec![], ..manifest() };
    insta::assert_snapshot!(make(&config(), &empty, resolved_host()), @"bundle /bundle has no image pause");
    let fuse = ResolvedHost { snapshotter: Snapshotter::FuseOverlayfs, ..resolved_host() };
    insta::assert_snapshot!(make(&config(), &manifest(), fuse.clone()), @"bundle /bundle has no snapshotter fuse-overlayfs");
    let mut with_it = manifest();
    with_it.files[0].path = constants::FUSE_OVERLAYFS_PROGRAM.into();
    assert!(NodePlan::new(&config(), &paths(), Path::new("/bundle"), &with_it, fuse).is_ok());
}
