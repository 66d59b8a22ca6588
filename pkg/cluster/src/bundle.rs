//! The bundle for joining hosts: they download it from the node of the control plane through the API server's proxy.
//!
//! The API server connects to a port of a node for clients that may `get` the subresource `proxy` of the name
//! `http:NODE:PORT`. Rights are by name, so this one includes neither the kubelet's API, which is named `NODE` or
//! `https:NODE:10250`, nor any other port of the node.

use crate::addons::manifest::Manifest;
use crate::client::{describe, get_opt};
use crate::kubeadm::KUBE_SYSTEM;
use crate::{Cluster, Error};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::DynamicObject;

const NAME: &str = "usernetes-bundle";
const KEY: &str = "proxy";
const MANIFEST: &str = include_str!("../../../manifests/rbac-bundle.yaml");

impl Cluster {
    /// Gives bootstrap tokens the right to download the bundle that `node` serves on `port`, and publishes its location.
    pub async fn offer_bundle(&self, node: &str, port: u16) -> Result<(), Error> {
        self.apply(&render_objects(node, port)?).await
    }

    /// URL of the bundle at the API server; `None` where the cluster provides none.
    pub async fn bundle_url(&self) -> Result<Option<String>, Error> {
        let map = match get_opt(&self.namespaced::<ConfigMap>(KUBE_SYSTEM), Some(KUBE_SYSTEM), NAME).await {
            // A cluster of kubeadm gives tokens no right to read this ConfigMap.
            Err(error) if error.is_forbidden() => None,
            result => result?,
        };
        let Some(map) = map else { return Ok(None) };
        let proxy = map.data.unwrap_or_default().remove(KEY).unwrap_or_default();
        if !is_proxy_name(&proxy) {
            let object = describe::<ConfigMap>(Some(KUBE_SYSTEM), NAME);
            return Err(Error::Content { object, what: format!("{KEY} {proxy:?} instead of http:NODE:PORT") });
        }
        Ok(Some(format!("{}/api/v1/nodes/{proxy}/proxy", self.server())))
    }
}

fn render_objects(node: &str, port: u16) -> Result<Vec<DynamicObject>, Error> {
    let proxy = format!("http:{node}:{port}");
    let mut manifest = Manifest::parse("rbac-bundle", MANIFEST)?;
    manifest.set("ClusterRole", "/rules/0/resourceNames/0", proxy.as_str())?;
    manifest.set("ConfigMap", "/data/proxy", proxy)?;
    Ok(manifest.into_objects())
}

/// Whether a text is `http:NODE:PORT`. It becomes part of a path, so nothing else is allowed in it.
fn is_proxy_name(text: &str) -> bool {
    let parts: Vec<_> = text.split(':').collect();
    matches!(parts[..], ["http", name, port] if is_node_name(name) && port.parse::<u16>().is_ok())
}

fn is_node_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_is_for_one_port_of_one_node() {
        let objects = render_objects("host1", 10261).expect("good");
        let role = objects.iter().find(|o| o.metadata.name.as_deref() == Some("usernetes:get-bundle")).expect("there");
        assert_eq!(
            role.data["rules"],
            serde_json::json!([{ "apiGroups": [""], "resources": ["nodes/proxy"], "resourceNames": ["http:host1:10261"], "verbs": ["get"] }])
        );
        assert!(!crate::addons::manifest::to_yaml(&objects).contains("NODE"));
    }

    #[test]
    fn other_names_are_refused() {
        assert!(is_proxy_name("http:host1.example:10261"));
        for text in
            ["", "host1", "https:host1:10250", "http:../secrets:1", "http:a/b:1", "http:a:b", "http:a:1:2", "http::1"]
        {
            assert!(!is_proxy_name(text), "{text}");
        }
    }
}
