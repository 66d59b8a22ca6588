//! ConfigMaps from which later nodes read how the cluster was made.

use super::rbac;
use crate::addons::manifest;
use crate::client::{describe, get_opt};
use crate::{Cluster, Error};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;
use usernetes_api::{ClusterConfiguration, Document};

pub(crate) const KUBE_SYSTEM: &str = "kube-system";
const KUBEADM_CONFIG: (&str, &str) = ("kubeadm-config", "ClusterConfiguration");
const KUBELET_CONFIG: (&str, &str) = ("kubelet-config", "kubelet");

impl Cluster {
    /// ConfigMaps `kubeadm-config` and `kubelet-config` and the right to read them: phase `upload-config`.
    ///
    /// `kubelet` is a whole `KubeletConfiguration` document. It has to say `enforceNodeAllocatable: [none]` where
    /// nothing is enforced: kubeadm drops an empty list when it writes the document again.
    pub async fn upload_config(&self, cluster: &ClusterConfiguration, kubelet: &str) -> Result<(), Error> {
        let mut objects = rbac::config()?;
        objects.push(config_map(KUBEADM_CONFIG, &cluster_document(cluster))?);
        objects.push(config_map(KUBELET_CONFIG, kubelet)?);
        self.apply(&objects).await
    }

    /// The `ClusterConfiguration` document of the cluster.
    pub async fn cluster_configuration(&self) -> Result<String, Error> {
        self.config_map_text(KUBE_SYSTEM, KUBEADM_CONFIG).await
    }

    /// The `KubeletConfiguration` document of the cluster.
    pub async fn kubelet_configuration(&self) -> Result<String, Error> {
        self.config_map_text(KUBE_SYSTEM, KUBELET_CONFIG).await
    }

    async fn config_map_text(&self, namespace: &str, (name, key): (&str, &str)) -> Result<String, Error> {
        let map = get_opt(&self.namespaced::<ConfigMap>(namespace), Some(namespace), name).await?;
        let missing = |what: String| Error::Content { object: describe::<ConfigMap>(Some(namespace), name), what };
        let data = map.ok_or_else(|| missing("not been made".to_owned()))?.data.unwrap_or_default();
        data.get(key).cloned().ok_or_else(|| missing(format!("no key {key}")))
    }
}

fn cluster_document(cluster: &ClusterConfiguration) -> String {
    let document = Document {
        api_version: "kubeadm.k8s.io/v1beta4".to_owned(),
        kind: "ClusterConfiguration".to_owned(),
        body: cluster,
    };
    serde_yaml::to_string(&document).expect("our types have string keys")
}

fn config_map((name, key): (&str, &str), text: &str) -> Result<kube::api::DynamicObject, Error> {
    manifest::object(
        "upload-config",
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": KUBE_SYSTEM },
            "data": { key: text },
        }),
    )
}
