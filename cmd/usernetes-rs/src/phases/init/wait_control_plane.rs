//! `wait-control-plane`: until etcd and the API server are ready, by a watch of the supervisor's status.

use super::InitData;
use crate::workflow::Phase;
use anyhow::Result;
use usernetes_node::ComponentName;

pub(super) const PHASE: Phase<InitData> =
    Phase::new("wait-control-plane", "Wait for the control plane to become healthy", run);

/// The controller manager and the scheduler start when the API server is ready. The objects of the next phases do not need
/// them, so they are not waited for here.
const WAITED_FOR: [ComponentName; 2] = [ComponentName::Etcd, ComponentName::KubeApiserver];

fn run(data: &mut InitData, _: &[&'static str]) -> Result<String> {
    let limit = data.node.config.timeouts().control_plane_component_health_check.0;
    let is_external = data.node.config.cluster.etcd.external.is_some();
    let (waited_for, detail) = if is_external {
        (&WAITED_FOR[1..], "kube-apiserver is ready; etcd is external")
    } else {
        (&WAITED_FOR[..], "etcd and kube-apiserver are ready")
    };
    data.node.session.instance.wait_for_components(waited_for, limit)?;
    data.ensure_admins()?;
    Ok(detail.into())
}
