//! The types of `kubeadm.k8s.io/v1beta4` that a rootless node uses.
//!
//! Field names, defaults and meaning are kubeadm's (`cmd/kubeadm/app/apis/kubeadm/v1beta4/types.go`).
//! Unknown fields are errors. Fields that only static Pods or root would need are left out: a document that sets one is
//! rejected, not silently ignored.

use crate::Duration;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// An extra command-line flag of a component; repeated names are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Arg {
    /// Name of the flag, without dashes.
    #[serde(default)]
    pub name: String,
    /// Value of the flag.
    #[serde(default)]
    pub value: String,
}

/// An extra environment variable of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvVar {
    /// Name of the variable.
    #[serde(default)]
    pub name: String,
    /// Value of the variable.
    #[serde(default)]
    pub value: String,
    /// Field of the component's Pod, or what it is here, from which the value is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvVarSource>,
}

/// Where the value of an environment variable comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnvVarSource {
    /// A field of the Pod.
    pub field_ref: FieldRef,
}

/// A field of a Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FieldRef {
    /// Path of the field, such as `spec.nodeName`.
    pub field_path: String,
}

/// A path of the host that a component sees at another path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HostPathMount {
    /// Name of the volume.
    pub name: String,
    /// Path on the host, or in the node's own directories.
    pub host_path: String,
    /// Path inside the node.
    pub mount_path: String,
    /// Whether the component cannot write it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// What the path has to be, or is made as: `File`, `DirectoryOrCreate` and the like.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path_type: String,
}

/// Settings of `init`: the first node and its bootstrap tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InitConfiguration {
    /// Bootstrap tokens to create. One is generated if the list is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bootstrap_tokens: Vec<BootstrapTokenSpec>,
    /// How this node registers.
    pub node_registration: NodeRegistrationOptions,
    /// Address and port of this node's API server.
    #[serde(rename = "localAPIEndpoint")]
    pub local_api_endpoint: ApiEndpoint,
    /// Names of phases to skip, as in `--skip-phases`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skip_phases: Vec<String>,
    /// Limits of waiting.
    pub timeouts: Timeouts,
}

/// A bootstrap token to create.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BootstrapTokenSpec {
    /// The token, `ID.SECRET`; generated if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// Description for `token list`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Lifetime of the token: 24 h if neither this nor `expires` is set; 0 means that it does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// Time of expiry (RFC 3339), instead of `ttl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<jiff::Timestamp>,
    /// Usages: `signing` (of `cluster-info`) and `authentication`; both if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub usages: Vec<String>,
    /// Groups as which the token authenticates, each `system:bootstrappers:NAME`; kubeadm's group if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// The address of an API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApiEndpoint {
    /// HOST_IP, the address other hosts use; the address of the default route if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise_address: Option<IpAddr>,
    /// Port of the API server; 6443 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_port: Option<u16>,
}

/// How a node registers with the API server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NodeRegistrationOptions {
    /// Name of the Node; the host's name in lower case if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// CRI socket of the container runtime, containerd's or CRI-O's. It selects the runtime; containerd if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cri_socket: String,
    /// Taints of the Node. If `None`, those of its role: a control plane gets kubeadm's taint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taints: Option<Vec<Taint>>,
    /// Extra command-line flags of the kubelet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kubelet_extra_args: Vec<Arg>,
    /// Names of preflight checks whose errors become warnings; `all` means every check.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_preflight_errors: Vec<String>,
}

/// A node taint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Taint {
    /// Key of the taint.
    #[serde(default)]
    pub key: String,
    /// Value of the taint, may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Effect: `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    #[serde(default)]
    pub effect: String,
}

/// Limits of waiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Timeouts {
    /// Limit until the components of the control plane are healthy.
    pub control_plane_component_health_check: Duration,
    /// Limit until the kubelet is healthy and the Node is Ready.
    pub kubelet_health_check: Duration,
    /// Limit of one API call with its retries.
    #[serde(rename = "kubernetesAPICall")]
    pub kubernetes_api_call: Duration,
    /// Limit until the kubelet has its client certificate.
    pub tls_bootstrap: Duration,
    /// Limit until `cluster-info` is fetched and verified.
    pub discovery: Duration,
}

/// Settings of the whole cluster, uploaded to the ConfigMap `kubeadm-config`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClusterConfiguration {
    /// Extra flags, variables and certificate SANs of etcd.
    pub etcd: Etcd,
    /// Address ranges and DNS domain.
    pub networking: Networking,
    /// Kubernetes version of the control plane; [`crate::constants::KUBERNETES_VERSION`] if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kubernetes_version: String,
    /// `HOST[:PORT]` under which all nodes reach the API server; the local endpoint if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub control_plane_endpoint: String,
    /// Settings of kube-apiserver.
    pub api_server: ApiServer,
    /// Settings of kube-controller-manager.
    pub controller_manager: ControlPlaneComponent,
    /// Settings of kube-scheduler.
    pub scheduler: ControlPlaneComponent,
    /// The addon CoreDNS.
    pub dns: Addon,
    /// The addon kube-proxy.
    pub proxy: Addon,
    /// Name of the cluster in kubeconfigs; `kubernetes` if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster_name: String,
    /// Algorithm of all generated keys; ECDSA-P256 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_algorithm: Option<EncryptionAlgorithm>,
    /// Validity of certificates that are not CAs; 8760 h if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_validity_period: Option<Duration>,
    /// Validity of CA certificates; 87600 h if absent.
    #[serde(rename = "caCertificateValidityPeriod", skip_serializing_if = "Option::is_none")]
    pub ca_certificate_validity_period: Option<Duration>,
}

