//! `kubeadm.k8s.io/v1beta4`, as far as a rootless node has a use for it.
//!
//! Field names, defaults and meaning are kubeadm's (`cmd/kubeadm/app/apis/kubeadm/v1beta4/types.go`).
//! Unknown fields are errors. Fields that only static Pods or root would need are left out, so that
//! naming one is an error instead of being ignored.

use crate::Duration;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// An extra command-line flag of a component; repeated names are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Arg {
    /// Flag without dashes.
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
}

/// An extra environment variable of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
}

/// What `init` alone needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InitConfiguration {
    /// Tokens to make; one is generated when the list is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bootstrap_tokens: Vec<BootstrapTokenSpec>,
    /// This node.
    pub node_registration: NodeRegistrationOptions,
    /// Where this node's API server listens.
    #[serde(rename = "localAPIEndpoint")]
    pub local_api_endpoint: ApiEndpoint,
    /// Phases to skip.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skip_phases: Vec<String>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
}

/// A bootstrap token to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BootstrapTokenSpec {
    /// `id.secret`; generated when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// Human-readable description.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Lifetime; 24 h if neither this nor `expires` is set, 0 for no expiry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// Moment of expiry (RFC 3339), instead of `ttl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<jiff::Timestamp>,
    /// `signing`, `authentication`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub usages: Vec<String>,
    /// Extra groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// The address of an API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApiEndpoint {
    /// HOST_IP; found from the host's default route when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise_address: Option<IpAddr>,
    /// 6443 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_port: Option<u16>,
}

/// How a node registers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NodeRegistrationOptions {
    /// Node name; the host's name in lower case when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Socket of the container runtime, which names it: containerd's when empty, or CRI-O's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cri_socket: String,
    /// Taints; `None` is the role's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taints: Option<Vec<Taint>>,
    /// Extra flags of the kubelet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kubelet_extra_args: Vec<Arg>,
    /// Names of checks whose errors become warnings, or `all`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_preflight_errors: Vec<String>,
}

/// A node taint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// Limits of waiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Timeouts {
    /// Until the control plane is healthy.
    pub control_plane_component_health_check: Duration,
    /// Until the kubelet is healthy and the node Ready.
    pub kubelet_health_check: Duration,
    /// One API call, retried until then.
    #[serde(rename = "kubernetesAPICall")]
    pub kubernetes_api_call: Duration,
    /// Until the kubelet has its certificate.
    pub tls_bootstrap: Duration,
    /// Until `cluster-info` was read and verified.
    pub discovery: Duration,
}

/// What all control-plane nodes share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClusterConfiguration {
    /// etcd's extra flags and names.
    pub etcd: Etcd,
    /// Ranges and DNS domain.
    pub networking: Networking,
    /// Version of the control plane; the bundle's when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kubernetes_version: String,
    /// `HOST:PORT` under which all nodes reach the API; the local endpoint when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub control_plane_endpoint: String,
    /// kube-apiserver.
    pub api_server: ApiServer,
    /// kube-controller-manager.
    pub controller_manager: ControlPlaneComponent,
    /// kube-scheduler.
    pub scheduler: ControlPlaneComponent,
    /// CoreDNS.
    pub dns: Addon,
    /// kube-proxy.
    pub proxy: Addon,
    /// Name in kubeconfigs; `kubernetes` when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster_name: String,
    /// Algorithm of every key made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_algorithm: Option<EncryptionAlgorithm>,
    /// Validity of leaf certificates; 8760 h when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_validity_period: Option<Duration>,
    /// Validity of CA certificates; 87600 h when absent.
    #[serde(rename = "caCertificateValidityPeriod", skip_serializing_if = "Option::is_none")]
    pub ca_certificate_validity_period: Option<Duration>,
}

/// etcd of this node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Etcd {
    /// The supervised etcd.
    pub local: LocalEtcd,
}

/// The supervised etcd.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LocalEtcd {
    /// Extra flags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<Arg>,
    /// Extra environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_envs: Vec<EnvVar>,
    /// Extra SANs of the server certificate.
    #[serde(rename = "serverCertSANs", skip_serializing_if = "Vec::is_empty")]
    pub server_cert_sans: Vec<String>,
    /// Extra SANs of the peer certificate.
    #[serde(rename = "peerCertSANs", skip_serializing_if = "Vec::is_empty")]
    pub peer_cert_sans: Vec<String>,
}

/// Ranges and DNS domain of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Networking {
    /// 10.96.0.0/12 when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_subnet: String,
    /// 10.244.0.0/16 when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod_subnet: String,
    /// cluster.local when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dns_domain: String,
}

/// kube-apiserver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApiServer {
    /// Extra flags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<Arg>,
    /// Extra environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_envs: Vec<EnvVar>,
    /// Extra SANs of the serving certificate.
    #[serde(rename = "certSANs", skip_serializing_if = "Vec::is_empty")]
    pub cert_sans: Vec<String>,
}

/// kube-controller-manager or kube-scheduler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ControlPlaneComponent {
    /// Extra flags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<Arg>,
    /// Extra environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_envs: Vec<EnvVar>,
}

/// An addon that can be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Addon {
    /// Not installed when true.
    pub disabled: bool,
}

/// Algorithm of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EncryptionAlgorithm {
    /// ECDSA on P-256: our default, 60 times faster to make than RSA-2048.
    #[default]
    #[serde(rename = "ECDSA-P256")]
    EcdsaP256,
    /// ECDSA on P-384.
    #[serde(rename = "ECDSA-P384")]
    EcdsaP384,
    /// RSA, 2048 bits: kubeadm's default.
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
    /// As the document names it.
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

/// What `join` needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JoinConfiguration {
    /// This node.
    pub node_registration: NodeRegistrationOptions,
    /// How the cluster is found and trusted.
    pub discovery: Discovery,
    /// Phases to skip.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skip_phases: Vec<String>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
}

/// How the cluster is found and trusted: exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Discovery {
    /// By token and CA pins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap_token: Option<BootstrapTokenDiscovery>,
    /// By a kubeconfig.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileDiscovery>,
    /// Token for the TLS bootstrap; the discovery token when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tls_bootstrap_token: String,
}

/// Discovery by token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BootstrapTokenDiscovery {
    /// `id.secret`.
    pub token: String,
    /// `HOST:PORT`.
    pub api_server_endpoint: String,
    /// Pins `sha256:<hex>` of the CA's public key.
    pub ca_cert_hashes: Vec<String>,
    /// Go on without a pin.
    #[serde(rename = "unsafeSkipCAVerification")]
    pub unsafe_skip_ca_verification: bool,
}

/// Discovery by file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FileDiscovery {
    /// Path or https URL of a kubeconfig.
    pub kube_config_path: String,
}
