//! The file format of kubeconfigs: client-go's `v1` `Config`, with the fields that this program writes and reads.

use crate::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A kubeconfig: clusters, users, and contexts that pair them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kubeconfig {
    /// API version, `v1`.
    #[serde(rename = "apiVersion", default)]
    pub api_version: String,
    /// Clusters; kubectl writes `null` for an empty list.
    #[serde(default)]
    pub clusters: Option<Vec<NamedCluster>>,
    /// Contexts; `null` for an empty list.
    #[serde(default)]
    pub contexts: Option<Vec<NamedContext>>,
    /// Name of the context in use; empty if there is none.
    #[serde(default)]
    pub current_context: String,
    /// Kind of the document, `Config`.
    #[serde(default)]
    pub kind: String,
    /// Users; `null` for an empty list.
    #[serde(default)]
    pub users: Option<Vec<NamedUser>>,
}

/// A cluster with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCluster {
    /// The cluster.
    pub cluster: Cluster,
    /// Name of the cluster; empty in `cluster-info`.
    #[serde(default)]
    pub name: String,
}

/// URL of an API server and the CA of its certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Cluster {
    /// CA certificates of the API server, PEM in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_authority_data: Option<String>,
    /// Path of a file with the CA certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
    /// URL of the API server.
    pub server: String,
}

/// A context with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedContext {
    /// Cluster and user of the context.
    pub context: Context,
    /// Name of the context.
    #[serde(default)]
    pub name: String,
}

/// The cluster and the user that a context pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// Name of the cluster.
    pub cluster: String,
    /// Default namespace of requests; `default` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of the user.
    pub user: String,
}

/// A user with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedUser {
    /// Name of the user.
    #[serde(default)]
    pub name: String,
    /// Credentials of the user.
    pub user: User,
}

/// Credentials of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct User {
    /// Client certificate, PEM in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_data: Option<String>,
    /// Key of the client certificate, PEM in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key_data: Option<Secret>,
    /// Path of the client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    /// Path of the key of the client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<String>,
    /// Bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}