/// Settings of etcd.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Etcd {
    /// The etcd that this node runs.
    pub local: LocalEtcd,
    /// An etcd that others run, instead of the node's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalEtcd>,
}

/// An etcd that others run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExternalEtcd {
    /// URLs of its members.
    pub endpoints: Vec<String>,
    /// Path of the CA of their certificates; empty for URLs without TLS.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ca_file: String,
    /// Path of the client certificate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cert_file: String,
    /// Path of the client's key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key_file: String,
}

/// Settings of the etcd that this node runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LocalEtcd {
    /// Directory of the data on the host; the node's own if it is empty or kubeadm's default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data_dir: String,
    /// Extra command-line flags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<Arg>,
    /// Extra environment variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_envs: Vec<EnvVar>,
    /// Extra SANs of the server certificate.
    #[serde(rename = "serverCertSANs", skip_serializing_if = "Vec::is_empty")]
    pub server_cert_sans: Vec<String>,
    /// Extra SANs of the peer certificate.
    #[serde(rename = "peerCertSANs", skip_serializing_if = "Vec::is_empty")]
    pub peer_cert_sans: Vec<String>,
}

/// Address ranges and DNS domain of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Networking {
    /// CIDR of Service addresses; 10.96.0.0/12 if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_subnet: String,
    /// CIDR of pod addresses; 10.244.0.0/16 if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod_subnet: String,
    /// DNS domain of Services; cluster.local if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dns_domain: String,
}

/// Settings of kube-apiserver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApiServer {
    /// Extra command-line flags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<Arg>,
    /// Extra environment variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_envs: Vec<EnvVar>,
    /// Paths of the host that the component sees.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_volumes: Vec<HostPathMount>,
    /// Extra SANs of the serving certificate.
    #[serde(rename = "certSANs", skip_serializing_if = "Vec::is_empty")]
    pub cert_sans: Vec<String>,
}

/// Settings of kube-controller-manager or kube-scheduler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ControlPlaneComponent {
    /// Extra command-line flags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<Arg>,
    /// Extra environment variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_envs: Vec<EnvVar>,
    /// Paths of the host that the component sees.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_volumes: Vec<HostPathMount>,
}

/// Settings of an addon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Addon {
    /// If true, the addon is not installed.
    pub disabled: bool,
}

/// Algorithm of generated keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EncryptionAlgorithm {
    /// ECDSA on P-256. The default: generating a key is 60 times faster than with RSA-2048.
    #[default]
    #[serde(rename = "ECDSA-P256")]
    EcdsaP256,
    /// ECDSA on P-384.
    #[serde(rename = "ECDSA-P384")]
    EcdsaP384,
    /// RSA, 2048 bits. kubeadm's default.
    #[serde(rename = "RSA-2048")]
    Rsa2048,
    /// RSA, 3072 bits.
    #[serde(rename = "RSA-3072")]
    Rsa3072,
    /// RSA, 4096 bits.
    #[serde(rename = "RSA-4096")]
    Rsa4096,
}

impl EncryptionAlgorithm {
    /// Name of the algorithm in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ECDSA-P256",
            Self::EcdsaP384 => "ECDSA-P384",
            Self::Rsa2048 => "RSA-2048",
            Self::Rsa3072 => "RSA-3072",
            Self::Rsa4096 => "RSA-4096",
        }
    }
}

/// Settings of `join`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JoinConfiguration {
    /// How this node registers.
    pub node_registration: NodeRegistrationOptions,
    /// How the cluster is found and verified.
    pub discovery: Discovery,
    /// Names of phases to skip, as in `--skip-phases`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skip_phases: Vec<String>,
    /// Limits of waiting.
    pub timeouts: Timeouts,
}

/// How the cluster is found and verified. Exactly one of `bootstrapToken` and `file` is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Discovery {
    /// Discovery by a bootstrap token and pins of the CA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap_token: Option<BootstrapTokenDiscovery>,
    /// Discovery by a kubeconfig.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileDiscovery>,
    /// Token for the TLS bootstrap, `ID.SECRET`; the token of the discovery if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tls_bootstrap_token: String,
}

/// Discovery by a bootstrap token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BootstrapTokenDiscovery {
    /// The bootstrap token, `ID.SECRET`.
    pub token: String,
    /// `HOST:PORT` of the API server.
    pub api_server_endpoint: String,
    /// Pins of the CA's public key, `sha256:HEX`; one of them has to match.
    pub ca_cert_hashes: Vec<String>,
    /// Accept any CA when there is no pin.
    #[serde(rename = "unsafeSkipCAVerification")]
    pub unsafe_skip_ca_verification: bool,
}

/// Discovery by a kubeconfig.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FileDiscovery {
    /// Path or https URL of a kubeconfig.
    pub kube_config_path: String,
}
