//! Addresses of all hosts of the cluster: whom the VXLAN relay listens to.

use super::Update;
use super::follow::{Change, Table};
use super::session::{broken, config, forever};
use crate::{Cluster, Error};
use futures::future::ready;
use futures::{Stream, StreamExt};
use kube::core::{ApiResource, Object};
use kube::runtime::watcher::watcher;
use kube::{Api, ResourceExt};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use usernetes_api::constants::SOURCES_ANNOTATION;

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
/// HOST_IPs.
type Addresses = BTreeSet<IpAddr>;

/// Reports the addresses that all hosts but our own, known by its HOST_IP, send from, at once and after every change.
/// Never ends; drop it to stop.
pub async fn follow_hosts(kubeconfig: &Path, host_ip: IpAddr, mut report: impl FnMut(Update<Addresses>)) -> Infallible {
    forever(kubeconfig, &mut report, |cluster| {
        let mut nodes = Table::default();
        let state = move |change: Result<Change<Addresses>, Error>| {
            let change = change.map(|change| nodes.change(change));
            let all = || others(nodes.rows.values(), host_ip);
            ready(change.map(|()| nodes.complete.then(all)).transpose())
        };
        watch(cluster, senders).filter_map(state).boxed()
    })
    .await
}

fn others<'a>(nodes: impl Iterator<Item = &'a Addresses>, host_ip: IpAddr) -> Addresses {
    nodes.filter(|node| !node.contains(&host_ip)).flatten().copied().collect()
}

/// What a host's packets may come from: HOST_IP, and whatever else it says.
fn senders(node: &Node) -> Option<Addresses> {
    let mut all = internal(node)?;
    let said = node.annotations().get(SOURCES_ANNOTATION).map(String::as_str).unwrap_or_default();
    all.extend(said.split(',').filter_map(|address| address.parse::<IpAddr>().ok()));
    Some(all)
}

/// Who a node is to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    /// DNS names among its addresses.
    pub(crate) names: BTreeSet<String>,
    pub(crate) addresses: Addresses,
}

pub(crate) fn watch_identities(cluster: &Cluster) -> impl Stream<Item = Result<Change<Identity>, Error>> + use<> {
    watch(cluster, |node: &Node| {
        let all = node.status.as_ref().map(|status| status.addresses.as_slice()).unwrap_or_default();
        let (addresses, names): (Vec<_>, Vec<_>) = all.iter().partition(|a| a.r#type.ends_with("IP"));
        Some(Identity {
            name: node.name_any(),
            names: names.into_iter().map(|name| name.address.clone()).collect(),
            addresses: addresses.into_iter().filter_map(|a| a.address.parse().ok()).collect(),
        })
    })
}

pub(super) fn watch_nodes(cluster: &Cluster) -> impl Stream<Item = Result<Change<Addresses>, Error>> + use<> {
    watch(cluster, internal)
}

/// All Nodes, cut down.
pub(super) fn watch<T, F: Fn(&Node) -> Option<T>>(
    cluster: &Cluster,
    cut: F,
) -> impl Stream<Item = Result<Change<T>, Error>> + use<T, F> {
    let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Node>(&());
    let api: Api<Node> = Api::all_with(cluster.client(), &resource);
    watcher(api, config()).map(move |event| match event {
        Ok(event) => Ok(Change::of(event, &cut)),
        Err(error) => Err(broken("Nodes", error)),
    })
}

fn internal(node: &Node) -> Option<Addresses> {
    let addresses = &node.status.as_ref()?.addresses;
    Some(addresses.iter().filter(|a| a.r#type == "InternalIP").filter_map(|a| a.address.parse().ok()).collect())
}

/// Where the API server reaches the kubelet.
pub(super) fn kubelet(node: &Node) -> Option<SocketAddr> {
    let port = node.status.as_ref()?.daemon_endpoints.kubelet_endpoint.port;
    Some(SocketAddr::new(internal(node)?.into_iter().next()?, port)).filter(|_| port != 0)
}

/// The message of a condition.
pub(super) fn condition(node: &Node, wanted: &str) -> Option<String> {
    let conditions = &node.status.as_ref()?.conditions;
    Some(conditions.iter().find(|condition| condition.r#type == wanted)?.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn who_sends() {
        let node = |address: &str, annotations: Value| -> Addresses {
            let node = json!({
                "metadata": { "name": "one", "annotations": annotations }, "spec": {},
                "status": { "addresses": [
                    { "type": "InternalIP", "address": address }, { "type": "Hostname", "address": "one" },
                ] },
            });
            senders(&serde_json::from_value(node).expect("a Node")).expect("addresses")
        };
        let nodes = [
            node("198.51.100.11", json!({ SOURCES_ANNOTATION: "198.51.100.57,198.51.100.58" })),
            node("198.51.100.12", json!({})),
            node("198.51.100.13", json!({ SOURCES_ANNOTATION: "nonsense," })),
        ];
        let seen_by = |host_ip: &str| {
            let others = others(nodes.iter(), host_ip.parse().expect("an address"));
            others.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(seen_by("198.51.100.11"), ["198.51.100.12", "198.51.100.13"]);
        assert_eq!(seen_by("198.51.100.12"), ["198.51.100.11", "198.51.100.13", "198.51.100.57", "198.51.100.58"]);
    }
}
