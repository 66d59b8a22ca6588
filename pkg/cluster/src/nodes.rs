//! Nodes as objects: listing, emptying, removing.

use crate::client::{MANAGER, describe, get_opt};
use crate::{Cluster, Error, Verb, wait};
use futures::{StreamExt, TryStreamExt, stream};
use ipnet::IpNet;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, EvictParams, ListParams, Patch, PatchParams};
use kube::runtime::watcher::{self, Event};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
/// Annotation of static pods, which only their kubelet can end.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// Evictions under way at a time.
const CONCURRENCY: usize = 16;
/// Pause after a disruption budget has said no: there is nothing to watch for.
const BUDGET_PAUSE: Duration = Duration::from_secs(1);

/// A node in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its name.
    pub name: String,
    /// `control-plane` or whatever its labels say; empty for a worker.
    pub roles: Vec<String>,
    /// HOST_IP.
    pub addresses: Vec<IpAddr>,
    /// Addresses of its pods, once it has some.
    pub pods: Option<IpNet>,
    /// Version of its kubelet.
    pub version: String,
    /// Whether the last report said Ready.
    pub ready: bool,
    /// Whether it takes no new pods.
    pub cordoned: bool,
    /// What it runs out of, as it last said: `DiskPressure`, `MemoryPressure`, `PIDPressure`.
    pub pressure: Vec<String>,
}

impl Cluster {
    /// All nodes, by name.
    pub async fn list_nodes(&self) -> Result<Vec<NodeInfo>, Error> {
        let list =
            self.all::<Node>().list(&ListParams::default()).await.map_err(Error::request(Verb::List, "Nodes"))?;
        let mut nodes: Vec<_> = list.iter().map(info).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }

    /// One node; `None` where there is none of that name.
    pub async fn node(&self, name: &str) -> Result<Option<NodeInfo>, Error> {
        Ok(get_opt(&self.all::<Node>(), None, name).await?.as_ref().map(info))
    }

    /// Lets a node take no new pods, or again.
    pub async fn cordon_node(&self, name: &str, cordoned: bool) -> Result<(), Error> {
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({ "spec": { "unschedulable": cordoned } }));
        let result = self.all::<Node>().patch(name, &params, &patch).await;
        result.map(drop).map_err(Error::request(Verb::Apply, describe::<Node>(None, name)))
    }

    /// Cordons a node and evicts its pods but those of DaemonSets and static ones; disruption budgets are respected.
    pub async fn drain_node(&self, name: &str, limit: Duration) -> Result<(), Error> {
        self.cordon_node(name, true).await?;
        let deadline = Instant::now() + limit;
        let params = ListParams::default().fields(&format!("spec.nodeName={name}"));
        let pods = self.all::<Pod>().list(&params).await;
        let pods = pods.map_err(Error::request(Verb::List, format!("Pods on node {name}")))?;
        let leaving = pods.into_iter().filter(must_leave);
        stream::iter(leaving)
            .map(|pod| async move {
                timeout_at(deadline, self.evict(&pod, name)).await.unwrap_or_else(|_| {
                    let pod = describe::<Pod>(pod.metadata.namespace.as_deref(), &pod.name_any());
                    let last_seen = format!("{pod} is still there: a disruption budget or its grace period holds it");
                    Err(Error::Timeout { what: format!("drain of node {name}"), waited: limit, last_seen })
                })
            })
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await
    }

    async fn evict(&self, pod: &Pod, node: &str) -> Result<(), Error> {
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let api = self.namespaced::<Pod>(&namespace);
        loop {
            match api.evict(&name, &EvictParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 429 => tokio::time::sleep(BUDGET_PAUSE).await,
                // It goes with its namespace, in which nothing can be made any more, not even an eviction.
                Err(kube::Error::Api(status)) if is_terminating(&status) => break,
                Err(error) => return Err(Error::request(Verb::Evict, describe::<Pod>(Some(&namespace), &name))(error)),
                Ok(_) => break,
            }
        }
        gone(api, pod, node).await
    }

    /// Gives a node a label, or with `None` takes it away, as soon as there is such a node.
    pub async fn label_node(&self, name: &str, label: &str, value: Option<&str>) -> Result<(), Error> {
        self.mark_node(name, &json!({ "labels": { label: value } })).await
    }

    /// The same with an annotation.
    pub async fn annotate_node(&self, name: &str, annotation: &str, value: Option<&str>) -> Result<(), Error> {
        self.mark_node(name, &json!({ "annotations": { annotation: value } })).await
    }

    async fn mark_node(&self, name: &str, metadata: &Value) -> Result<(), Error> {
        self.wait_node_registered(name).await?;
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        let result = self.all::<Node>().patch_metadata(name, &params, &patch).await;
        result.map(drop).map_err(Error::request(Verb::Apply, describe::<Node>(None, name)))
    }

    /// Deletes a Node object; one that is gone already is fine.
    pub async fn delete_node(&self, name: &str) -> Result<(), Error> {
        match self.all::<Node>().delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            result => result.map(drop).map_err(Error::request(Verb::Delete, describe::<Node>(None, name))),
        }
    }
}

