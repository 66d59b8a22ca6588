//! All documents together, and writing them as one file.

use crate::{ClusterConfiguration, InitConfiguration, JoinConfiguration, RootlessConfiguration};
use serde::{Deserialize, Serialize};
use serde_yaml::{Mapping, Value};

/// All documents together: what `--config` holds, and what is kept in the state folder.
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
    /// `kubelet.config.k8s.io/v1beta1` `KubeletConfiguration`, laid over ours.
    pub kubelet: Option<Mapping>,
    /// `kubeproxy.config.k8s.io/v1alpha1` `KubeProxyConfiguration`, laid over ours.
    pub kube_proxy: Option<Mapping>,
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
    /// Every document, in the order in which kubeadm prints them.
    pub fn documents(&self) -> Vec<Value> {
        let mut documents = vec![
            typed(KUBEADM, "InitConfiguration", &self.init),
            typed(KUBEADM, "ClusterConfiguration", &self.cluster),
            typed(ROOTLESS, "RootlessConfiguration", &self.rootless),
        ];
        documents.extend(self.join.as_ref().map(|d| typed(KUBEADM, "JoinConfiguration", d)));
        documents.extend(self.kubelet.as_ref().map(|d| typed(KUBELET, "KubeletConfiguration", d)));
        documents.extend(self.kube_proxy.as_ref().map(|d| typed(KUBE_PROXY, "KubeProxyConfiguration", d)));
        documents
    }

    /// The documents as one file.
    pub fn to_yaml(&self) -> String {
        let text = |document| serde_yaml::to_string(document).expect("a value is YAML");
        self.documents().iter().map(text).collect::<Vec<_>>().join("---\n")
    }
}

fn typed<T: Serialize>(api_version: &str, kind: &str, body: &T) -> Value {
    let document = Document { api_version: api_version.to_owned(), kind: kind.to_owned(), body };
    serde_yaml::to_value(&document).expect("our types have string keys")
}
