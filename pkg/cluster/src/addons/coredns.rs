//! Cluster DNS.

use super::manifest::{IMAGE, Manifest};
use super::{Addon, Params};
use crate::Error;
use kube::api::DynamicObject;

const MANIFEST: &str = include_str!("../../../../manifests/coredns.yaml");
const COREFILE: &str = include_str!("../../../../manifests/Corefile");
/// The domain in our Corefile.
const DOMAIN: &str = "cluster.local";
/// One pod on a single node: a second one could not take over from it.
const REPLICAS: u32 = 1;
/// Namespace of Deployment and Service.
pub const NAMESPACE: &str = "kube-system";
/// Name of the Deployment.
pub const DEPLOYMENT: &str = "coredns";
/// Name of the Service.
pub const SERVICE: &str = "kube-dns";

pub(super) const ADDON: Addon = Addon {
    name: "coredns",
    short: "Install the CoreDNS addon",
    is_disabled: |config| config.cluster.dns.disabled,
    render: render_objects,
};

fn render_objects(params: &Params<'_>) -> Result<Vec<DynamicObject>, Error> {
    let mut manifest = Manifest::parse("coredns", MANIFEST)?;
    manifest
        .set("ConfigMap", "/data/Corefile", render_corefile(&params.config.cluster.networking.dns_domain))?
        .set("Service", "/spec/clusterIP", params.config.service_network().dns().to_string())?
        .set("Deployment", "/spec/replicas", REPLICAS)?
        .set("Deployment", IMAGE, params.find_image("coredns")?)?
        .set_endpoint("Deployment", params.endpoint)?;
    Ok(manifest.into_objects())
}

/// A validated DNS name has no blank or brace, so it can be put into the text.
fn render_corefile(domain: &str) -> String {
    COREFILE.replace(DOMAIN, domain)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{configured, rendered};
    use super::*;

    #[test]
    fn objects() {
        let image = "registry.k8s.io/coredns/coredns:v1.14.7";
        insta::assert_snapshot!("rendered", rendered(&ADDON, image, "198.51.100.11:6443", &configured(|_| ()), false));
    }

    #[test]
    fn the_domain_is_replaced_everywhere() {
        let text = render_corefile("k8s.example");
        assert!(!text.contains("cluster.local"), "{text}");
        assert_eq!(text.matches("k8s.example").count(), 3, "{text}");
    }
}
