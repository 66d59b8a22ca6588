//! What becomes of each field of upstream's documents. A field that no row names is honoured; a test compares those with the
//! fields of our types.

/// What becomes of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// It has kubeadm's meaning.
    Honoured,
    /// It has no effect. A value that is not among these is noted.
    Default {
        /// Values that say what happens anyway.
        values: &'static [&'static str],
        /// Why it has no effect.
        note: &'static str,
    },
    /// It is honoured, but for some values, which are dropped with a note.
    Dropped {
        /// The values.
        values: &'static [&'static str],
        /// Why they are dropped.
        note: &'static str,
    },
    /// It is kept, but read by nothing. A value that is not among these is noted.
    Unread {
        /// Values that say what happens anyway.
        values: &'static [&'static str],
        /// What happens instead.
        note: &'static str,
    },
    /// A value that is not among these is refused.
    Refused {
        /// Values that say what happens anyway.
        values: &'static [&'static str],
        /// Why it cannot be here.
        reason: &'static str,
    },
}

/// Forms that are narrower than those of the Go types, or wider, by the end of the path, or the whole path after `=`.
pub(super) const FORMS: [(&str, &str); 13] = [
    ("advertiseAddress", "address"),
    ("bindPort", "port"),
    ("encryptionAlgorithm", "ECDSA-P256|ECDSA-P384|RSA-2048|RSA-3072|RSA-4096"),
    ("imagePullPolicy", "Always|IfNotPresent|Never"),
    ("extraVolumes[].pathType", "DirectoryOrCreate|Directory|FileOrCreate|File|Socket|CharDevice|BlockDevice"),
    // kubeadm refuses numbers and booleans as values of flags; what they mean is clear.
    ("xtraArgs[].value", "scalar"),
    ("xtraArgs.*", "scalar"),
    ("extraEnvs[].value", "scalar"),
    ("taints[].value", "scalar"),
    // Of kube-proxy; the kubelet's stands in `authorization`.
    ("=mode", "iptables|nftables|ipvs"),
    ("=port", "port"),
    ("readOnlyPort", "port"),
    ("healthzPort", "port"),
];

/// Fields of other versions, and fields that people expect, with what to write instead.
pub(crate) const MOVED: [(&str, &str); 6] = [
    (
        "apiServer.timeoutForControlPlane",
        "v1beta4 has timeouts.controlPlaneComponentHealthCheck of InitConfiguration instead",
    ),
    ("discovery.timeout", "v1beta4 has timeouts.discovery instead"),
    ("metadata", "documents of kubeadm have no metadata; remove it"),
    ("useHyperKubeImage", "kubeadm has dropped it; remove it"),
    ("dns.type", "kubeadm has dropped it: DNS is CoreDNS; remove it"),
    ("featureGates.IPv6DualStack", "kubeadm has dropped it; remove it"),
];

/// Names of fields before 1.0: still read, but not suggested.
pub(crate) const OLD_NAMES: [&str; 2] = ["moreEndpoints", "shiftPrivileged"];

const BUNDLE_IMAGES: &str = "programs and images of Kubernetes come from the bundle; nothing is pulled from a registry";
const NO_CONTROL_PLANE_JOIN: &str =
    "a cluster has one control-plane host; join adds workers, and a copy of the state directory is the backup";
const GATE: &str = "it changes only files that kubeadm writes for static Pods and its own kubelet";
const NO_CGROUP: &str = "cgroups above the node's own belong to the administrator";
const CONNTRACK: &str = "the limits of connection tracking are the host's; a user namespace cannot change them";
const NO_UPGRADE: &str = "this version has no `upgrade`";

