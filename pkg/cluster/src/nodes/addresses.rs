//! Nodes as far as controllers need them: their addresses, and what depends on those.

use crate::watch::{Change, page_config, watch_changes};
use crate::{Cluster, Error};
use futures::Stream;
use ipnet::Ipv4Net;
use kube::core::{ApiResource, Object};
use kube::{Api, ResourceExt};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NodeSpec {
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Vec<String>,
}

impl NodeSpec {
    /// The IPv4 networks of its pods; none before the controller manager has given it one.
    pub(super) fn pod_networks(&self) -> Vec<Ipv4Net> {
        self.pod_cidrs.iter().filter_map(|cidr| cidr.parse().ok()).collect()
    }
}

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

pub(super) type Node = Object<NodeSpec, NodeStatus>;
/// Addresses of hosts.
pub(crate) type Addresses = BTreeSet<IpAddr>;

/// Where a Node says that its kubelet is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeIdentity {
    pub(crate) name: String,
    /// Its first InternalIP.
    pub(crate) address: Option<IpAddr>,
    /// Port of its kubelet, 0 if unknown.
    pub(crate) kubelet_port: u16,
}

impl NodeIdentity {
    fn from_node(node: &Node) -> Self {
        let endpoints = node.status.as_ref().map(|status| status.daemon_endpoints.kubelet_endpoint.port);
        Self { name: node.name_any(), address: first_internal_address(node), kubelet_port: endpoints.unwrap_or(0) }
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

pub(super) fn internal_addresses(node: &Node) -> Option<Addresses> {
    let addresses = &node.status.as_ref()?.addresses;
    Some(addresses.iter().filter(|a| a.r#type == "InternalIP").filter_map(|a| a.address.parse().ok()).collect())
}

/// The one that the API server uses.
fn first_internal_address(node: &Node) -> Option<IpAddr> {
    let mut addresses = node.status.as_ref()?.addresses.iter();
    addresses.find(|a| a.r#type == "InternalIP")?.address.parse().ok()
}

/// The address at which the API server reaches the kubelet.
pub(super) fn kubelet_address(node: &Node) -> Option<SocketAddr> {
    let port = node.status.as_ref()?.daemon_endpoints.kubelet_endpoint.port;
    Some(SocketAddr::new(first_internal_address(node)?, port)).filter(|_| port != 0)
}

/// The message of a condition.
pub(super) fn condition_message(node: &Node, condition: &str) -> Option<String> {
    let conditions = &node.status.as_ref()?.conditions;
    Some(conditions.iter().find(|found| found.r#type == condition)?.message.clone())
}
