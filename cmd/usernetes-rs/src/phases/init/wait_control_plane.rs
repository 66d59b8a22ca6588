//! `wait-control-plane`: until every component answers; the supervisor's status is watched.

use super::InitData;
use crate::daemon;
use crate::workflow::Phase;
use anyhow::Result;

/// Waits for etcd, the API server, the controller manager and the scheduler.
pub(super) struct WaitControlPlane;

impl Phase<InitData> for WaitControlPlane {
    fn name(&self) -> &'static str {
        "wait-control-plane"
    }

    fn short(&self) -> &'static str {
        "Wait for the control plane"
    }

    fn run(&self, data: &mut InitData, _: &[&'static str]) -> Result<String> {
        use usernetes_node::ComponentName::{Etcd, KubeApiserver};
        let limit = data.node.config.init.timeouts.control_plane_component_health_check.0;
        // The controller manager and the scheduler start at the API server's readiness; the objects of the next
        // phases do not need them, so they are not waited for here.
        daemon::process::wait_for_components(&data.node.session, &[Etcd, KubeApiserver], limit)?;
        data.ensure_admins()?;
        Ok("etcd and kube-apiserver are ready".into())
    }
}
