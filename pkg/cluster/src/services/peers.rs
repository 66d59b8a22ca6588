//! Addresses of all hosts of the cluster: whom the VXLAN relay listens to.

use super::Update;
use super::follow::{Change, Table};
use super::session::{broken, config, forever};
use crate::{Cluster, Error};
use futures::future::ready;
use futures::{Stream, StreamExt};
use kube::Api;
use kube::core::{ApiResource, Object};
use kube::runtime::watcher::watcher;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::IpAddr;
use std::path::Path;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct NoSpec {}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct NodeStatus {
    addresses: Vec<NodeAddress>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct NodeAddress {
    r#type: String,
    address: String,
}

type Node = Object<NoSpec, NodeStatus>;
/// HOST_IPs.
type Addresses = BTreeSet<IpAddr>;

/// Reports the HOST_IPs of all nodes, at once and after every change. Never ends; drop it to stop.
pub async fn follow_hosts(kubeconfig: &Path, mut report: impl FnMut(Update<Addresses>)) -> Infallible {
    forever(kubeconfig, &mut report, |cluster| {
        let mut nodes = Table::default();
        let state = move |change: Result<Change<Addresses>, Error>| {
            let change = change.map(|change| nodes.change(change));
            let all = || nodes.rows.values().flatten().copied().collect();
            ready(change.map(|()| nodes.complete.then(all)).transpose())
        };
        watch_nodes(cluster).filter_map(state).boxed()
    })
    .await
}

pub(super) fn watch_nodes(cluster: &Cluster) -> impl Stream<Item = Result<Change<Addresses>, Error>> + use<> {
    let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Node>(&());
    let api: Api<Node> = Api::all_with(cluster.client(), &resource);
    watcher(api, config()).map(|event| match event {
        Ok(event) => Ok(Change::of(event, internal)),
        Err(error) => Err(broken("Nodes", error)),
    })
}

fn internal(node: &Node) -> Option<Addresses> {
    let addresses = &node.status.as_ref()?.addresses;
    Some(addresses.iter().filter(|a| a.r#type == "InternalIP").filter_map(|a| a.address.parse().ok()).collect())
}
