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
const PROXY_KEY: &str = "proxy";
const SHA256_KEY: &str = "sha256";
const MANIFEST: &str = include_str!("../../../manifests/rbac-bundle.yaml");

/// The bundle that a cluster provides for joining hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleOffer {
    /// URL of the bundle at the API server. Whatever answers there proves nothing: any program of the node may.
    pub url: String,
    /// SHA-256 of its `bundle.yaml` in lower-case hex, which the control plane has written; `None` in clusters of versions
    /// before 1.0.
    pub sha256: Option<String>,
}

impl Cluster {
    /// Gives bootstrap tokens the right to download the bundle that `node` serves on `port`, and publishes its location and
    /// the SHA-256 of its `bundle.yaml`.
    pub async fn offer_bundle(&self, node: &str, port: u16, sha256: &str) -> Result<(), Error> {
        self.apply(&render_objects(node, port, sha256)?).await
    }

    /// The bundle that the cluster provides; `None` where it provides none.
    pub async fn bundle_offer(&self) -> Result<Option<BundleOffer>, Error> {
        let map = match get_opt(&self.namespaced::<ConfigMap>(KUBE_SYSTEM), Some(KUBE_SYSTEM), NAME).await {
            // A cluster of kubeadm gives tokens no right to read this ConfigMap.
            Err(error) if error.is_forbidden() => None,
            result => result?,
        };
        let Some(map) = map else { return Ok(None) };
        let mut data = map.data.unwrap_or_default();
        let proxy = data.remove(PROXY_KEY).unwrap_or_default();
        if !is_proxy_name(&proxy) {
            let object = describe::<ConfigMap>(Some(KUBE_SYSTEM), NAME);
            return Err(Error::Content { object, what: format!("{PROXY_KEY} {proxy:?} instead of http:NODE:PORT") });
        }
        let url = format!("{}/api/v1/nodes/{proxy}/proxy", self.server());
        Ok(Some(BundleOffer { url, sha256: data.remove(SHA256_KEY).filter(|text| is_sha256(text)) }))
    }
}

fn render_objects(node: &str, port: u16, sha256: &str) -> Result<Vec<DynamicObject>, Error> {
    let proxy = format!("http:{node}:{port}");
    let mut manifest = Manifest::parse("rbac-bundle", MANIFEST)?;
    manifest.set("ClusterRole", "/rules/0/resourceNames/0", proxy.as_str())?;
    manifest.set("ConfigMap", "/data/proxy", proxy)?;
    manifest.set("ConfigMap", "/data/sha256", sha256)?;
    Ok(manifest.into_objects())
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
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
        let objects = render_objects("host1", 10261, &"0".repeat(64)).expect("good");
        let role = objects.iter().find(|o| o.metadata.name.as_deref() == Some("usernetes:get-bundle")).expect("there");
        assert_eq!(
            role.data["rules"],
            serde_json::json!([{ "apiGroups": [""], "resources": ["nodes/proxy"], "resourceNames": ["http:host1:10261"], "verbs": ["get"] }])
        );
        assert!(!crate::addons::manifest::to_yaml(&objects).contains("NODE"));
        let map = objects.iter().find(|o| o.metadata.name.as_deref() == Some(NAME)).expect("there");
        assert!(map.data["data"]["sha256"].as_str().is_some_and(is_sha256));
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
