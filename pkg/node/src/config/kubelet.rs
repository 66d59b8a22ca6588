//! `KubeletConfiguration`: kubeadm's defaults, settings for a user namespace, and the user's settings merged over both.

use super::{STATIC_POD_DIR, VOLUME_PLUGIN_DIR};
use crate::checks::idle_memory;
use crate::{KubeletServing, NodePlan};
use serde_json::{Value, json};
use serde_yaml::Mapping;
use usernetes_api::{CgroupMode, constants as c, merge_yaml};

/// The kubelet's own default of `maxOpenFiles`.
const OPEN_FILES: u64 = 1_000_000;

/// Most processes and threads of one pod.
const POD_PIDS: u32 = 4096;

/// The KubeletConfiguration of this node, with the user's settings merged over the defaults; also uploaded as
/// `kubelet-config`.
pub fn merge_kubelet_config(plan: &NodePlan) -> Mapping {
    let mut config = default_kubelet_config(plan);
    if let Some(users) = &plan.kubelet {
        merge_yaml(&mut config, users);
    }
    merge_yaml(&mut config, &required_settings(plan));
    config
}

/// What no user's setting may change: a kubelet without root, or without cgroups, would not start.
fn required_settings(plan: &NodePlan) -> Mapping {
    let mut required = json!({ "featureGates": { "KubeletInUserNamespace": true } });
    if plan.host.cgroups == CgroupMode::None {
        merge_object(&mut required, cgroup_settings(plan));
    }
    to_mapping(required)
}

/// The text of [`super::KUBELET_FILE`].
pub fn render_kubelet(plan: &NodePlan) -> String {
    serde_yaml::to_string(&merge_kubelet_config(plan)).expect("a mapping of plain values")
}

/// Fields of a KubeletConfiguration that depend on the host or the node, not on the cluster.
const OF_THIS_NODE: [&str; 21] = [
    "apiVersion",
    "cgroupDriver",
    "cgroupRoot",
    "cgroupsPerQOS",
    "containerRuntimeEndpoint",
    "enforceNodeAllocatable",
    "failCgroupV1",
    "failSwapOn",
    "healthzBindAddress",
    "healthzPort",
    "imageServiceEndpoint",
    "kind",
    "kubeletCgroups",
    "maxOpenFiles",
    "port",
    "providerID",
    "resolvConf",
    "staticPodPath",
    "systemCgroups",
    "systemReserved",
    "volumePluginDir",
];

/// The settings that a worker adopts from the cluster's `kubelet-config`, without those of each node. The settings `own` of
/// the joining host's user are merged over them.
pub fn adopt_kubelet_config(mut theirs: Mapping, own: Option<&Mapping>) -> Mapping {
    for key in OF_THIS_NODE {
        theirs.remove(key);
    }
    if let Some(serde_yaml::Value::Mapping(gates)) = theirs.get_mut("featureGates") {
        gates.remove("KubeletInUserNamespace");
    }
    if let Some(own) = own {
        merge_yaml(&mut theirs, own);
    }
    theirs
}

/// The defaults, before the user's settings are merged.
fn default_kubelet_config(plan: &NodePlan) -> Mapping {
    let mut config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": format!("{}/ca.crt", c::PKI_DIR) },
        },
        "authorization": { "mode": "Webhook" },
        "clusterDNS": [plan.cluster.service_network().dns().to_string()],
        "clusterDomain": plan.cluster.dns_domain,
        "containerRuntimeEndpoint": format!("unix://{}", plan.host.cri.socket()),
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": c::KUBELET_HEALTHZ_PORT,
        "port": plan.kubelet_port,
        "readOnlyPort": 0,
        "resolvConf": "/etc/resolv.conf",
        "rotateCertificates": true,
        // Most of the kernel's surface is out of a plain pod's reach, and so of an escape to the user's account.
        "seccompDefault": true,
        "staticPodPath": STATIC_POD_DIR,
        "volumePluginDir": VOLUME_PLUGIN_DIR,
        "featureGates": { "KubeletInUserNamespace": true },
        "failSwapOn": false,
        "failCgroupV1": false,
        "maxOpenFiles": plan.host.open_files.min(OPEN_FILES),
        // Only old versions of kube-proxy need these rules, and they would require iptables of the host.
        "makeIPTablesUtilChains": false,
        // The disk is the user's and others', often nearly full: percentages of it would evict pods and delete
        // images of the bundle, which no registry gives back.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "512Mi",
            "imagefs.available": "512Mi",
        },
    });
    // On a worker the cluster decides: it may be one of kubeadm's, where nothing approves the request.
    if plan.kubelet_serving() != KubeletServing::SelfSigned {
        merge_object(&mut config, json!({ "serverTLSBootstrap": true }));
    }
    merge_object(&mut config, cgroup_settings(plan));
    to_mapping(config)
}

fn to_mapping(object: Value) -> Mapping {
    match serde_yaml::to_value(object) {
        Ok(serde_yaml::Value::Mapping(mapping)) => mapping,
        _ => unreachable!("a JSON object is a mapping"),
    }
}

fn cgroup_settings(plan: &NodePlan) -> Value {
    match plan.host.cgroups {
        CgroupMode::Delegated => json!({
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": true,
            "enforceNodeAllocatable": ["pods"],
            // A fork bomb ends in its own pod.
            "podPidsLimit": POD_PIDS,
            // All pods together get the rest: otherwise a pod could starve etcd before it is killed.
            "systemReserved": { "memory": format!("{}Mi", reserved_memory(plan) >> 20) },
        }),
        // kubeadm would drop an empty list when it writes the configuration, and the default is `pods`.
        CgroupMode::None => json!({
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": false,
            "enforceNodeAllocatable": ["none"],
        }),
    }
}

/// Memory in bytes that pods cannot use: that of an idle node, at most a quarter of the host's.
fn reserved_memory(plan: &NodePlan) -> u64 {
    idle_memory(plan.role).min(plan.host.memory / 4)
}

fn merge_object(config: &mut Value, more: Value) {
    if let (Value::Object(config), Value::Object(more)) = (config, more) {
        config.extend(more);
    }
}
