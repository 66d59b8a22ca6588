//! Why something is not there yet, in one line a thing.

use super::limits::limit;
use super::workload::to_selector;
use crate::Cluster;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;
use kube::api::ListParams;
use std::time::Duration;
use tokio::time::timeout;

/// The answer may not take long itself: the API server may be what is broken.
const LIMIT: Duration = Duration::from_secs(5);
/// Newest events told of a pod.
const EVENTS: usize = 3;

impl Cluster {
    /// Pods that match, with what holds each of them.
    pub(super) async fn explain_pods(
        &self,
        namespace: &str,
        selector: Option<LabelSelector>,
        node: Option<&str>,
    ) -> String {
        let Some(selector) = selector else { return "it does not exist".to_owned() };
        let mut params = ListParams::default().labels_from(&to_selector(selector));
        if let Some(node) = node {
            params = params.fields(&format!("spec.nodeName={node}"));
        }
        let pods = match timeout(LIMIT, self.namespaced::<Pod>(namespace).list(&params)).await {
            Err(_) => return "the API server does not answer".to_owned(),
            Ok(Err(error)) => return format!("the API server says {error}"),
            Ok(Ok(pods)) if pods.items.is_empty() => {
                return "no pod was made; is the controller manager running?".to_owned();
            }
            Ok(Ok(pods)) => pods.items,
        };
        let mut lines = Vec::new();
        for pod in &pods {
            lines.push(pod_line(pod, &self.events_of(namespace, &pod.name_any()).await));
        }
        lines.join("; ")
    }

    async fn events_of(&self, namespace: &str, pod: &str) -> Vec<Event> {
        let params = ListParams::default().fields(&format!("involvedObject.kind=Pod,involvedObject.name={pod}"));
        match timeout(LIMIT, self.namespaced::<Event>(namespace).list(&params)).await {
            Ok(Ok(list)) => list.items,
            _ => Vec::new(),
        }
    }
}

fn pod_line(pod: &Pod, events: &[Event]) -> String {
    let status = pod.status.clone().unwrap_or_default();
    let mut parts = Vec::new();
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    parts.extend(all.filter_map(container));
    let failing = status.conditions.iter().flatten().filter(|c| c.status != "True");
    let failing = conditions(failing.map(|c| (&*c.type_, &*c.status, c.reason.as_deref(), c.message.as_deref())));
    parts.extend(Some(failing).filter(|text| !text.is_empty()));
    parts.extend(newest(events).map(|text| format!("event {text}")));
    let phase = status.phase.unwrap_or_else(|| "without status".to_owned());
    format!("pod {} {phase}: {}", pod.name_any(), parts.join(", "))
}

/// What holds a container; nothing for one that is ready.
fn container(status: &ContainerStatus) -> Option<String> {
    if status.ready {
        return None;
    }
    let name = &status.name;
    let or = |text: &Option<String>| text.clone().unwrap_or_default();
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let last = last.map(|t| format!(" (exited with {} before: {})", t.exit_code, or(&t.reason))).unwrap_or_default();
    Some(
        match status.state.clone().unwrap_or_default() {
            ContainerState { waiting: Some(w), .. } => {
                format!("container {name} waits: {}{last} {}", or(&w.reason), or(&w.message))
            }
            ContainerState { terminated: Some(t), .. } => {
                format!("container {name} exited with {}: {} {}", t.exit_code, or(&t.reason), or(&t.message))
            }
            _ => format!("container {name} is not ready{last}"),
        }
        .trim_end()
        .to_owned(),
    )
}

fn newest(events: &[Event]) -> impl Iterator<Item = String> {
    let mut warnings: Vec<_> = events.iter().filter(|event| event.type_.as_deref() == Some("Warning")).collect();
    warnings.sort_by_key(|event| {
        std::cmp::Reverse((event.last_timestamp.as_ref().map(|t| t.0), event.event_time.as_ref().map(|t| t.0)))
    });
    let text = |event: &Event| {
        let message = event.message.as_deref().unwrap_or_default().trim();
        let limit = limit(message).map(|l| format!(" ({} of the host is used up: {})", l.setting, l.cure));
        format!("{}: {message}{}", event.reason.as_deref().unwrap_or_default(), limit.unwrap_or_default())
    };
    warnings.into_iter().take(EVENTS).map(text).collect::<Vec<_>>().into_iter()
}

/// `Type=Status Reason: message` of each.
pub(super) fn conditions<'a>(
    all: impl Iterator<Item = (&'a str, &'a str, Option<&'a str>, Option<&'a str>)>,
) -> String {
    let one = |(kind, status, reason, message): (&str, &str, Option<&str>, Option<&str>)| {
        let (reason, message) = (reason.unwrap_or_default(), message.unwrap_or_default());
        format!("{kind}={status} {reason}: {message}").trim_end_matches([' ', ':']).to_owned()
    };
    all.map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_that_cannot_start() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": "coredns-1" },
            "status": {
                "phase": "Pending",
                "conditions": [
                    { "type": "PodScheduled", "status": "True" },
                    { "type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "containers with unready status: [coredns]" },
                ],
                "containerStatuses": [{
                    "name": "coredns", "ready": false, "restartCount": 2, "image": "", "imageID": "",
                    "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 10s" } },
                    "lastState": { "terminated": { "exitCode": 1, "reason": "Error" } },
                }],
            },
        }))
        .expect("a Pod");
        let event = |kind, time: &str, reason| {
            serde_json::from_value::<Event>(json!({
                "metadata": {}, "involvedObject": {}, "type": kind, "lastTimestamp": time, "reason": reason, "message": "what happened\n",
            }))
            .expect("an Event")
        };
        let events = [
            event("Warning", "2026-11-23T10:00:00Z", "Old"),
            event("Normal", "2026-11-23T10:00:09Z", "Pulled"),
            event("Warning", "2026-11-23T10:00:05Z", "FailedCreatePodSandBox"),
        ];
        insta::assert_snapshot!(pod_line(&pod, &events), @"pod coredns-1 Pending: container coredns waits: CrashLoopBackOff (exited with 1 before: Error) back-off 10s, Ready=False ContainersNotReady: containers with unready status: [coredns], event FailedCreatePodSandBox: what happened, event Old: what happened");
    }

    #[test]
    fn a_pod_that_nobody_took() {
        let pod = serde_json::from_value(json!({ "metadata": { "name": "a" }, "status": {
            "phase": "Pending",
            "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available" }],
        }}));
        insta::assert_snapshot!(pod_line(&pod.expect("a Pod"), &[]), @"pod a Pending: PodScheduled=False Unschedulable: 0/1 nodes are available");
    }
}
