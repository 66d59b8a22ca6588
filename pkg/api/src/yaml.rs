//! All documents together, and writing them as one file.

use crate::node_state::NODE_STATE;
use crate::sources::Sources;
use crate::{ClusterConfiguration, InitConfiguration, JoinConfiguration, NodeState, RootlessConfiguration};
use serde::{Deserialize, Serialize};
use serde_yaml::{Mapping, Value};

/// All documents together: those of a user's file, and those kept in the state directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `kubeadm.k8s.io/v1beta4` `InitConfiguration`.
    pub init: InitConfiguration,
    /// `kubeadm.k8s.io/v1beta4` `ClusterConfiguration`.
    pub cluster: ClusterConfiguration,
    /// `usernetes.rs/v1alpha1` `RootlessConfiguration`.
    pub rootless: RootlessConfiguration,
    /// `kubeadm.k8s.io/v1beta4` `JoinConfiguration`; present on hosts that joined.
    pub join: Option<JoinConfiguration>,
    /// `kubelet.config.k8s.io/v1beta1` `KubeletConfiguration`, merged over the generated one.
    pub kubelet: Option<Mapping>,
    /// `kubeproxy.config.k8s.io/v1alpha1` `KubeProxyConfiguration`, merged over the generated one.
    pub kube_proxy: Option<Mapping>,
    /// `usernetes.rs/v1alpha1` `NodeState`, of the kept configuration.
    pub state: NodeState,
    /// Where the values come from.
    pub sources: Sources,
}

/// Any document with its type.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document<T> {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// The rest. (Only for writing: a flattened type cannot deny unknown fields.)
    #[serde(flatten)]
    pub body: T,
}

pub(crate) const KUBEADM: &str = "kubeadm.k8s.io/v1beta4";
pub(crate) const ROOTLESS: &str = "usernetes.rs/v1alpha1";
pub(crate) const KUBELET: &str = "kubelet.config.k8s.io/v1beta1";
pub(crate) const KUBE_PROXY: &str = "kubeproxy.config.k8s.io/v1alpha1";

impl Config {
    /// Every document of a user's file, in the order in which kubeadm prints them.
    ///
    /// What was detected on this host is left out, so that it is detected again where the file is used.
    pub fn documents(&self) -> Vec<Value> {
        let mut config = self.clone();
        if self.state.host_ip_detected {
            config.rootless.host_ip = None;
            config.init.local_api_endpoint.advertise_address = None;
        }
        if self.state.tap_cidr_chosen {
            config.rootless.network.cidr = None;
        }
        config.all_documents()
    }

    /// [`Config::documents`] as one file.
    pub fn to_user_yaml(&self) -> String {
        join_documents(&self.documents())
    }

    /// Every document and the node's state as one file, for [`Config::parse_kept`].
    pub fn to_kept_yaml(&self) -> String {
        let mut documents = self.all_documents();
        documents.push(to_document(ROOTLESS, NODE_STATE, &self.state));
        join_documents(&documents)
    }

    /// The same without `bootstrapTokens`, which belong to the moment at which a cluster is made.
    #[must_use]
    pub fn without_bootstrap_tokens(mut self) -> Self {
        self.init.bootstrap_tokens.clear();
        self
    }

    fn all_documents(&self) -> Vec<Value> {
        let mut documents = vec![
            to_document(KUBEADM, "InitConfiguration", &self.init),
            to_document(KUBEADM, "ClusterConfiguration", &self.cluster),
            to_document(ROOTLESS, "RootlessConfiguration", &self.rootless),
        ];
        documents.extend(self.join.as_ref().map(|d| to_document(KUBEADM, "JoinConfiguration", d)));
        documents.extend(self.kubelet.as_ref().map(|d| to_document(KUBELET, "KubeletConfiguration", d)));
        documents.extend(self.kube_proxy.as_ref().map(|d| to_document(KUBE_PROXY, "KubeProxyConfiguration", d)));
        documents
    }
}

fn join_documents(documents: &[Value]) -> String {
    let texts = documents.iter().map(|document| serde_yaml::to_string(document).expect("a value is YAML"));
    texts.collect::<Vec<_>>().join("---\n")
}

fn to_document<T: Serialize>(api_version: &str, kind: &str, body: &T) -> Value {
    let document = Document { api_version: api_version.to_owned(), kind: kind.to_owned(), body };
    serde_yaml::to_value(&document).expect("our types have string keys")
}
