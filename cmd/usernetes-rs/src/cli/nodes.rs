//! `nodes`: the cluster's nodes, on the control-plane host.

use crate::errors::Hinted;
use crate::output::{print_line, render_table};
use crate::session::Session;
use anyhow::Result;
use clap::Subcommand;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;
use usernetes_cluster::Cluster;
use usernetes_cluster::nodes::NodeInfo;

/// Longest grace of pods when their node is drained.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_mins(2);

#[derive(Debug, Subcommand)]
pub(crate) enum NodesCommand {
    /// List the cluster's nodes
    List,
    /// Cordon and drain a node and delete it from the cluster
    Remove {
        /// Name of the node
        name: String,
        /// Do not wait until its pods have ended, for a host that is gone
        #[arg(long)]
        force: bool,
    },
}

pub(crate) fn run(session: &Session, command: NodesCommand) -> Result<ExitCode> {
    let runtime = usernetes_daemon::runtime()?;
    let cluster = runtime.block_on(session.administrator())?;
    match command {
        NodesCommand::List => show_nodes(session, &runtime.block_on(cluster.list_nodes())?),
        NodesCommand::Remove { name, force } => {
            runtime.block_on(remove_node(&cluster, &name, force))?;
            session.printer.result(&format!(
                "node {name} deleted; usernetes-rs reset on its host removes the rest (its certificate stays valid, so \
                 a start there without reset registers the node again)"
            ));
            session.printer.object(&json!({ "removed": name }));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn remove_node(cluster: &Cluster, name: &str, force: bool) -> Result<()> {
    // The pods of a host that is gone never end, for their kubelet would have to report it.
    match cluster.node(name).await? {
        Some(node) if node.roles.iter().any(|role| role == "control-plane") => {
            let message = format!("node {name} is the control plane: without it there is no cluster");
            return Err(Hinted::new(message, "usernetes-rs reset on its host ends the cluster").into());
        }
        Some(node) if node.ready && !force => {
            let hint = format!("usernetes-rs nodes remove {name} --force if its host is gone");
            let drained = cluster.drain_node(name, DRAIN_LIMIT).await;
            drained.map_err(|error| Hinted::new(format!("node {name} cannot be drained"), hint).caused_by(error))?;
        }
        Some(_) => cluster.cordon_node(name, true).await?,
        // Only its taints and labels may be left, for its return.
        None if cluster.forget_left_node(name).await? => return Ok(()),
        None => {
            return Err(Hinted::new(format!("the cluster has no node {name:?}"), "usernetes-rs nodes list").into());
        }
    }
    cluster.delete_node(name).await?;
    cluster.forget_left_node(name).await?;
    Ok(())
}

fn show_nodes(session: &Session, nodes: &[NodeInfo]) {
    if session.printer.json() {
        for n in nodes {
            session.printer.object(&json!({
                "name": n.name, "roles": n.roles, "addresses": n.addresses, "version": n.version,
                "ready": n.ready, "schedulable": !n.cordoned, "pressure": n.pressure,
            }));
        }
        return;
    }
    let rows: Vec<_> = nodes.iter().map(node_row).collect();
    print_line(&render_table(&["NAME", "STATUS", "ROLES", "ADDRESSES", "VERSION"], &rows));
}

fn node_row(n: &NodeInfo) -> Vec<String> {
    let ready = if n.ready { "Ready" } else { "NotReady" };
    let cordoned = n.cordoned.then_some("SchedulingDisabled");
    let status: Vec<_> = [ready].into_iter().chain(cordoned).chain(n.pressure.iter().map(String::as_str)).collect();
    let roles = if n.roles.is_empty() { "<none>".to_owned() } else { n.roles.join(",") };
    let addresses: Vec<_> = n.addresses.iter().map(ToString::to_string).collect();
    vec![n.name.clone(), status.join(","), roles, addresses.join(","), n.version.clone()]
}
