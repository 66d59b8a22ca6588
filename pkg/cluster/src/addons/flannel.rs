//! Pod network.

use super::manifest::{IMAGE, Manifest};
use crate::Error;
use ipnet::Ipv4Net;
use kube::api::DynamicObject;
use serde_json::json;
use usernetes_pki::Endpoint;

const MANIFEST: &str = include_str!("../../../../manifests/flannel.yaml");
/// Namespace of the DaemonSet.
pub const NAMESPACE: &str = "kube-flannel";
/// Name of the DaemonSet.
pub const DAEMON_SET: &str = "kube-flannel-ds";
/// Inside the node: what each node has to write before flannel starts, see [`net_conf`].
pub const NET_CONF: &str = "/run/usernetes/net-conf.json";

/// What differs between clusters.
#[derive(Clone, Debug)]
pub struct Params<'a> {
    /// Reference of the image.
    pub image: &'a str,
    /// API endpoint that every node reaches.
    pub endpoint: &'a Endpoint,
}

/// The objects of the addon.
pub fn objects(params: &Params<'_>) -> Result<Vec<DynamicObject>, Error> {
    let mut manifest = Manifest::parse("flannel", MANIFEST)?;
    manifest
        .set("DaemonSet", IMAGE, params.image)?
        .set_env("DaemonSet", "KUBERNETES_SERVICE_HOST", &params.endpoint.host)?
        .set_env("DaemonSet", "KUBERNETES_SERVICE_PORT", &params.endpoint.port.to_string())?;
    Ok(manifest.into_objects())
}

/// One node's share of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Range of all pods.
    pub pods: Ipv4Net,
    /// UDP port of VXLAN, the same on all hosts.
    pub port: u16,
    /// MTU of this host's route to its peers. flannel takes its 50 bytes off this.
    pub underlay_mtu: u32,
    /// Whether flannel masquerades by nftables rather than iptables: what kube-proxy does.
    pub nftables: bool,
}

/// Content of [`NET_CONF`].
pub fn net_conf(network: &Network) -> String {
    json!({
        "Network": network.pods,
        "EnableNFTables": network.nftables,
        "Backend": { "Type": "vxlan", "Port": network.port, "MTU": network.underlay_mtu },
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::manifest::render;

    #[test]
    fn rendered() {
        let endpoint = Endpoint { host: "198.51.100.11".to_owned(), port: 6443 };
        let objects = objects(&Params { image: "ghcr.io/flannel-io/flannel:v0.26.7", endpoint: &endpoint });
        insta::assert_snapshot!(render(&objects.expect("a good manifest")));
    }

    #[test]
    fn per_node_configuration() {
        let pods = "10.244.0.0/16".parse().expect("a range");
        let network = Network { pods, port: 8472, underlay_mtu: 1500, nftables: true };
        insta::assert_snapshot!(net_conf(&network), @r#"{"Network":"10.244.0.0/16","EnableNFTables":true,"Backend":{"Type":"vxlan","Port":8472,"MTU":1500}}"#);
    }
}
