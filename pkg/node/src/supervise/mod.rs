//! Supervision: start on readiness, restart with back-off, stop in order.
//!
//! Every component has a task of its own, which knows nothing of the others but their status; so whatever does not
//! depend on each other overlaps, and a component that comes back finds the others running.

mod backoff;
mod life;
mod liveness;
mod pods;
mod status;
#[cfg(test)]
mod tests;

pub(crate) use status::ready;
pub use status::{ComponentStatus, ImagesStatus, NodeStatus, State};

use crate::{Component, ComponentName, NodePlan, images, logs};
use life::Supervised;
use liveness::Liveness;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use usernetes_host::Reaper;

/// How often logs are measured.
const ROTATION: Duration = Duration::from_secs(30);

/// Runs the node's components until `shutdown`, then stops them in order; the status goes to `status`.
///
/// Nothing that happens to a component ends this: failures are in the status, and tried again.
pub async fn run(plan: NodePlan, reaper: Reaper, shutdown: CancellationToken, status: watch::Sender<NodeStatus>) {
    raise_open_files();
    let plan = Arc::new(plan);
    let components = crate::components(&plan);
    status.send_modify(|s| s.components = components.iter().map(|c| ComponentStatus::new(c.name)).collect());
    let logs = plan.logs.clone();
    let running = start(&components, &plan, Liveness::default(), &reaper, &status);
    let imports = tokio::spawn(images::import(plan, reaper, status));
    let rotation = tokio::spawn(rotate_logs(logs));
    shutdown.cancelled().await;
    imports.abort();
    stop(running).await;
    rotation.abort();
}

/// A supervised component and how to stop it.
struct Running {
    name: ComponentName,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

fn start(
    components: &[Component],
    plan: &NodePlan,
    liveness: Liveness,
    reaper: &Reaper,
    status: &watch::Sender<NodeStatus>,
) -> Vec<Running> {
    let one = |component: &Component| {
        let stop = CancellationToken::new();
        let supervised = Supervised {
            component: component.clone(),
            liveness,
            log: logs::path(&plan.logs, component.name),
            reaper: reaper.clone(),
            status: status.clone(),
            stop: stop.clone(),
        };
        Running { name: component.name, stop, task: tokio::spawn(supervised.run()) }
    };
    components.iter().map(one).collect()
}

/// The kubelet first, or it would start again what is stopped; then the pods, while the runtime still notes how they
/// ended; then the control plane, etcd after its clients.
async fn stop(mut running: Vec<Running>) {
    use ComponentName::{Etcd, KubeControllerManager, KubeScheduler, Kubelet};
    stop_some(&mut running, |name| matches!(name, Kubelet | KubeControllerManager | KubeScheduler)).await;
    pods::stop().await;
    stop_some(&mut running, |name| name != Etcd).await;
    stop_some(&mut running, |_| true).await;
}

async fn stop_some(running: &mut Vec<Running>, which: impl Fn(ComponentName) -> bool) {
    let chosen: Vec<_> = running.extract_if(.., |one| which(one.name)).collect();
    for one in &chosen {
        one.stop.cancel();
    }
    for one in chosen {
        let _ = one.task.await;
    }
}

async fn rotate_logs(folder: std::path::PathBuf) {
    loop {
        tokio::time::sleep(ROTATION).await;
        let of_components = ComponentName::ALL.map(|name| logs::path(&folder, name));
        for log in of_components.into_iter().chain([logs::of_the_daemon(&folder)]) {
            if let Err(error) = logs::rotate(&log) {
                tracing::warn!(log = %log.display(), %error, "cannot rotate");
            }
        }
    }
}

/// Containers inherit the soft limit, which is a login shell's 1024 here and ends databases.
fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard.min(1 << 20), hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}
