//! A worker takes leave of its cluster, before its host is cleaned.

use super::node::DRAIN_LIMIT;
use crate::errors::Hinted;
use crate::phases::{common, runtime};
use crate::session::Session;
use anyhow::{Result, anyhow};
use std::time::Duration;
use tokio::time::timeout;

/// Longest that requests other than a drain may take.
const LEAVE_LIMIT: Duration = Duration::from_secs(15);

/// Before anything is removed: empties the Node of this host, if it is a worker's. What a budget holds is not to be lost
/// by a step that was asked to spare it.
pub(super) fn drain(session: &Session) -> Result<()> {
    let Some(name) = joined_as(session)? else { return Ok(()) };
    let late = |_| anyhow!("the cluster does not answer");
    let drained = runtime()?.block_on(async {
        let work = async {
            let cluster = common::connect(session, "kubelet.conf").await?;
            if timeout(LEAVE_LIMIT, cluster.node(&name)).await.map_err(late)??.is_some() {
                cluster.drain_node(&name, DRAIN_LIMIT).await?;
            }
            anyhow::Ok(())
        };
        timeout(DRAIN_LIMIT + LEAVE_LIMIT, work).await.map_err(late)?
    });
    drained.map_err(|error| {
        let flag = session.cluster_flag();
        let cure = format!(
            "let the pods go (kubectl describe poddisruptionbudgets -A says what holds them) and run it again; \
             usernetes-rs{flag} reset without --drain gives them up; kubectl uncordon {name} keeps the node after all"
        );
        Hinted::new(format!("node {name} cannot be drained, so it was not reset"), cure).because(error)
    })
}

/// Tells the cluster that this host, whose node has stopped, is gone, and says what came of it. A control plane takes its
/// cluster with it, so there is nobody to tell; a worker speaks with the kubelet's credentials, which let it delete its
/// own Node.
pub(super) fn leave(session: &Session) -> Result<&'static str> {
    let Some(name) = joined_as(session)? else { return Ok("no cluster to leave") };
    let left = runtime()?.block_on(async {
        let work = async {
            let cluster = common::connect(session, "kubelet.conf").await?;
            anyhow::Ok(cluster.delete_node(&name).await?)
        };
        timeout(LEAVE_LIMIT, work).await
    });
    let cure = format!("usernetes-rs nodes remove {name} on the control-plane host");
    match left {
        Ok(Ok(())) => return Ok("left the cluster"),
        Ok(Err(error)) => session.printer.warn(&format!("the Node object stays: {error:#}; hint: {cure}")),
        Err(_) => session.printer.warn(&format!("the Node object stays: the cluster does not answer; hint: {cure}")),
    }
    Ok("told the cluster, as far as it listened")
}

/// The name of a worker that the cluster knows.
fn joined_as(session: &Session) -> Result<Option<String>> {
    let config = session.kept_config()?.filter(|config| config.join.is_some() && common::has_joined(session));
    Ok(config.map(|config| config.node_name().to_owned()))
}
