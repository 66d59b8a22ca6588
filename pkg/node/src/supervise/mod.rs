//! Supervision of a node's components: start on readiness, restart with back-off, stop in order.
//!
//! Every component has a task of its own ([`task`]), which knows the others by their status only. So independent
//! components start in parallel, and a restarted component finds the others running. The states of a component:
//!
//! ```text
//!                 ┌───────────────────── pause (0.1 s, doubles to 10 s) ─────────────────────┐
//!                 ▼                                                                          │
//!            ┌─────────┐ start_after  ┌──────────┐   ready    ┌───────┐ exit, live fails ┌─────────┐
//!  start ──▶ │ Waiting │ ───────────▶ │ Starting │ ─────────▶ │ Ready │ ───────────────▶ │ BackOff │
//!            └─────────┘    holds     └──────────┘  succeeds  └───────┘                  └─────────┘
//!                 │                     │     │ exit, no such program│                     ▲     │
//!                 │                     │     └──────────────────────┼─────────────────────┘     │
//!                 │ stop                │ stop                       │ stop                      │ stop
//!                 │                     ▼                            ▼                           │
//!                 │                  ┌──────────────────────────────────┐                        │
//!                 │                  │ Stopping: SIGTERM, grace, SIGKILL│                        │
//!                 │                  └──────────────────────────────────┘                        │
//!                 ▼                                   ▼                                          ▼
//!            ┌──────────────────────────────────────────────────────────────────────────────────────┐
//!            │                                        Stopped                                       │
//!            └──────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! While the liveness probe fails, Ready is NotReady. What does not become ready in time is ended as what fails its probe.
//! The node stops its components by [`StopStage`], and its pods after the first stage.

mod backoff;
mod liveness;
mod pods;
mod task;
#[cfg(test)]
mod tests;

use crate::component::StopStage;
use crate::{Component, ComponentName, ComponentStatus, NodePlan, NodeStatus, images, logs};
use liveness::Liveness;
pub use pods::{PodPriorities, PodStop};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use task::Supervised;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use usernetes_host::Reaper;

/// Interval at which the sizes of logs are checked.
const ROTATION: Duration = Duration::from_secs(30);

/// Runs the node's components until `shutdown`, then stops them in order; reports to `status`.
///
/// A failing component never ends this: the failure is in the status, and the component is restarted.
pub async fn run(
    plan: NodePlan,
    reaper: Reaper,
    shutdown: CancellationToken,
    status: watch::Sender<NodeStatus>,
    pod_stop: PodStop,
) {
    raise_open_files();
    let plan = Arc::new(plan);
    let components = crate::components(&plan);
    status.send_modify(|s| s.components = components.iter().map(|c| ComponentStatus::new(c.name)).collect());
    let (logs, runtime) = (plan.software.logs.clone(), plan.host.cri.socket());
    let running = start_all(components, &plan, Liveness::default(), &reaper, &status);
    let imports = tokio::spawn(images::import_missing(plan, reaper, status));
    let rotation = tokio::spawn(rotate_logs(logs));
    shutdown.cancelled().await;
    imports.abort();
    stop_all(running, Path::new(runtime), &pod_stop).await;
    rotation.abort();
}

/// A supervised component that can be stopped.
struct Running {
    stage: StopStage,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

fn start_all(
    components: Vec<Component>,
    plan: &NodePlan,
    liveness: Liveness,
    reaper: &Reaper,
    status: &watch::Sender<NodeStatus>,
) -> Vec<Running> {
    let mut running = Vec::new();
    for component in components {
        let stage = component.stop;
        let span = tracing::info_span!("component", name = %component.name);
        let stop = CancellationToken::new();
        let supervised = Supervised {
            liveness,
            log: logs::log_path(&plan.software.logs, component.name),
            component,
            reaper: reaper.clone(),
            status: status.clone(),
            stop: stop.clone(),
        };
        running.push(Running { stage, stop, task: tokio::spawn(supervised.run().instrument(span)) });
    }
    running
}

/// Stops components by stage, and pods after the first stage, while the runtime still records how they end.
async fn stop_all(mut running: Vec<Running>, runtime: &Path, pod_stop: &PodStop) {
    stop_stage(&mut running, StopStage::BeforePods).await;
    pods::stop_pods(runtime, pod_stop).await;
    stop_stage(&mut running, StopStage::AfterPods).await;
    stop_stage(&mut running, StopStage::Last).await;
}

async fn stop_stage(running: &mut Vec<Running>, stage: StopStage) {
    let stopping: Vec<_> = running.extract_if(.., |component| component.stage == stage).collect();
    for component in &stopping {
        component.stop.cancel();
    }
    for component in stopping {
        let _ = component.task.await;
    }
}

async fn rotate_logs(directory: PathBuf) {
    loop {
        tokio::time::sleep(ROTATION).await;
        let of_components = ComponentName::ALL.map(|name| logs::log_path(&directory, name));
        for log in of_components.into_iter().chain([logs::daemon_log_path(&directory)]) {
            if let Err(error) = logs::rotate_log(&log) {
                tracing::warn!(log = %log.display(), %error, "cannot rotate log");
            }
        }
    }
}

/// Containers inherit the soft limit: 1024 of a login shell is too low for databases.
fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard.min(1 << 20), hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}