/// Why a kubeconfig cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// The text is not YAML or not a kubeconfig.
    #[error("not a kubeconfig")]
    Parse(#[source] serde_yaml::Error),
    /// A required part is missing.
    #[error("the kubeconfig has no {0}")]
    Missing(&'static str),
    /// The value of this field is not PEM in base64.
    #[error("{0} of the kubeconfig cannot be decoded")]
    Data(&'static str),
}

impl Kubeconfig {
    /// A kubeconfig with one cluster, one user and one context `USER@CLUSTER`, as kubeadm names them.
    pub fn new(cluster_name: &str, server: &str, ca_pem: &str, user: &str, credentials: User) -> Self {
        let context = Context { cluster: cluster_name.to_owned(), namespace: None, user: user.to_owned() };
        let current = format!("{user}@{cluster_name}");
        Self {
            contexts: Some(vec![NamedContext { context, name: current.clone() }]),
            current_context: current,
            users: Some(vec![NamedUser { name: user.to_owned(), user: credentials }]),
            ..Self::anonymous(cluster_name, server, ca_pem)
        }
    }

    /// A kubeconfig with one cluster and no user.
    pub(crate) fn anonymous(cluster_name: &str, server: &str, ca_pem: &str) -> Self {
        let cluster = Cluster {
            certificate_authority_data: Some(encode_pem(ca_pem)),
            certificate_authority: None,
            server: server.to_owned(),
        };
        Self {
            api_version: "v1".to_owned(),
            clusters: Some(vec![NamedCluster { cluster, name: cluster_name.to_owned() }]),
            contexts: None,
            current_context: String::new(),
            kind: "Config".to_owned(),
            users: None,
        }
    }

    /// Parses the YAML text of a kubeconfig.
    pub fn parse(text: &str) -> Result<Self, KubeconfigError> {
        serde_yaml::from_str(text).map_err(KubeconfigError::Parse)
    }

    /// The kubeconfig as YAML; equal values give equal bytes.
    pub fn to_yaml(&self) -> String {
        serde_yaml::to_string(self).expect("all keys are strings")
    }

    /// Renames the cluster, the context and the user to `name`, so that merging into another file does not replace a
    /// cluster called `kubernetes` there. The kubeconfig has one of each.
    #[must_use]
    pub fn renamed(mut self, name: &str) -> Self {
        for cluster in self.clusters.iter_mut().flatten() {
            name.clone_into(&mut cluster.name);
        }
        for user in self.users.iter_mut().flatten() {
            name.clone_into(&mut user.name);
        }
        for named in self.contexts.iter_mut().flatten() {
            let Context { cluster, user, .. } = &mut named.context;
            for field in [cluster, user, &mut named.name] {
                name.clone_into(field);
            }
        }
        name.clone_into(&mut self.current_context);
        self
    }

    fn current_context(&self) -> Option<&Context> {
        let named = self.contexts.iter().flatten().find(|c| c.name == self.current_context);
        named.map(|c| &c.context)
    }

    fn find_cluster(&self, name: &str) -> Option<&NamedCluster> {
        self.clusters.iter().flatten().find(|c| c.name == name)
    }

    /// The cluster without a name if there is one (`cluster-info`), else the cluster of the current context.
    pub fn cluster(&self) -> Result<&Cluster, KubeconfigError> {
        let found = self.find_cluster("").or_else(|| self.find_cluster(&self.current_context()?.cluster));
        found.map(|c| &c.cluster).ok_or(KubeconfigError::Missing("cluster in its current context"))
    }

    /// The user of the current context.
    pub fn user(&self) -> Result<&User, KubeconfigError> {
        let context = self.current_context();
        let found = context.and_then(|context| self.users.iter().flatten().find(|u| u.name == context.user));
        found.map(|u| &u.user).ok_or(KubeconfigError::Missing("user in its current context"))
    }

    /// The user of the current context, mutable.
    pub(crate) fn user_mut(&mut self) -> Option<&mut User> {
        let name = self.current_context()?.user.clone();
        self.users.iter_mut().flatten().find(|u| u.name == name).map(|u| &mut u.user)
    }
}

impl Cluster {
    /// PEM of the embedded CA certificates; `None` if the kubeconfig names a file or nothing.
    pub fn ca_pem(&self) -> Result<Option<String>, KubeconfigError> {
        self.certificate_authority_data.as_deref().map(|d| decode_pem(d, "certificate-authority-data")).transpose()
    }
}

impl User {
    /// Embeds a certificate and its key.
    pub(crate) fn set_certificate(&mut self, certificate: &str, key: &str) {
        self.client_certificate_data = Some(encode_pem(certificate));
        self.client_key_data = Some(Secret::new(encode_pem(key)));
    }

    /// PEM of the embedded client certificate; `None` if there is none.
    pub fn certificate_pem(&self) -> Result<Option<String>, KubeconfigError> {
        self.client_certificate_data.as_deref().map(|d| decode_pem(d, "client-certificate-data")).transpose()
    }

    /// PEM of the embedded client key; `None` if there is none.
    pub fn key_pem(&self) -> Result<Option<Secret>, KubeconfigError> {
        let data = self.client_key_data.as_ref();
        data.map(|d| decode_pem(d.expose(), "client-key-data").map(Secret::new)).transpose()
    }
}

fn encode_pem(pem: &str) -> String {
    STANDARD.encode(pem)
}

fn decode_pem(data: &str, field: &'static str) -> Result<String, KubeconfigError> {
    // The value may be wrapped over several lines.
    let data: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(data).map_err(|_| KubeconfigError::Data(field))?;
    String::from_utf8(bytes).map_err(|_| KubeconfigError::Data(field))
}
