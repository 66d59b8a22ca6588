//! Draining a node, as `kubectl drain --ignore-daemonsets` does.

use crate::client::describe;
use crate::{Cluster, Error, Verb, wait};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, EvictParams, ListParams};
use kube::runtime::watcher::{self, Event};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Annotation of static pods, which only their kubelet can end.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";
/// Evictions under way at a time.
const CONCURRENCY: usize = 16;
/// Pause after a disruption budget has refused an eviction: there is nothing to watch for.
const BUDGET_PAUSE: Duration = Duration::from_secs(1);

impl Cluster {
    /// Cordons a node and evicts its pods except those of DaemonSets and static ones. Disruption budgets are respected.
    ///
    /// Returns when the pods are gone, or with [`Error::Timeout`] after `limit`.
    pub async fn drain_node(&self, name: &str, limit: Duration) -> Result<(), Error> {
        self.cordon_node(name, true).await?;
        let deadline = Instant::now() + limit;
        let params = ListParams::default().fields(&format!("spec.nodeName={name}"));
        let pods = self.all::<Pod>().list(&params).await;
        let pods = pods.map_err(Error::request(Verb::List, format!("Pods on node {name}")))?;
        stream::iter(pods.into_iter().filter(is_evictable))
            .map(|pod| async move {
                timeout_at(deadline, self.evict_pod(&pod, name)).await.unwrap_or_else(|_| {
                    let pod = describe::<Pod>(pod.metadata.namespace.as_deref(), &pod.name_any());
                    let last_seen = format!("{pod} is still there: a disruption budget or its grace period holds it");
                    Err(Error::Timeout { what: format!("drain of node {name}"), waited: limit, last_seen })
                })
            })
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await
    }

    async fn evict_pod(&self, pod: &Pod, node: &str) -> Result<(), Error> {
        let namespace = pod.namespace().unwrap_or_default();
        let name = pod.name_any();
        let api = self.namespaced::<Pod>(&namespace);
        loop {
            match api.evict(&name, &EvictParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 429 => tokio::time::sleep(BUDGET_PAUSE).await,
                // The pod ends with its namespace, in which nothing can be created any more, not even an eviction.
                Err(kube::Error::Api(status)) if is_terminating(&status) => break,
                Err(error) => return Err(Error::request(Verb::Evict, describe::<Pod>(Some(&namespace), &name))(error)),
                Ok(_) => break,
            }
        }
        wait_pod_deleted(api, pod, node).await
    }
}

/// Waits until a pod is gone. The selector names the node as well: a kubelet may watch only pods of its own node.
async fn wait_pod_deleted(api: Api<Pod>, pod: &Pod, node: &str) -> Result<(), Error> {
    let name = pod.name_any();
    let config = watcher::Config::default().fields(&format!("spec.nodeName={node},metadata.name={name}"));
    let mut events = pin!(watcher::watcher(api, config));
    let mut exists = false;
    loop {
        match events.next().await {
            Some(Ok(Event::Init)) | None => exists = false,
            // A StatefulSet makes another pod of the same name.
            Some(Ok(Event::InitApply(seen) | Event::Apply(seen))) => exists = seen.uid() == pod.uid(),
            Some(Ok(Event::InitDone)) if !exists => return Ok(()),
            Some(Ok(Event::InitDone)) => {}
            Some(Ok(Event::Delete(_))) => return Ok(()),
            Some(Err(error)) => {
                let object = describe::<Pod>(pod.metadata.namespace.as_deref(), &name);
                wait::pause_or_fail(error, &object).await?;
            }
        }
    }
}

fn is_terminating(status: &kube::core::Status) -> bool {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    status.code == 403 && causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
}

fn is_evictable(pod: &Pod) -> bool {
    let mirror = pod.annotations().contains_key(MIRROR_ANNOTATION);
    let of_daemon_set = pod.owner_references().iter().any(|o| o.kind == "DaemonSet" && o.controller == Some(true));
    !mirror && !of_daemon_set
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[expect(clippy::needless_pass_by_value, reason = "every caller makes it in place")]
    fn pod(metadata: Value) -> Pod {
        serde_json::from_value(json!({ "metadata": metadata })).expect("a Pod")
    }

    fn owned_by(kind: &str) -> Pod {
        let owner = json!({ "apiVersion": "apps/v1", "kind": kind, "name": "a", "uid": "b", "controller": true });
        pod(json!({ "ownerReferences": [owner] }))
    }

    #[test]
    fn daemon_and_static_pods_stay() {
        assert!(is_evictable(&pod(json!({}))));
        assert!(is_evictable(&owned_by("ReplicaSet")));
        assert!(!is_evictable(&owned_by("DaemonSet")));
        assert!(!is_evictable(&pod(json!({ "annotations": { MIRROR_ANNOTATION: "x" } }))));
    }
}
