//! ConfigMaps from which joining nodes read the configuration of the cluster.

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
    /// `kubelet` is a whole `KubeletConfiguration` document. Where nothing is enforced it has to contain
    /// `enforceNodeAllocatable: [none]`, since kubeadm drops an empty list when it writes the document again.
    pub async fn upload_config(&self, cluster: &ClusterConfiguration, kubelet: &str) -> Result<(), Error> {
        let mut objects = rbac::read_config()?;
        objects.push(render_config_map(KUBEADM_CONFIG, &render_cluster(cluster))?);
        objects.push(render_config_map(KUBELET_CONFIG, kubelet)?);
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
        let text = map.and_then(|map| map.data?.remove(key));
        text.ok_or_else(|| Error::Content {
            object: describe::<ConfigMap>(Some(namespace), name),
            what: format!("no key {key}"),
        })
    }
}

fn render_cluster(cluster: &ClusterConfiguration) -> String {
    let document = Document {
        api_version: "kubeadm.k8s.io/v1beta4".to_owned(),
        kind: "ClusterConfiguration".to_owned(),
        body: cluster,
    };
    serde_yaml::to_string(&document).expect("our types have string keys")
}

fn render_config_map((name, key): (&str, &str), text: &str) -> Result<kube::api::DynamicObject, Error> {
    manifest::to_object(
        "upload-config",
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": KUBE_SYSTEM },
            "data": { key: text },
        }),
    )
}
