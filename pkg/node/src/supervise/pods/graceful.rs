//! Stopping pods with their own grace periods and `preStop` hooks, those of the lowest priority first.
//!
//! The kubelet's own graceful shutdown needs logind and leaves pods behind as failed; here their containers end, and
//! run again with the next start. Mirrors `killContainer` of `pkg/kubelet/kuberuntime`.

use super::PodPriorities;
use super::hook::{self, Hook};
use crate::runtime_api::{Container, RuntimeClient, RuntimeError};
use futures::future::join_all;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// Label and annotations that the kubelet puts on containers.
const POD_UID: &str = "io.kubernetes.pod.uid";
const GRACE: &str = "io.kubernetes.pod.terminationGracePeriod";
/// Default of `terminationGracePeriodSeconds`.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);
/// The least that a container gets after its hook, as from the kubelet.
const MINIMUM: Duration = Duration::from_secs(2);

/// Stops all containers within `limit`, one priority after the other. Of the time, each later priority keeps [`MINIMUM`].
pub(super) async fn stop_pods(socket: &Path, priorities: &PodPriorities, limit: Duration) -> Result<(), RuntimeError> {
    let end = Instant::now() + limit;
    let runtime = RuntimeClient::connect(socket).await?;
    let groups = by_priority(runtime.list_running().await?, priorities);
    let mut later = u32::try_from(groups.len()).unwrap_or(u32::MAX);
    for (priority, containers) in groups {
        later -= 1;
        let left = end.saturating_duration_since(Instant::now()).saturating_sub(MINIMUM * later).max(MINIMUM);
        tracing::info!(priority, containers = containers.len(), limit = ?left, "stopping pods");
        join_all(containers.iter().map(|container| stop_container(&runtime, container, left))).await;
    }
    Ok(())
}

fn by_priority(containers: Vec<Container>, priorities: &PodPriorities) -> BTreeMap<i32, Vec<Container>> {
    let mut groups: BTreeMap<i32, Vec<Container>> = BTreeMap::new();
    for container in containers {
        let priority = container.labels.get(POD_UID).and_then(|uid| priorities.get(uid));
        groups.entry(priority.copied().unwrap_or_default()).or_default().push(container);
    }
    groups
}

/// The hook's time counts against the grace period.
async fn stop_container(runtime: &RuntimeClient, container: &Container, limit: Duration) {
    let grace = grace_of(container).min(limit);
    let begin = Instant::now();
    if let Some(hook) = Hook::of(container) {
        hook::run(runtime, container, &hook, grace).await;
    }
    let left = grace.saturating_sub(begin.elapsed()).max(MINIMUM.min(grace));
    if let Err(error) = runtime.stop_container(&container.id, left).await {
        tracing::warn!(container = container.id, %error, "container not stopped by the runtime");
    }
}

fn grace_of(container: &Container) -> Duration {
    let seconds = container.annotations.get(GRACE).and_then(|seconds| seconds.parse().ok());
    seconds.map_or(DEFAULT_GRACE, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(id: &str, uid: &str, grace: &str) -> Container {
        Container {
            id: id.to_owned(),
            labels: [(POD_UID.to_owned(), uid.to_owned())].into(),
            annotations: [(GRACE.to_owned(), grace.to_owned())].into(),
            ..Container::default()
        }
    }

    #[test]
    fn critical_pods_are_stopped_last() {
        let priorities = PodPriorities::from([("dns".to_owned(), 2_000_000_000), ("batch".to_owned(), -5)]);
        let all = vec![container("a", "dns", "30"), container("b", "other", "30"), container("c", "batch", "30")];
        let groups = by_priority(all, &priorities);
        let order: Vec<_> = groups.iter().map(|(priority, of)| (*priority, of[0].id.as_str())).collect();
        assert_eq!(order, [(-5, "c"), (0, "b"), (2_000_000_000, "a")]);
    }

    #[test]
    fn grace_is_the_pods() {
        assert_eq!(grace_of(&container("a", "a", "75")), Duration::from_secs(75));
        assert_eq!(grace_of(&container("a", "a", "")), DEFAULT_GRACE);
    }
}
