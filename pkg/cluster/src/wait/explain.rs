//! Why pods are not ready, one line for each.

use super::limits::find_limit;
use super::workload::to_selector;
use crate::Cluster;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;
use kube::api::ListParams;
use std::time::Duration;
use tokio::time::timeout;

/// Limit of one request: the API server itself may be what is broken.
const LIMIT: Duration = Duration::from_secs(5);
/// Number of events shown of a pod, the newest.
const EVENTS_SHOWN: usize = 3;

impl Cluster {
    /// The pods that match, with the reason why each is not ready.
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
            Ok(Err(error)) => return format!("the API server answers: {error}"),
            Ok(Ok(pods)) if pods.items.is_empty() => {
                return "no pod was created; check whether kube-controller-manager runs".to_owned();
            }
            Ok(Ok(pods)) => pods.items,
        };
        let mut lines = Vec::new();
        for pod in &pods {
            lines.push(format_pod(pod, &self.list_events(namespace, &pod.name_any()).await));
        }
        lines.join("; ")
    }

    async fn list_events(&self, namespace: &str, pod: &str) -> Vec<Event> {
        let params = ListParams::default().fields(&format!("involvedObject.kind=Pod,involvedObject.name={pod}"));
        match timeout(LIMIT, self.namespaced::<Event>(namespace).list(&params)).await {
            Ok(Ok(list)) => list.items,
            _ => Vec::new(),
        }
    }
}

fn format_pod(pod: &Pod, events: &[Event]) -> String {
    let status = pod.status.clone().unwrap_or_default();
    let mut parts = Vec::new();
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    parts.extend(all.filter_map(format_container));
    let failing = status.conditions.iter().flatten().filter(|c| c.status != "True");
    let failing = join_conditions(failing.map(|c| (&*c.type_, &*c.status, c.reason.as_deref(), c.message.as_deref())));
    parts.extend(Some(failing).filter(|text| !text.is_empty()));
    parts.extend(newest_warnings(events).iter().map(|text| format!("event {text}")));
    let phase = status.phase.unwrap_or_else(|| "without status".to_owned());
    format!("pod {} {phase}: {}", pod.name_any(), parts.join(", "))
}

/// State of a container; `None` for one that is ready.
fn format_container(status: &ContainerStatus) -> Option<String> {
    if status.ready {
        return None;
    }
    let name = &status.name;
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let last = last
        .map(|t| format!(" (exited with {} before: {})", t.exit_code, t.reason.as_deref().unwrap_or_default()))
        .unwrap_or_default();
    Some(
        match status.state.clone().unwrap_or_default() {
            ContainerState { waiting: Some(w), .. } => {
                format!(
                    "container {name} waits: {}{last} {}",
                    w.reason.as_deref().unwrap_or_default(),
                    w.message.as_deref().unwrap_or_default()
                )
            }
            ContainerState { terminated: Some(t), .. } => {
                format!(
                    "container {name} exited with {}: {} {}",
                    t.exit_code,
                    t.reason.as_deref().unwrap_or_default(),
                    t.message.as_deref().unwrap_or_default()
                )
            }
            _ => format!("container {name} is not ready{last}"),
        }
        .trim_end()
        .to_owned(),
    )
}

fn newest_warnings(events: &[Event]) -> Vec<String> {
    let mut warnings: Vec<_> = events.iter().filter(|event| event.type_.as_deref() == Some("Warning")).collect();
    warnings.sort_by_key(|event| {
        std::cmp::Reverse((event.last_timestamp.as_ref().map(|t| t.0), event.event_time.as_ref().map(|t| t.0)))
    });
    warnings.into_iter().take(EVENTS_SHOWN).map(format_event).collect()
}

fn format_event(event: &Event) -> String {
    let reason = event.reason.as_deref().unwrap_or_default();
    let message = event.message.as_deref().unwrap_or_default().trim();
    match find_limit(message) {
        None => format!("{reason}: {message}"),
        Some(limit) => {
            format!("{reason}: {message} (the host has reached its limit {}: {})", limit.setting, limit.hint)
        }
    }
}

/// `Type=Status Reason: message` of each.
pub(super) fn join_conditions<'a>(
    all: impl Iterator<Item = (&'a str, &'a str, Option<&'a str>, Option<&'a str>)>,
) -> String {
    let mut texts = Vec::new();
    for (kind, status, reason, message) in all {
        let text = format!("{kind}={status} {}: {}", reason.unwrap_or_default(), message.unwrap_or_default());
        texts.push(text.trim_end_matches([' ', ':']).to_owned());
    }
    texts.join(", ")
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
        insta::assert_snapshot!(format_pod(&pod, &events), @"pod coredns-1 Pending: container coredns waits: CrashLoopBackOff (exited with 1 before: Error) back-off 10s, Ready=False ContainersNotReady: containers with unready status: [coredns], event FailedCreatePodSandBox: what happened, event Old: what happened");
    }

    #[test]
    fn an_unschedulable_pod() {
        let pod = serde_json::from_value(json!({ "metadata": { "name": "a" }, "status": {
            "phase": "Pending",
            "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available" }],
        }}));
        insta::assert_snapshot!(format_pod(&pod.expect("a Pod"), &[]), @"pod a Pending: PodScheduled=False Unschedulable: 0/1 nodes are available");
    }
}
