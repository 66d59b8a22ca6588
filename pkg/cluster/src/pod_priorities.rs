//! Priorities of the pods of a node, for the order in which they are stopped.

use crate::watch::{Change, Rows, Table, Update, watch_node_pods, watch_reconnecting};
use crate::{Cluster, Error};
use futures::future::ready;
use futures::{Stream, StreamExt};
use kube::ResourceExt;
use kube::core::Object;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PodSpec {
    priority: i32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PodStatus {}

type Pod = Object<PodSpec, PodStatus>;

/// Reports the priorities that are not 0, by uid of the pod, at once and after every change. Never ends; drop it to stop.
///
/// `kubeconfig` is the kubelet's: it may list the pods of its own node.
pub async fn follow_pod_priorities(
    kubeconfig: &Path,
    node: &str,
    mut report: impl FnMut(Update<BTreeMap<String, i32>>),
) -> Infallible {
    watch_reconnecting(kubeconfig, &mut report, |cluster| {
        let mut pods = Table::default();
        let priorities = watch_pods(&cluster, node).filter_map(move |change| {
            let change = change.map(|change| pods.apply_change(change));
            ready(change.map(|()| pods.complete.then(|| by_uid(&pods.rows))).transpose())
        });
        priorities.boxed()
    })
    .await
}

fn by_uid(pods: &Rows<(String, i32)>) -> BTreeMap<String, i32> {
    pods.values().cloned().collect()
}

fn watch_pods(cluster: &Cluster, node: &str) -> impl Stream<Item = Result<Change<(String, i32)>, Error>> + use<> {
    watch_node_pods(cluster, node, |pod: &Pod| {
        Some((pod.uid()?, pod.spec.priority)).filter(|(_, priority)| *priority != 0)
    })
}
