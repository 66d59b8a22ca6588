//! ConfigMap `kube-public/cluster-info`, which a host reads that has only a token.

use crate::addons::manifest;
use crate::client::{get_opt, patch_params};
use crate::{Cluster, Error, Verb, tokens};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Patch;
use serde_json::{Map, Value, json};
use usernetes_pki::BootstrapToken;
use usernetes_pki::discovery::{self, CLUSTER_INFO, KUBECONFIG_KEY};

const KUBE_PUBLIC: &str = "kube-public";
const RBAC: &str = include_str!("../../../../manifests/rbac-cluster-info.yaml");

impl Cluster {
    /// Writes `cluster-info` for an endpoint and a CA, readable by anonymous clients, and signs it with every token.
    pub async fn upload_cluster_info(&self, server: &str, ca_pem: &str) -> Result<(), Error> {
        let mut objects = manifest::parse_objects("rbac-cluster-info", RBAC)?;
        objects.push(manifest::to_object("cluster-info", render_config_map(&discovery::render(server, ca_pem)))?);
        self.apply(&objects).await?;
        let mut signing = self.list_tokens().await?;
        signing.retain(tokens::TokenInfo::is_signing);
        add_signatures(self, &signing.iter().map(|info| &info.token).collect::<Vec<_>>()).await
    }
}

fn render_config_map(kubeconfig: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": CLUSTER_INFO, "namespace": KUBE_PUBLIC },
        "data": { KUBECONFIG_KEY: kubeconfig },
    })
}

/// Signs `cluster-info` with these tokens at once, instead of waiting for the controller manager to do the same. Does nothing
/// where there is no `cluster-info` yet.
pub(crate) async fn add_signatures(cluster: &Cluster, tokens: &[&BootstrapToken]) -> Result<(), Error> {
    let api = cluster.namespaced::<ConfigMap>(KUBE_PUBLIC);
    let Some(map) = get_opt(&api, Some(KUBE_PUBLIC), CLUSTER_INFO).await? else { return Ok(()) };
    let data = map.data.unwrap_or_default();
    let Some(kubeconfig) = data.get(KUBECONFIG_KEY) else { return Ok(()) };
    let signatures: Map<String, Value> = tokens
        .iter()
        .map(|token| (discovery::signature_key(token.id()), discovery::sign(kubeconfig, token)))
        .filter(|(key, signature)| data.get(key) != Some(signature))
        .map(|(key, signature)| (key, Value::from(signature)))
        .collect();
    patch_data(cluster, signatures).await
}

/// Removes the signature of a token.
pub(crate) async fn remove_signature(cluster: &Cluster, token_id: &str) -> Result<(), Error> {
    patch_data(cluster, Map::from_iter([(discovery::signature_key(token_id), Value::Null)])).await
}

async fn patch_data(cluster: &Cluster, data: Map<String, Value>) -> Result<(), Error> {
    if data.is_empty() {
        return Ok(());
    }
    let api = cluster.namespaced::<ConfigMap>(KUBE_PUBLIC);
    match api.patch(CLUSTER_INFO, &patch_params(), &Patch::Merge(json!({ "data": data }))).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        result => {
            result.map(drop).map_err(Error::request(Verb::Apply, format!("ConfigMap {KUBE_PUBLIC}/{CLUSTER_INFO}")))
        }
    }
}
