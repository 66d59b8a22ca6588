//! `addon`: flannel, kube-proxy, CoreDNS and user namespaces of pods as Kubernetes objects, all applied at once.

use super::InitData;
use crate::errors::Hinted;
use crate::phases::common;
use crate::workflow::{Part, Phase};
use anyhow::Result;
use usernetes_cluster::addons::{coredns, flannel, kube_proxy, user_namespaces};
use usernetes_node::bundle::Bundle;
use usernetes_pki::Endpoint;

/// Applies the addons.
pub(super) struct Addon;

const PARTS: [Part; 4] = [
    Part { name: "flannel", short: "The pod network" },
    Part { name: "kube-proxy", short: "Services" },
    Part { name: "coredns", short: "Cluster DNS" },
    Part { name: "user-namespaces", short: "What pods with hostUsers: false need" },
];

impl Phase<InitData> for Addon {
    fn name(&self) -> &'static str {
        "addon"
    }

    fn short(&self) -> &'static str {
        "Apply pod network, Services and DNS"
    }

    fn parts(&self) -> &'static [Part] {
        &PARTS
    }

    fn run(&self, data: &mut InitData, parts: &[&'static str]) -> Result<String> {
        let bundle = data.node.bundle()?;
        let config = data.node.config.clone();
        let (host, port) = config.control_plane_endpoint();
        let endpoint = Endpoint { host, port };
        let mut objects = Vec::new();
        let mut applied = Vec::new();
        for part in parts {
            objects.extend(match *part {
                "flannel" => {
                    flannel::objects(&flannel::Params { image: image(&bundle, "flannel")?, endpoint: &endpoint })?
                }
                "kube-proxy" if !config.cluster.proxy.disabled => kube_proxy::objects(&kube_proxy::Params {
                    image: image(&bundle, "kube-proxy")?,
                    endpoint: &endpoint,
                    pod_subnet: &config.cluster.networking.pod_subnet,
                    masquerade_all: !common::bridge_netfilter(),
                    overrides: config.kube_proxy.as_ref(),
                })?,
                "coredns" if !config.cluster.dns.disabled => coredns::objects(&coredns::Params {
                    image: image(&bundle, "coredns")?,
                    endpoint: &endpoint,
                    address: config.service_network().dns(),
                    domain: &config.cluster.networking.dns_domain,
                    replicas: 1,
                })?,
                "user-namespaces" => user_namespaces::objects()?,
                _ => continue,
            });
            applied.push(*part);
        }
        let cluster = data.cluster()?;
        data.block_on(cluster.apply(&objects))?;
        Ok(applied.join(", "))
    }
}

fn image<'a>(bundle: &'a Bundle, name: &str) -> Result<&'a str> {
    let image = bundle.manifest().image(name).ok_or_else(|| {
        let message = format!("bundle {} has no image {name}", bundle.dir().display());
        Hinted::new(message, "use a bundle that hack/bundle or usernetes-rs bundle download made")
    })?;
    Ok(&image.reference)
}
