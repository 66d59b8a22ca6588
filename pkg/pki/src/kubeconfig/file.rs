//! The file format: `v1` `Config` of client-go, as far as we write and read it.

use crate::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kubeconfig {
    /// `v1`.
    #[serde(rename = "apiVersion", default)]
    pub api_version: String,
    /// Clusters; `null` where there are none.
    #[serde(default)]
    pub clusters: Option<Vec<NamedCluster>>,
    /// Contexts.
    #[serde(default)]
    pub contexts: Option<Vec<NamedContext>>,
    /// The context in use.
    #[serde(default)]
    pub current_context: String,
    /// `Config`.
    #[serde(default)]
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
    /// Its name; empty in `cluster-info`.
    #[serde(default)]
    pub name: String,
}

/// URL of an API server and the CA of its certificate.
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

/// Credentials of a user.
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
    /// Data that is not base64 of PEM.
    #[error("{0} of the kubeconfig cannot be decoded")]
    Data(&'static str),
}

impl Kubeconfig {
    /// One cluster, one user, one context `USER@CLUSTER`, as kubeadm names them.
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

    /// One cluster without a user.
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

    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, KubeconfigError> {
        serde_yaml::from_str(text).map_err(KubeconfigError::Parse)
    }

    /// Writes it; the same value gives the same bytes.
    pub fn to_yaml(&self) -> String {
        serde_yaml::to_string(self).expect("all keys are strings")
    }

    /// Cluster, context and user of a kubeconfig that has one of each, all renamed to `name`: what is merged into a
    /// user's own file must not replace another cluster called `kubernetes`.
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

    /// The cluster in use: the one without a name if there is one, else the current context's.
    pub fn cluster(&self) -> Result<&Cluster, KubeconfigError> {
        let found = self.find_cluster("").or_else(|| self.find_cluster(&self.current_context()?.cluster));
        found.map(|c| &c.cluster).ok_or(KubeconfigError::Missing("cluster in its current context"))
    }

    /// The user in use.
    pub fn user(&self) -> Result<&User, KubeconfigError> {
        let context = self.current_context();
        let found = context.and_then(|context| self.users.iter().flatten().find(|u| u.name == context.user));
        found.map(|u| &u.user).ok_or(KubeconfigError::Missing("user in its current context"))
    }

    /// The user in use, to change it.
    pub(crate) fn user_mut(&mut self) -> Option<&mut User> {
        let name = self.current_context()?.user.clone();
        self.users.iter_mut().flatten().find(|u| u.name == name).map(|u| &mut u.user)
    }
}

impl Cluster {
    /// PEM of the CA, if it is embedded.
    pub fn ca_pem(&self) -> Result<Option<String>, KubeconfigError> {
        self.certificate_authority_data.as_deref().map(|d| decode_pem(d, "certificate-authority-data")).transpose()
    }
}

impl User {
    /// Puts a certificate and its key inside.
    pub(crate) fn set_certificate(&mut self, certificate: &str, key: &str) {
        self.client_certificate_data = Some(encode_pem(certificate));
        self.client_key_data = Some(Secret::new(encode_pem(key)));
    }

    /// PEM of the client certificate, if it is embedded.
    pub fn certificate_pem(&self) -> Result<Option<String>, KubeconfigError> {
        self.client_certificate_data.as_deref().map(|d| decode_pem(d, "client-certificate-data")).transpose()
    }

    /// PEM of the client's key, if it is embedded.
    pub fn key_pem(&self) -> Result<Option<Secret>, KubeconfigError> {
        let data = self.client_key_data.as_ref();
        data.map(|d| decode_pem(d.expose(), "client-key-data").map(Secret::new)).transpose()
    }
}

fn encode_pem(pem: &str) -> String {
    STANDARD.encode(pem)
}

fn decode_pem(data: &str, field: &'static str) -> Result<String, KubeconfigError> {
    // YAML folds long lines at white space when people wrap them.
    let data: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(data).map_err(|_| KubeconfigError::Data(field))?;
    String::from_utf8(bytes).map_err(|_| KubeconfigError::Data(field))
}
