//! Waits for a Deployment, and for a node's pod of a DaemonSet.

use super::wait_until;
use crate::client::{describe, get_opt};
use crate::{Cluster, Error};
use futures::StreamExt;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::Selector;
use kube::runtime::watcher::{self, Event};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

impl Cluster {
    /// Waits until all pods of a Deployment are updated and available.
    pub async fn wait_deployment_available(&self, namespace: &str, name: &str, limit: Duration) -> Result<(), Error> {
        let available = wait_until(self.namespaced::<Deployment>(namespace), name, is_available);
        let what = format!("{} to become available", describe::<Deployment>(Some(namespace), name));
        self.with_limit(limit, what, available, async {
            let found = get_opt(&self.namespaced::<Deployment>(namespace), Some(namespace), name).await;
            let selector = found.ok().flatten().and_then(|deployment| deployment.spec).map(|spec| spec.selector);
            self.explain_pods(namespace, selector, None).await
        })
        .await
    }

    /// Waits until the pod of a DaemonSet on a node is Ready.
    pub async fn wait_daemonset_ready_on(
        &self,
        namespace: &str,
        name: &str,
        node: &str,
        limit: Duration,
    ) -> Result<(), Error> {
        let what = format!("{} to become ready on node {node}", describe::<DaemonSet>(Some(namespace), name));
        let api = self.namespaced::<DaemonSet>(namespace);
        let ready = async {
            let mut selector = None;
            wait_until(api.clone(), name, |set| {
                selector = set.and_then(|set| set.spec.as_ref()).map(|spec| spec.selector.clone());
                selector.is_some()
            })
            .await?;
            self.wait_pod_ready_on(namespace, selector.unwrap_or_default(), node).await
        };
        self.with_limit(limit, what, ready, async {
            let found = get_opt(&api, Some(namespace), name).await;
            let selector = found.ok().flatten().and_then(|set| set.spec).map(|spec| spec.selector);
            self.explain_pods(namespace, selector, Some(node)).await
        })
        .await
    }

    async fn wait_pod_ready_on(&self, namespace: &str, selector: LabelSelector, node: &str) -> Result<(), Error> {
        let config =
            watcher::Config::default().labels_from(&to_selector(selector)).fields(&format!("spec.nodeName={node}"));
        let mut changes = pin!(watcher::watcher(self.namespaced::<Pod>(namespace), config));
        loop {
            match changes.next().await {
                Some(Ok(Event::Apply(pod) | Event::InitApply(pod))) if is_ready(&pod) => return Ok(()),
                Some(Err(error)) => super::pause_or_fail(error, &format!("Pods of {namespace}")).await?,
                Some(Ok(_)) | None => {}
            }
        }
    }

    async fn with_limit(
        &self,
        limit: Duration,
        what: String,
        done: impl Future<Output = Result<(), Error>>,
        last_seen: impl Future<Output = String>,
    ) -> Result<(), Error> {
        match timeout_at(Instant::now() + limit, Box::pin(done)).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout { what, waited: limit, last_seen: Box::pin(last_seen).await }),
        }
    }
}

/// Selectors of our manifests and of the API server are valid; one that were not would select everything.
pub(super) fn to_selector(selector: LabelSelector) -> Selector {
    selector.try_into().unwrap_or_default()
}

/// The condition Available does not suffice: with one replica, of which one may be unavailable, it is true without any pod.
fn is_available(deployment: Option<&Deployment>) -> bool {
    deployment.is_some_and(|deployment| all_replicas_available(deployment).unwrap_or(false))
}

fn all_replicas_available(deployment: &Deployment) -> Option<bool> {
    let status = deployment.status.as_ref()?;
    let replicas = deployment.spec.as_ref()?.replicas.unwrap_or(1);
    let observed = status.observed_generation? >= deployment.metadata.generation?;
    let updated = status.updated_replicas.unwrap_or(0) >= replicas;
    Some(observed && updated && status.available_replicas.unwrap_or(0) >= replicas)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(generation: i64, observed: i64, updated: i64, available: i64) -> Option<Deployment> {
        let value = json!({
            "metadata": { "generation": generation },
            "spec": { "replicas": 2, "selector": {}, "template": {} },
            "status": {
                "observedGeneration": observed, "updatedReplicas": updated, "availableReplicas": available,
                "conditions": [{ "type": "Available", "status": "True" }],
            },
        });
        serde_json::from_value(value).expect("a Deployment")
    }

    #[test]
    fn available_means_updated_and_available() {
        assert!(is_available(deployment(2, 2, 2, 2).as_ref()));
        assert!(!is_available(deployment(2, 1, 2, 2).as_ref()), "the controller has not seen the change");
        assert!(!is_available(deployment(2, 2, 1, 2).as_ref()), "old pods");
        assert!(!is_available(deployment(2, 2, 2, 1).as_ref()), "too few");
        assert!(!is_available(None));
    }

    #[test]
    fn a_terminating_pod_is_not_ready() {
        let status = json!({ "conditions": [{ "type": "Ready", "status": "True" }] });
        let mut pod: Pod = serde_json::from_value(json!({ "metadata": {}, "status": status })).expect("a Pod");
        assert!(is_ready(&pod));
        pod.metadata.deletion_timestamp = serde_json::from_value(json!("2026-11-23T10:00:00Z")).ok();
        assert!(!is_ready(&pod));
    }
}
