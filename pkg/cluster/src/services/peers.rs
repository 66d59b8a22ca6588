//! Addresses of all hosts of the cluster: whom the VXLAN relay listens to.

use super::Update;
use super::follow::{Change, Table};
use super::session::{broken, config, forever};
use crate::{Cluster, Error};
use futures::{Stream, StreamExt};
use kube::Api;
use kube::core::{ApiResource, Object};
use kube::runtime::watcher::watcher;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::IpAddr;
use std::path::Path;
use std::pin::pin;

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
type Addresses = BTreeSet<IpAddr>;

/// Reports the HOST_IPs of all nodes, at once and after every change. Never ends; drop it to stop.
pub async fn follow_hosts(kubeconfig: &Path, mut report: impl FnMut(Update<Addresses>) + Send) -> Infallible {
    let mut last = None;
    let mut changed = |update| {
        match &update {
            Update::State(state) if last.as_ref() == Some(state) => return,
            Update::State(state) => last = Some(Addresses::clone(state)),
            Update::Lost(_) => {}
        }
        report(update);
    };
    forever(kubeconfig, &mut changed, async |cluster, say| {
        let mut nodes = Table::default();
        let mut changes = pin!(watch_nodes(&cluster));
        while let Some(change) = changes.next().await {
            nodes.change(change?);
            if nodes.complete {
                say(nodes.rows.values().flatten().copied().collect());
            }
        }
        unreachable!("watchers go on for ever")
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
