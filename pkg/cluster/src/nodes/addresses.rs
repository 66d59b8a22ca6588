//! Addresses of the hosts behind Nodes: the relay of VXLAN datagrams accepts no others.

use crate::watch::{Change, Rows, Table, Update, page_config, watch_changes, watch_reconnecting};
use crate::{Cluster, Error};
use futures::future::ready;
use futures::{Stream, StreamExt};
use kube::core::{ApiResource, Object};
use kube::{Api, ResourceExt};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use usernetes_api::constants::{EGRESS_ADDRESSES_ANNOTATION, EGRESS_ADDRESSES_ANNOTATION_OLD};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NoSpec {}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NodeStatus {
    addresses: Vec<NodeAddress>,
    daemon_endpoints: DaemonEndpoints,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DaemonEndpoints {
    kubelet_endpoint: KubeletEndpoint,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct KubeletEndpoint {
    port: u16,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    r#type: String,
    message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct NodeAddress {
    r#type: String,
    address: String,
}

pub(super) type Node = Object<NoSpec, NodeStatus>;
/// HOST_IPs, and what else a host's packets may come from.
pub(crate) type Addresses = BTreeSet<IpAddr>;

/// Reports the addresses that the other hosts send from, at once and after every change. Never ends; drop it to stop.
///
/// `host_ip` is the HOST_IP of this host, whose own addresses are left out.
pub async fn follow_peer_addresses(
    kubeconfig: &Path,
    host_ip: IpAddr,
    mut report: impl FnMut(Update<Addresses>),
) -> Infallible {
    watch_reconnecting(kubeconfig, &mut report, |cluster| {
        let mut nodes = Table::default();
        let peers = watch_nodes(&cluster, egress_addresses).filter_map(move |change| {
            let change = change.map(|change| nodes.apply_change(change));
            ready(change.map(|()| nodes.complete.then(|| peer_addresses(&nodes.rows, host_ip))).transpose())
        });
        peers.boxed()
    })
    .await
}

fn peer_addresses(nodes: &Rows<Addresses>, host_ip: IpAddr) -> Addresses {
    nodes.values().filter(|node| !node.contains(&host_ip)).flatten().copied().collect()
}

/// The addresses that a host's packets may come from: HOST_IP, and those of its annotation.
fn egress_addresses(node: &Node) -> Option<Addresses> {
    let mut all = internal_addresses(node)?;
    for annotation in [EGRESS_ADDRESSES_ANNOTATION, EGRESS_ADDRESSES_ANNOTATION_OLD] {
        let list = node.annotations().get(annotation).map(String::as_str).unwrap_or_default();
        all.extend(list.split(',').filter_map(|address| address.parse::<IpAddr>().ok()));
    }
    Some(all)
}

/// The names and addresses of a Node: what a serving certificate of its kubelet may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeIdentity {
    pub(crate) name: String,
    /// DNS names among its addresses.
    pub(crate) names: BTreeSet<String>,
    pub(crate) addresses: Addresses,
}

impl NodeIdentity {
    fn from_node(node: &Node) -> Self {
        let all = node.status.as_ref().map(|status| status.addresses.as_slice()).unwrap_or_default();
        let (addresses, names): (Vec<_>, Vec<_>) = all.iter().partition(|a| a.r#type.ends_with("IP"));
        Self {
            name: node.name_any(),
            names: names.into_iter().map(|name| name.address.clone()).collect(),
            addresses: addresses.into_iter().filter_map(|a| a.address.parse().ok()).collect(),
        }
    }
}

pub(crate) fn watch_identities(cluster: &Cluster) -> impl Stream<Item = Result<Change<NodeIdentity>, Error>> + use<> {
    watch_nodes(cluster, |node| Some(NodeIdentity::from_node(node)))
}

pub(crate) fn watch_internal_addresses(
    cluster: &Cluster,
) -> impl Stream<Item = Result<Change<Addresses>, Error>> + use<> {
    watch_nodes(cluster, internal_addresses)
}

/// All Nodes, projected to rows.
pub(super) fn watch_nodes<T, F: Fn(&Node) -> Option<T>>(
    cluster: &Cluster,
    project: F,
) -> impl Stream<Item = Result<Change<T>, Error>> + use<T, F> {
    let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Node>(&());
    let api: Api<Node> = Api::all_with(cluster.client(), &resource);
    watch_changes(api, page_config(), "Nodes", project)
}

fn internal_addresses(node: &Node) -> Option<Addresses> {
    let addresses = &node.status.as_ref()?.addresses;
    Some(addresses.iter().filter(|a| a.r#type == "InternalIP").filter_map(|a| a.address.parse().ok()).collect())
}

/// The address at which the API server reaches the kubelet.
pub(super) fn kubelet_address(node: &Node) -> Option<SocketAddr> {
    let port = node.status.as_ref()?.daemon_endpoints.kubelet_endpoint.port;
    Some(SocketAddr::new(internal_addresses(node)?.into_iter().next()?, port)).filter(|_| port != 0)
}

/// The message of a condition.
pub(super) fn condition_message(node: &Node, condition: &str) -> Option<String> {
    let conditions = &node.status.as_ref()?.conditions;
    Some(conditions.iter().find(|found| found.r#type == condition)?.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[expect(clippy::needless_pass_by_value, reason = "every caller makes it in place")]
    fn node(address: &str, annotations: Value) -> (String, Addresses) {
        let node = json!({
            "metadata": { "name": "one", "annotations": annotations }, "spec": {},
            "status": { "addresses": [
                { "type": "InternalIP", "address": address }, { "type": "Hostname", "address": "one" },
            ] },
        });
        let addresses = egress_addresses(&serde_json::from_value(node).expect("a Node")).expect("addresses");
        (address.to_owned(), addresses)
    }

    fn peers_of(host_ip: &str, nodes: &Rows<Addresses>) -> Vec<String> {
        let peers = peer_addresses(nodes, host_ip.parse().expect("an address"));
        peers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn peers_send_from_host_ip_and_annotated_addresses() {
        let nodes = Rows::from([
            node("198.51.100.11", json!({ EGRESS_ADDRESSES_ANNOTATION: "198.51.100.57,198.51.100.58" })),
            node("198.51.100.12", json!({ EGRESS_ADDRESSES_ANNOTATION_OLD: "198.51.100.59" })),
            node("198.51.100.13", json!({ EGRESS_ADDRESSES_ANNOTATION: "nonsense," })),
        ]);
        assert_eq!(peers_of("198.51.100.11", &nodes), ["198.51.100.12", "198.51.100.13", "198.51.100.59"]);
        assert_eq!(
            peers_of("198.51.100.12", &nodes),
            ["198.51.100.11", "198.51.100.13", "198.51.100.57", "198.51.100.58"]
        );
    }
}
