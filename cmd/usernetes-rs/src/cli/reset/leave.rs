//! A worker leaves its cluster before its host is cleaned.

use crate::cli::nodes::DRAIN_LIMIT;
use crate::errors::Hinted;
use crate::session::{KUBELET_CONF, Session, block_on};
use anyhow::{Result, anyhow};
use std::time::Duration;
use tokio::time::timeout;

/// Longest that requests other than a drain may take.
const LEAVE_LIMIT: Duration = Duration::from_secs(15);
/// Longest wait until the control plane has deleted the Node. Below [`LEAVE_LIMIT`], so that its error is the reason.
const ANSWER_LIMIT: Duration = Duration::from_secs(12);

/// Drains the Node of this host, if it is a worker's. A PodDisruptionBudget that prevents it is an error.
pub(super) fn drain_node(session: &Session) -> Result<()> {
    let Some(name) = worker_name(session)? else { return Ok(()) };
    let drained = block_on(async {
        let work = async {
            let cluster = session.api_server(KUBELET_CONF).await?;
            if timeout(LEAVE_LIMIT, cluster.node(&name)).await.map_err(no_answer)??.is_some() {
                cluster.drain_node(&name, DRAIN_LIMIT).await?;
            }
            anyhow::Ok(())
        };
        timeout(DRAIN_LIMIT + LEAVE_LIMIT, work).await.map_err(no_answer)?
    })?;
    drained.map_err(|error| {
        let flag = session.cluster_flag();
        let hint = format!(
            "let the pods go (kubectl describe poddisruptionbudgets -A shows what blocks them) and run it again; \
             usernetes-rs{flag} reset without --drain deletes them; kubectl uncordon {name} keeps the node after all"
        );
        Hinted::new(format!("node {name} cannot be drained, so it was not reset"), hint).caused_by(error)
    })
}

/// Asks the control plane to delete the Node of this host, if it is a worker's and the cluster answers; returns what was done.
/// The cluster of a control plane ends with it.
pub(super) fn delete_node(session: &Session) -> Result<&'static str> {
    let Some(name) = worker_name(session)? else { return Ok("no cluster to leave") };
    let left = block_on(async {
        let work = async {
            let cluster = session.api_server(KUBELET_CONF).await?;
            anyhow::Ok(cluster.leave(&name, ANSWER_LIMIT).await?)
        };
        timeout(LEAVE_LIMIT, work).await
    })?;
    let hint = format!("usernetes-rs nodes remove {name} on the control-plane host");
    match left {
        Ok(Ok(())) => return Ok("left the cluster"),
        Ok(Err(error)) => session.printer.warn(&format!("the Node object stays: {error:#}; hint: {hint}")),
        Err(_) => session.printer.warn(&format!("the Node object stays: the cluster does not answer; hint: {hint}")),
    }
    Ok("tried to leave the cluster")
}

/// Name of this host's Node, if it is a worker that has joined.
fn worker_name(session: &Session) -> Result<Option<String>> {
    let config = session.kept_config()?.filter(|config| config.join.is_some() && session.paths().has_joined());
    Ok(config.map(|config| config.node_name().to_owned()))
}

fn no_answer(_: tokio::time::error::Elapsed) -> anyhow::Error {
    anyhow!("the cluster does not answer")
}
