//! Where a joining host gets the bundle: from the node of the control plane, through the API server's proxy.
//!
//! The API server connects to a port of a node for whoever may `get` the subresource `proxy` of the name
//! `http:NODE:PORT`. That name is not the node's own, so the right to it opens neither the kubelet's API, which is
//! `NODE` or `https:NODE:10250` there, nor anything else that listens on the node.

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
    /// Lets bearers of bootstrap tokens take the bundle that `node` serves on `port`, and tells them where that is.
    pub async fn offer_bundle(&self, node: &str, port: u16) -> Result<(), Error> {
        self.apply(&objects(node, port)?).await
    }

    /// URL of the bundle at the API server; `None` where the cluster offers none.
    pub async fn bundle_url(&self) -> Result<Option<String>, Error> {
        let map = match get_opt(&self.namespaced::<ConfigMap>(KUBE_SYSTEM), Some(KUBE_SYSTEM), NAME).await {
            // Of a cluster that knows nothing of us, a token may not even ask.
            Err(error) if error.is_forbidden() => None,
            result => result?,
        };
        let Some(map) = map else { return Ok(None) };
        let proxy = map.data.unwrap_or_default().remove(KEY).unwrap_or_default();
        if !is_proxy(&proxy) {
            let object = describe::<ConfigMap>(Some(KUBE_SYSTEM), NAME);
            return Err(Error::Content { object, what: format!("{KEY} {proxy:?} instead of http:NODE:PORT") });
        }
        Ok(Some(format!("{}/api/v1/nodes/{proxy}/proxy", self.server())))
    }
}

fn objects(node: &str, port: u16) -> Result<Vec<DynamicObject>, Error> {
    let proxy = format!("http:{node}:{port}");
    let mut manifest = Manifest::parse("rbac-bundle", MANIFEST)?;
    manifest.set("ClusterRole", "/rules/0/resourceNames/0", proxy.as_str())?;
    manifest.set("ConfigMap", "/data/proxy", proxy)?;
    Ok(manifest.into_objects())
}

/// It becomes part of a path: nothing in it may lead elsewhere.
fn is_proxy(text: &str) -> bool {
    let mut parts = text.split(':');
    let is_name = |name: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)
    };
    parts.next() == Some("http")
        && parts.next().is_some_and(is_name)
        && parts.next().is_some_and(|port| port.parse::<u16>().is_ok())
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_is_for_one_port_of_one_node() {
        let objects = objects("host1", 10261).expect("good");
        let role = objects.iter().find(|o| o.metadata.name.as_deref() == Some("usernetes:get-bundle")).expect("there");
        assert_eq!(
            role.data["rules"],
            serde_json::json!([{ "apiGroups": [""], "resources": ["nodes/proxy"], "resourceNames": ["http:host1:10261"], "verbs": ["get"] }])
        );
        assert!(!crate::addons::manifest::render(&objects).contains("NODE"));
    }

    #[test]
    fn no_way_out_of_the_path() {
        assert!(is_proxy("http:host1.example:10261"));
        for text in
            ["", "host1", "https:host1:10250", "http:../secrets:1", "http:a/b:1", "http:a:b", "http:a:1:2", "http::1"]
        {
            assert!(!is_proxy(text), "{text}");
        }
    }
}
