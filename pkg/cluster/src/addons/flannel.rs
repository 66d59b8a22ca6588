//! Pod network.

use super::manifest::{IMAGE, Manifest};
use super::{Addon, Params, never_disabled};
use crate::Error;
use ipnet::Ipv4Net;
use kube::api::DynamicObject;
use serde_json::json;

const MANIFEST: &str = include_str!("../../../../manifests/flannel.yaml");
/// Namespace of the DaemonSet.
pub const NAMESPACE: &str = "kube-flannel";
/// Name of the DaemonSet.
pub const DAEMON_SET: &str = "kube-flannel-ds";
/// Path inside the node of the file that each node has to write before flannel starts, see [`net_conf`].
pub const NET_CONF: &str = "/run/usernetes/net-conf.json";

pub(super) const ADDON: Addon = Addon {
    name: "flannel",
    short: "Install the flannel pod network",
    is_disabled: never_disabled,
    render: render_objects,
};

fn render_objects(params: &Params<'_>) -> Result<Vec<DynamicObject>, Error> {
    let mut manifest = Manifest::parse("flannel", MANIFEST)?;
    manifest.set("DaemonSet", IMAGE, params.find_image("flannel")?)?.set_endpoint("DaemonSet", params.endpoint)?;
    Ok(manifest.into_objects())
}

/// The part of flannel's configuration that may differ between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Range of all pods.
    pub pods: Ipv4Net,
    /// UDP port of VXLAN, the same on all hosts.
    pub port: u16,
    /// MTU of this host's route to its peers. flannel subtracts 50 bytes for VXLAN.
    pub underlay_mtu: u32,
    /// Whether flannel masquerades by nftables instead of iptables: it follows the mode of kube-proxy.
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
    use super::super::tests::{configured, rendered};
    use super::*;

    #[test]
    fn objects() {
        let image = "ghcr.io/flannel-io/flannel:v0.26.7";
        insta::assert_snapshot!("rendered", rendered(&ADDON, image, "198.51.100.11:6443", &configured(|_| ()), false));
    }

    #[test]
    fn per_node_configuration() {
        let pods = "10.244.0.0/16".parse().expect("a range");
        let network = Network { pods, port: 8472, underlay_mtu: 1500, nftables: true };
        insta::assert_snapshot!(net_conf(&network), @r#"{"Network":"10.244.0.0/16","EnableNFTables":true,"Backend":{"Type":"vxlan","Port":8472,"MTU":1500}}"#);
    }
}
