//! Cluster DNS.

use super::manifest::{IMAGE, Manifest};
use crate::Error;
use kube::api::DynamicObject;
use std::net::IpAddr;
use usernetes_pki::Endpoint;

const MANIFEST: &str = include_str!("../../../../manifests/coredns.yaml");
const COREFILE: &str = include_str!("../../../../manifests/Corefile");
/// The domain as it stands in our Corefile.
const DOMAIN: &str = "cluster.local";
/// Namespace of Deployment and Service.
pub const NAMESPACE: &str = "kube-system";
/// Name of the Deployment.
pub const DEPLOYMENT: &str = "coredns";
/// Name of the Service.
pub const SERVICE: &str = "kube-dns";

/// What differs between clusters.
#[derive(Clone, Debug)]
pub struct Params<'a> {
    /// Reference of the image.
    pub image: &'a str,
    /// API endpoint that every node reaches.
    pub endpoint: &'a Endpoint,
    /// Address of the Service: the tenth of the range.
    pub address: IpAddr,
    /// DNS domain of the cluster.
    pub domain: &'a str,
    /// Pods: one on a single node, two where a second could take over.
    pub replicas: u32,
}

/// The objects of the addon.
pub fn objects(params: &Params<'_>) -> Result<Vec<DynamicObject>, Error> {
    let mut manifest = Manifest::parse("coredns", MANIFEST)?;
    manifest
        .set("ConfigMap", "/data/Corefile", corefile(params.domain))?
        .set("Service", "/spec/clusterIP", params.address.to_string())?
        .set("Deployment", "/spec/replicas", params.replicas)?
        .set("Deployment", IMAGE, params.image)?
        .set_env("Deployment", "KUBERNETES_SERVICE_HOST", &params.endpoint.host)?
        .set_env("Deployment", "KUBERNETES_SERVICE_PORT", &params.endpoint.port.to_string())?;
    Ok(manifest.into_objects())
}

/// A validated DNS name has no blank or brace, so putting it into the text is safe.
fn corefile(domain: &str) -> String {
    COREFILE.replace(DOMAIN, domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::manifest::render;

    #[test]
    fn rendered() {
        let image = "registry.k8s.io/coredns/coredns:v1.14.7";
        let address = "10.96.0.10".parse().expect("an address");
        let endpoint = &Endpoint { host: "198.51.100.11".to_owned(), port: 6443 };
        let objects = objects(&Params { image, endpoint, address, domain: "cluster.local", replicas: 1 });
        insta::assert_snapshot!(render(&objects.expect("a good manifest")));
    }

    #[test]
    fn domain_stands_everywhere() {
        let text = corefile("k8s.example");
        assert!(!text.contains("cluster.local"), "{text}");
        assert_eq!(text.matches("k8s.example").count(), 3, "{text}");
    }
}
