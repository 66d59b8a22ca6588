//! Workers that leave. A kubelet may not delete its own Node: it would shed the taints and labels by which an administrator
//! keeps it away from pods. So a worker asks by an annotation, and the control plane deletes the Node and keeps them.

use super::kept_marks::{KeptMarks, Marks};
use crate::client::{describe, patch_params};
use crate::watch::{Table, Update, page_config, skip_object_error, watch_changes, watch_reconnecting};
use crate::{Cluster, Error, Verb};
use futures::future::ready;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{DeleteParams, Patch, Preconditions};
use kube::runtime::conditions::is_deleted;
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt};
use serde_json::json;
use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;
use usernetes_api::constants::{CONTROL_PLANE_LABEL, LEAVING_ANNOTATION};

/// ClusterRole and ClusterRoleBinding of earlier versions, by which a kubelet could delete its own Node.
const FORMER_ROLE: &str = "usernetes:delete-own-node";

/// A Node, as far as its leaving and its return are concerned.
#[derive(Clone, Debug, PartialEq)]
struct NodeRow {
    name: String,
    uid: String,
    is_leaving: bool,
    marks: Marks,
}

impl NodeRow {
    /// `None` for the control plane, which ends with its cluster.
    fn from_node(node: &Node) -> Option<Self> {
        (!node.labels().contains_key(CONTROL_PLANE_LABEL)).then(|| Self {
            name: node.name_any(),
            uid: node.uid().unwrap_or_default(),
            is_leaving: node.annotations().contains_key(LEAVING_ANNOTATION),
            marks: Marks::from_node(node),
        })
    }
}

/// Deletes the Nodes that ask for it, and puts back what was set on Nodes that return. Never ends; drop it to stop.
pub async fn answer_leaving_nodes(kubeconfig: &Path, mut report: impl FnMut(Update<()>)) -> Infallible {
    watch_reconnecting(kubeconfig, &mut report, move |cluster| {
        let mut nodes = Table::default();
        let changes = watch_changes(cluster.all::<Node>(), page_config(), "Nodes", NodeRow::from_node);
        let rounds = changes.filter_map(move |change| {
            let rows = change.map(|change| {
                nodes.apply_change(change);
                nodes.complete.then(|| nodes.rows.values().cloned().collect::<Vec<_>>())
            });
            ready(rows.transpose())
        });
        let first = cluster.clone();
        let former = stream::once(async move { skip_object_error(first.delete_former_role().await) });
        former.chain(rounds.then(move |rows| work_off(cluster.clone(), rows))).boxed()
    })
    .await
}

async fn work_off(cluster: Cluster, rows: Result<Vec<NodeRow>, Error>) -> Result<(), Error> {
    let rows = rows?;
    let mut kept = cluster.kept_marks().await?;
    for row in rows {
        let result = if row.is_leaving {
            delete_leaving(&cluster, &row, &mut kept).await
        } else {
            put_back(&cluster, &row, &mut kept).await
        };
        skip_object_error(result)?;
    }
    Ok(())
}

/// The marks are kept before the Node is deleted: it may be registered again at once.
async fn delete_leaving(cluster: &Cluster, row: &NodeRow, kept: &mut KeptMarks) -> Result<(), Error> {
    if kept.insert(&row.name, row.marks.clone()) {
        cluster.write_kept_marks(kept).await?;
    }
    let preconditions = Some(Preconditions { uid: Some(row.uid.clone()), resource_version: None });
    let params = DeleteParams { preconditions, ..DeleteParams::default() };
    match cluster.all::<Node>().delete(&row.name, &params).await {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        result => {
            result.map_err(Error::request(Verb::Delete, describe::<Node>(None, &row.name)))?;
            tracing::info!(node = row.name, "node has left the cluster");
            Ok(())
        }
    }
}

async fn put_back(cluster: &Cluster, row: &NodeRow, kept: &mut KeptMarks) -> Result<(), Error> {
    let Some(marks) = kept.get(&row.name) else { return Ok(()) };
    let api: Api<Node> = cluster.all();
    let object = describe::<Node>(None, &row.name);
    let node = api.get(&row.name).await.map_err(Error::request(Verb::Get, &*object))?;
    let patch = Patch::Merge(json!({
        "metadata": { "resourceVersion": node.resource_version(), "labels": marks.labels },
        "spec": { "taints": marks.merge_taints(&node) },
    }));
    api.patch(&row.name, &patch_params(), &patch).await.map_err(Error::request(Verb::Apply, object))?;
    tracing::info!(node = row.name, "node is back; its taints and restricted labels are restored");
    kept.remove(&row.name);
    cluster.write_kept_marks(kept).await
}

impl Cluster {
    /// Asks the control plane to delete a Node and waits until it is gone. A kubelet may ask for its own.
    pub async fn leave(&self, name: &str, limit: Duration) -> Result<(), Error> {
        let api: Api<Node> = self.all();
        let object = describe::<Node>(None, name);
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { LEAVING_ANNOTATION: "true" } } }));
        let node = match api.patch_metadata(name, &patch_params(), &patch).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            result => result.map_err(Error::request(Verb::Apply, &*object))?,
        };
        let uid = node.metadata.uid.unwrap_or_default();
        let deleted = await_condition(api, name, is_deleted(&uid));
        if timeout(limit, deleted).await.is_ok_and(|deleted| deleted.is_ok()) {
            return Ok(());
        }
        let last_seen = "the control plane does not answer the request to leave".to_owned();
        Err(Error::Timeout { what: format!("the end of {object}"), waited: limit, last_seen })
    }

    async fn delete_former_role(&self) -> Result<(), Error> {
        let role = self.all::<ClusterRole>().delete(FORMER_ROLE, &DeleteParams::default()).await.map(drop);
        let binding = self.all::<ClusterRoleBinding>().delete(FORMER_ROLE, &DeleteParams::default()).await.map(drop);
        for result in [role, binding] {
            match result {
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                result => result.map_err(Error::request(Verb::Delete, describe::<ClusterRole>(None, FORMER_ROLE)))?,
            }
        }
        Ok(())
    }
}
