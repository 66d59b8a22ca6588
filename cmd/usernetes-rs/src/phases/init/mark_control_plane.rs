//! `mark-control-plane`: labels of the node, and its taint where wanted.

use super::InitData;
use crate::workflow::Phase;
use anyhow::Result;

pub(super) const PHASE: Phase<InitData> =
    Phase::new("mark-control-plane", "Mark the node as a control plane once it is Ready", run);

fn run(data: &mut InitData, _: &[&'static str]) -> Result<String> {
    let cluster = data.cluster()?;
    let config = &data.node.config;
    let name = &config.init.node_registration.name;
    let taint = config.taints_control_plane();
    let limit = config.timeouts().kubelet_health_check.0;
    data.block_on(cluster.wait_node_ready(name, data.node.started, limit))?;
    data.block_on(cluster.mark_control_plane(name, taint))?;
    Ok(if taint { "labelled and tainted" } else { "labelled; takes workloads" }.into())
}