/// Waits until a pod is gone. Asked by its node as well: a kubelet may see the pods of its own node and no others.
async fn gone(api: Api<Pod>, pod: &Pod, node: &str) -> Result<(), Error> {
    let name = pod.name_any();
    let only = watcher::Config::default().fields(&format!("spec.nodeName={node},metadata.name={name}"));
    let mut events = pin!(watcher::watcher(api, only));
    let mut there = false;
    loop {
        match events.next().await {
            Some(Ok(Event::Init)) | None => there = false,
            Some(Ok(Event::InitApply(seen) | Event::Apply(seen))) => there = seen.uid() == pod.uid(),
            Some(Ok(Event::InitDone)) if !there => return Ok(()),
            Some(Ok(Event::InitDone)) => {}
            Some(Ok(Event::Delete(_))) => return Ok(()),
            Some(Err(error)) => {
                wait::retry(error, &describe::<Pod>(pod.metadata.namespace.as_deref(), &name)).await?;
            }
        }
    }
}

fn is_terminating(status: &kube::core::Status) -> bool {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    status.code == 403 && causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
}

fn must_leave(pod: &Pod) -> bool {
    let mirror = pod.annotations().contains_key(MIRROR);
    let of_daemon_set = pod.owner_references().iter().any(|o| o.kind == "DaemonSet" && o.controller == Some(true));
    !mirror && !of_daemon_set
}

fn info(node: &Node) -> NodeInfo {
    let status = node.status.as_ref();
    let addresses = status.and_then(|status| status.addresses.as_deref()).unwrap_or_default();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    NodeInfo {
        name: node.name_any(),
        roles: node.labels().keys().filter_map(|key| Some(key.strip_prefix(ROLE_PREFIX)?.to_owned())).collect(),
        addresses: addresses
            .iter()
            .filter(|a| a.type_ == "InternalIP")
            .filter_map(|a| a.address.parse().ok())
            .collect(),
        pods: node.spec.as_ref().and_then(|spec| spec.pod_cidr.as_ref()?.parse().ok()),
        version: status.and_then(|s| Some(s.node_info.as_ref()?.kubelet_version.clone())).unwrap_or_default(),
        ready: conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"),
        cordoned: node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false),
        pressure: conditions
            .iter()
            .filter(|c| c.type_.ends_with("Pressure") && c.status == "True")
            .map(|c| c.type_.clone())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_short() {
        let node: Node = serde_json::from_value(json!({
            "metadata": { "name": "one", "labels": { "node-role.kubernetes.io/control-plane": "", "a": "b" } },
            "spec": { "unschedulable": true, "podCIDR": "10.244.0.0/24" },
            "status": {
                "addresses": [{ "type": "InternalIP", "address": "198.51.100.11" }, { "type": "Hostname", "address": "one" }],
                "conditions": [{ "type": "Ready", "status": "Unknown" }, { "type": "DiskPressure", "status": "True" },
                    { "type": "PIDPressure", "status": "False" }],
                "nodeInfo": { "kubeletVersion": "v1.36.3", "architecture": "", "bootID": "", "containerRuntimeVersion": "",
                    "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "", "systemUUID": "" },
            },
        }))
        .expect("a Node");
        assert_eq!(
            info(&node),
            NodeInfo {
                name: "one".to_owned(),
                roles: vec!["control-plane".to_owned()],
                addresses: vec!["198.51.100.11".parse().expect("an address")],
                pods: Some("10.244.0.0/24".parse().expect("a network")),
                version: "v1.36.3".to_owned(),
                ready: false,
                cordoned: true,
                pressure: vec!["DiskPressure".to_owned()],
            }
        );
    }

    #[test]
    fn who_leaves() {
        let pod = |metadata| must_leave(&serde_json::from_value(json!({ "metadata": metadata })).expect("a Pod"));
        let owned = |kind: &str| json!({ "ownerReferences": [{ "apiVersion": "apps/v1", "kind": kind, "name": "a", "uid": "b", "controller": true }] });
        assert!(pod(json!({})));
        assert!(pod(owned("ReplicaSet")));
        assert!(!pod(owned("DaemonSet")));
        assert!(!pod(json!({ "annotations": { MIRROR: "x" } })));
    }
}
