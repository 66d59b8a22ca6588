//! Stopping what runs in pods: by the runtime, as the kubelet does it, and without it, where it is the one that is broken.

mod graceful;
mod hook;
mod processes;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;

/// Priorities of the pods of a node, by uid. Those that are not in it have priority 0.
pub type PodPriorities = BTreeMap<String, i32>;

/// How pods are stopped.
#[derive(Clone, Debug)]
pub struct PodStop {
    /// Time for all pods.
    pub limit: watch::Receiver<Duration>,
    /// The pods that are stopped first are those of the lowest priority.
    pub priorities: watch::Receiver<PodPriorities>,
}

/// Ends all containers, the sandboxes after those that use their network, and the shims after their containers.
pub(super) async fn stop_pods(socket: &Path, stop: &PodStop) {
    let (limit, priorities) = (*stop.limit.borrow(), stop.priorities.borrow().clone());
    if let Err(error) = graceful::stop_pods(socket, &priorities, limit).await {
        tracing::warn!(%error, "the container runtime stops no pods; ending their processes");
    }
    processes::end_processes_of_pods().await;
}
