//! `node-start`: the node in its namespaces.

use super::NodeData;
use crate::workflow::Phase;
use anyhow::Result;
use usernetes_daemon::Started;

pub(super) const fn phase<D: AsMut<NodeData>>() -> Phase<D> {
    Phase::new("node-start", "Start the node in its namespaces", run).starting_node()
}

fn run<D: AsMut<NodeData>>(data: &mut D, _: &[&'static str]) -> Result<String> {
    start(data.as_mut())
}

/// Starts the node, unless it runs already.
pub(super) fn start(node: &mut NodeData) -> Result<String> {
    let started = node.session.instance.start()?;
    node.started = started.since;
    Ok(describe_start(&started))
}

/// `detached process, cgroups none, network slirp4netns`
pub(crate) fn describe_start(started: &Started) -> String {
    let how = started.how.map_or("already running".into(), |how| how.to_string());
    format!("{how}, cgroups {}, network {}", started.info.cgroup, started.info.network.driver)
}
