//! `KubeletConfiguration`: kubeadm's defaults, what a user namespace needs, and the user's words over both.

use super::{STATIC_POD_DIR, VOLUME_PLUGIN_DIR};
use crate::NodePlan;
use crate::checks::idle_memory;
use serde_json::{Value, json};
use serde_yaml::Mapping;
use usernetes_api::{CgroupMode, constants as c, merge_yaml};

/// The kubelet's own default of `maxOpenFiles`.
const OPEN_FILES: u64 = 1_000_000;

/// KubeletConfiguration of this node, the user's laid over ours: also what is uploaded as `kubelet-config`.
pub fn merge_kubelet_config(plan: &NodePlan) -> Mapping {
    let mut config = default_kubelet_config(plan);
    if let Some(users) = &plan.kubelet {
        merge_yaml(&mut config, users);
    }
    config
}

/// The text of [`super::KUBELET_FILE`].
pub fn render_kubelet(plan: &NodePlan) -> String {
    serde_yaml::to_string(&merge_kubelet_config(plan)).expect("a mapping of plain values")
}

/// What a kubelet's configuration says of its own host and of its node's namespaces, and not of the cluster.
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

/// What a worker takes over of the cluster's `kubelet-config`: all but what is each node's own. `own`, the words of the
/// joining host's user, lie over it.
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
        "staticPodPath": STATIC_POD_DIR,
        "volumePluginDir": VOLUME_PLUGIN_DIR,
        "featureGates": { "KubeletInUserNamespace": true },
        "failSwapOn": false,
        "failCgroupV1": false,
        "maxOpenFiles": plan.host.open_files.min(OPEN_FILES),
        // The rules it makes serve only kube-proxy of old, and would need iptables of the host.
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
    merge_object(&mut config, cgroup_settings(plan));
    match serde_yaml::to_value(config) {
        Ok(serde_yaml::Value::Mapping(config)) => config,
        _ => unreachable!("a JSON object is a mapping"),
    }
}

fn cgroup_settings(plan: &NodePlan) -> Value {
    match plan.host.cgroups {
        CgroupMode::Delegated => json!({
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": true,
            "enforceNodeAllocatable": ["pods"],
            // Pods together get what is left: else a hog would starve etcd before it is ended itself.
            "systemReserved": { "memory": format!("{}Mi", reserved_memory(plan) >> 20) },
        }),
        // An empty list would be dropped where kubeadm writes the configuration anew, and the default be `pods`.
        CgroupMode::None => json!({
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": false,
            "enforceNodeAllocatable": ["none"],
        }),
    }
}

/// What the node itself uses, and no more than a quarter: a small machine has to have room for pods.
fn reserved_memory(plan: &NodePlan) -> u64 {
    idle_memory(plan.role).min(plan.host.memory / 4)
}

fn merge_object(config: &mut Value, more: Value) {
    if let (Value::Object(config), Value::Object(more)) = (config, more) {
        config.extend(more);
    }
}