/// kind, path, treatment. A path that begins with `*` matches the end of a path, one that ends with `*` its beginning. The
/// first match counts.
const TABLE: &[(&str, &str, Treatment)] = &[
    ("UpgradeConfiguration", "*", Treatment::Default { values: &[], note: NO_UPGRADE }),
    ("ResetConfiguration", "*", Treatment::Default { values: &[], note: "`reset` reads flags, and no file" }),
    (
        "*",
        "dryRun",
        Treatment::Refused {
            values: &["false"],
            reason: "init and join have no dry run; `usernetes-rs preflight --config FILE` checks the host and changes nothing",
        },
    ),
    ("*", "nodeRegistration.imagePullPolicy", Treatment::Default { values: &["IfNotPresent"], note: BUNDLE_IMAGES }),
    ("*", "nodeRegistration.imagePullSerial", Treatment::Default { values: &["true"], note: BUNDLE_IMAGES }),
    (
        "*",
        "nodeRegistration.taints[].timeAdded",
        Treatment::Default { values: &[], note: "the API server sets the time of a taint" },
    ),
    (
        "InitConfiguration",
        "certificateKey",
        Treatment::Default {
            values: &[],
            note: "it encrypts what --upload-certs shares with further control-plane hosts, and there are none",
        },
    ),
    (
        "*",
        "timeouts.etcdAPICall",
        Treatment::Default { values: &["2m0s"], note: "no phase changes the members of etcd: it has one" },
    ),
    (
        "*",
        "timeouts.kubernetesAPICall",
        Treatment::Unread { values: &["1m0s", "1m", "60s"], note: "calls of the API have limits of their own" },
    ),
    (
        "*",
        "timeouts.discovery",
        Treatment::Unread {
            values: &["5m0s", "5m", "300s"],
            note: "join asks each endpoint once, and waits up to 10 s for the signature of its token",
        },
    ),
    ("*", "timeouts.upgradeManifests", Treatment::Default { values: &["5m0s"], note: NO_UPGRADE }),
    (
        "*",
        "patches.directory",
        Treatment::Refused { values: &[], reason: "there are no static Pods whose manifests could be patched" },
    ),
    (
        "JoinConfiguration",
        "caCertPath",
        Treatment::Default {
            values: &["/etc/kubernetes/pki/ca.crt"],
            note: "the CA of a node is always /etc/kubernetes/pki/ca.crt inside the node",
        },
    ),
    ("JoinConfiguration", "controlPlane.*", Treatment::Refused { values: &[], reason: NO_CONTROL_PLANE_JOIN }),
    (
        "ClusterConfiguration",
        "certificatesDir",
        Treatment::Refused {
            values: &["/etc/kubernetes/pki"],
            reason: "certificates are always in /etc/kubernetes/pki inside the node, which is \
                     ~/.local/share/usernetes/CLUSTER/node/etc/kubernetes/pki on the host; copy yours there before init",
        },
    ),
    (
        "ClusterConfiguration",
        "imageRepository",
        Treatment::Default { values: &["registry.k8s.io"], note: BUNDLE_IMAGES },
    ),
    ("ClusterConfiguration", "dns.image*", Treatment::Default { values: &[], note: BUNDLE_IMAGES }),
    ("ClusterConfiguration", "etcd.local.image*", Treatment::Default { values: &[], note: BUNDLE_IMAGES }),
    (
        "ClusterConfiguration",
        "etcd.external.httpEndpoints[]",
        Treatment::Default {
            values: &[],
            note: "kubeadm asks them for the state of etcd when it joins or upgrades control planes",
        },
    ),
    ("ClusterConfiguration", "*.valueFrom.fieldRef.fieldPath", Treatment::Honoured),
    (
        "ClusterConfiguration",
        "*.valueFrom.fieldRef.apiVersion",
        Treatment::Default { values: &["v1"], note: "it is the version of Pods, v1" },
    ),
    (
        "ClusterConfiguration",
        "*.valueFrom.*",
        Treatment::Refused {
            values: &[],
            reason: "components are not Pods, so there is no object to take a value from; write the value",
        },
    ),
    ("ClusterConfiguration", "featureGates.*", Treatment::Default { values: &[], note: GATE }),
    (
        "KubeletConfiguration",
        "protectKernelDefaults",
        Treatment::Default {
            values: &["false"],
            note: "the kernel's settings are the host's; a kubelet without root would not start with it",
        },
    ),
    (
        "KubeletConfiguration",
        "enforceNodeAllocatable[]",
        Treatment::Dropped {
            values: &["system-reserved", "kube-reserved", "system-reserved-compressible", "kube-reserved-compressible"],
            note: NO_CGROUP,
        },
    ),
    ("KubeletConfiguration", "*Cgroup", Treatment::Default { values: &[], note: NO_CGROUP }),
    ("KubeletConfiguration", "*Cgroups", Treatment::Default { values: &[], note: NO_CGROUP }),
    ("KubeletConfiguration", "cgroupRoot", Treatment::Default { values: &["/"], note: NO_CGROUP }),
    (
        "KubeletConfiguration",
        "cgroupsPerQOS",
        Treatment::Default { values: &["true"], note: "the node sets it: true where cgroups are delegated" },
    ),
    (
        "KubeletConfiguration",
        "cgroupDriver",
        Treatment::Default { values: &["systemd", "cgroupfs"], note: "the kubelet takes it from the runtime" },
    ),
    (
        "KubeletConfiguration",
        "failSwapOn",
        Treatment::Default {
            values: &["false"],
            note: "swap is the administrator's; a kubelet without root accepts it",
        },
    ),
    (
        "KubeletConfiguration",
        "cpuManagerPolicy",
        Treatment::Dropped {
            values: &["static"],
            note: "exclusive CPUs need the cpuset controller, which is not delegated",
        },
    ),
    (
        "KubeletConfiguration",
        "memoryManagerPolicy",
        Treatment::Dropped {
            values: &["Static"],
            note: "reserved memory needs the cpuset controller, which is not delegated",
        },
    ),
    (
        "KubeletConfiguration",
        "containerRuntimeEndpoint",
        Treatment::Default {
            values: &[
                "unix:///run/containerd/containerd.sock",
                "unix:///var/run/containerd/containerd.sock",
                "unix:///run/crio/crio.sock",
                "unix:///var/run/crio/crio.sock",
            ],
            note: "the node starts its own runtime; nodeRegistration.criSocket selects it",
        },
    ),
    (
        "KubeletConfiguration",
        "imageServiceEndpoint",
        Treatment::Default { values: &[], note: "the node starts its own runtime, which serves images as well" },
    ),
    (
        "KubeletConfiguration",
        "port",
        Treatment::Refused {
            values: &["10250"],
            reason: "the port is published on the host; set ports.kubelet of RootlessConfiguration (--kubelet-port)",
        },
    ),
    (
        "KubeletConfiguration",
        "healthzPort",
        Treatment::Refused { values: &["10248"], reason: "the node checks the kubelet at its default port, 10248" },
    ),
    (
        "KubeletConfiguration",
        "runOnce",
        Treatment::Refused { values: &["false"], reason: "a kubelet that ends is started again" },
    ),
    (
        "KubeletConfiguration",
        "enableServer",
        Treatment::Refused { values: &["true"], reason: "the API server reaches pods through the kubelet's server" },
    ),
    (
        "KubeProxyConfiguration",
        "mode",
        Treatment::Dropped {
            values: &["ipvs"],
            note: "IPVS needs modules and settings of the host's kernel; nftables is used",
        },
    ),
    ("KubeProxyConfiguration", "conntrack.*", Treatment::Default { values: &["0", "0s", "false"], note: CONNTRACK }),
    ("KubeProxyConfiguration", "oomScoreAdj", Treatment::Default { values: &["0"], note: "only root may lower it" }),
    (
        "KubeProxyConfiguration",
        "clientConnection.kubeconfig",
        Treatment::Default {
            values: &["/var/lib/kube-proxy/kubeconfig.conf"],
            note: "the DaemonSet mounts its kubeconfig at /var/lib/kube-proxy/kubeconfig.conf",
        },
    ),
    (
        "KubeProxyConfiguration",
        "hostnameOverride",
        Treatment::Default { values: &[], note: "kube-proxy has the name of its node" },
    ),
    ("KubeProxyConfiguration", "winkernel.*", Treatment::Default { values: &["false"], note: "nodes run Linux" }),
    (
        "KubeProxyConfiguration",
        "windowsRunAsService",
        Treatment::Default { values: &["false"], note: "nodes run Linux" },
    ),
];

