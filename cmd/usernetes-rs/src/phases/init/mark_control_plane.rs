//! `mark-control-plane`: labels of the node, and its taint where wanted.

use super::InitData;
use crate::workflow::Phase;
use anyhow::Result;

/// Labels and taints the Node.
pub(super) struct MarkControlPlane;

impl Phase<InitData> for MarkControlPlane {
    fn name(&self) -> &'static str {
        "mark-control-plane"
    }

    fn short(&self) -> &'static str {
        "Wait until the node is Ready and label it"
    }

    fn run(&self, data: &mut InitData, _: &[&'static str]) -> Result<String> {
        let cluster = data.cluster()?;
        let name = data.node.config.init.node_registration.name.clone();
        let taint = data.node.config.rootless.taint_control_plane;
        let limit = data.node.config.timeouts().kubelet_health_check.0;
        data.block_on(cluster.wait_node_ready(&name, data.node.started(), limit))?;
        data.block_on(cluster.mark_control_plane(&name, taint))?;
        Ok(if taint { "labelled and tainted" } else { "labelled; takes workloads" }.into())
    }
}
