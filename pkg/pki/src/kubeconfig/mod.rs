//! kubeconfigs: the five of a control-plane node, the bootstrap one, and merging into a user's own.

use crate::{BootstrapToken, CertParams, Outcome, PkiError, Secret};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A kubeconfig, as far as we write and read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kubeconfig {
    /// `v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Clusters.
    #[serde(default)]
    pub clusters: Option<Vec<NamedCluster>>,
    /// Contexts.
    #[serde(default)]
    pub contexts: Option<Vec<NamedContext>>,
    /// The context in use.
    #[serde(default)]
    pub current_context: String,
    /// `Config`.
    pub kind: String,
    /// Users.
    #[serde(default)]
    pub users: Option<Vec<NamedUser>>,
}

/// A cluster with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCluster {
    /// The cluster.
    pub cluster: Cluster,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// Where the API is and whom to trust there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Cluster {
    /// PEM of the CA, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_authority_data: Option<String>,
    /// Path of the CA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
    /// URL.
    pub server: String,
}

/// A context with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedContext {
    /// The context.
    pub context: Context,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// A cluster and a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// Name of the cluster.
    pub cluster: String,
    /// Namespace, `default` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of the user.
    pub user: String,
}

/// A user with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedUser {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The user.
    pub user: User,
}

/// How a user proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct User {
    /// PEM of the certificate, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_data: Option<String>,
    /// PEM of the key, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key_data: Option<Secret>,
    /// Path of the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    /// Path of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<String>,
    /// Bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}

/// A kubeconfig that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// Not YAML, or not a kubeconfig.
    #[error("not a kubeconfig")]
    Parse(#[source] serde_yaml::Error),
    /// A part that is needed is not there.
    #[error("the kubeconfig has no {0}")]
    Missing(&'static str),
    /// Data that is not base64 or not PEM.
    #[error("{0} of the kubeconfig cannot be decoded")]
    Data(&'static str),
}

impl Kubeconfig {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, KubeconfigError> {
        serde_yaml::from_str(text).map_err(KubeconfigError::Parse)
    }

    /// Writes it; the same value gives the same bytes.
    pub fn to_yaml(&self) -> String {
        serde_yaml::to_string(self).expect("all keys are strings")
    }
}

/// Brings all five in line: `admin.conf`, `super-admin.conf`, `kubelet.conf`, `controller-manager.conf`, `scheduler.conf`.
pub fn ensure_all(kubernetes_dir: &Path, pki_dir: &Path, params: &CertParams) -> Result<Vec<Outcome>, PkiError> {
    let _ = (kubernetes_dir, pki_dir, params);
    unimplemented!()
}

/// Brings one in line; `name` is its file's name.
pub fn ensure(kubernetes_dir: &Path, pki_dir: &Path, name: &str, params: &CertParams) -> Result<Outcome, PkiError> {
    let _ = (kubernetes_dir, pki_dir, name, params);
    unimplemented!()
}

/// `bootstrap-kubelet.conf`: what the kubelet of a joining node asks for its certificate with.
pub fn bootstrap(cluster_name: &str, server: &str, ca_pem: &str, token: &BootstrapToken) -> Kubeconfig {
    let _ = (cluster_name, server, ca_pem, token);
    unimplemented!()
}

/// Lays `ours` over the text of a user's kubeconfig (empty for none): replaces clusters, users and contexts of the same
/// names, keeps everything else, unknown fields included, and makes our context the current one.
pub fn merge(theirs: &str, ours: &Kubeconfig) -> Result<String, KubeconfigError> {
    let _ = (theirs, ours);
    unimplemented!()
}