/// The treatment of a field.
pub(super) fn find_treatment(api_version: &str, kind: &str, path: &str) -> &'static Treatment {
    const HONOURED: &Treatment = &Treatment::Honoured;
    if api_version == "usernetes.rs/v1alpha1" {
        return HONOURED;
    }
    let row = TABLE.iter().find(|(of, pattern, _)| (*of == "*" || *of == kind) && matches(pattern, path));
    row.map_or(HONOURED, |(_, _, treatment)| treatment)
}

fn matches(pattern: &str, path: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(""), _) => true,
        (Some(inner), Some(_)) => path.contains(inner.trim_end_matches('*')),
        (Some(end), None) => path.ends_with(end),
        (None, Some(begin)) => path.starts_with(begin),
        (None, None) => path == pattern,
    }
}

/// Patterns that match no field.
#[cfg(test)]
pub(super) fn unused_rows() -> Vec<&'static str> {
    let is_used = |(of, pattern, _): &&(&str, &str, Treatment)| {
        let mut tables = super::tables().iter().filter(|((_, kind), _)| *of == "*" || of == kind);
        tables.any(|(_, shape)| shape.rows().iter().any(|row| matches(pattern, &row.path)))
    };
    TABLE.iter().filter(|row| !is_used(row)).map(|(_, pattern, _)| *pattern).collect()
}
