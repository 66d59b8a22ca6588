//! `shell`, `nodes`, and the hidden `daemon`.

use super::certs::columns;
use crate::daemon;
use crate::errors::Hinted;
use crate::phases::{common, runtime};
use crate::session::Session;
use anyhow::{Context as _, Result};
use clap::Subcommand;
use serde_json::json;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;
use std::time::Duration;
use usernetes_api::constants::KUBERNETES_DIR;
use usernetes_cluster::Cluster;
use usernetes_cluster::nodes::NodeInfo;
use usernetes_node::bundle;

/// Longest grace that pods get when their node is drained.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_mins(2);

#[derive(Debug, clap::Args)]
pub(crate) struct ShellArgs {
    /// Command and its arguments; a shell when not given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DaemonArgs {
    /// Leave the session of whoever started us, and greet on standard input
    #[arg(long)]
    pub(super) detached: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodesCommand {
    /// List the cluster's nodes
    List,
    /// Cordon and drain a node and delete it from the cluster
    Remove {
        /// Its name
        name: String,
        /// Do not wait for its pods to end: its host is gone
        #[arg(long)]
        force: bool,
    },
}

pub(crate) fn shell(session: &Session, args: ShellArgs) -> Result<ExitCode> {
    let child = daemon::process::connect(session)?.info()?.child_pid;
    let words = if args.command.is_empty() { vec!["/bin/bash".into()] } else { args.command };
    let bundle = bundle::find(&session.config()?, &session.paths.bundles())?;
    let path =
        format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", bundle.dir().join("bin").display());
    let mut command = usernetes_rootless::enter_command(child, words);
    command.env("PATH", path);
    let admin = session.paths.node(KUBERNETES_DIR).join("admin.conf");
    if admin.exists() {
        command.env("KUBECONFIG", "/etc/kubernetes/admin.conf");
    }
    Err(command.exec()).context("cannot enter the node")
}

pub(crate) fn nodes(session: &Session, command: NodesCommand) -> Result<ExitCode> {
    let runtime = runtime()?;
    let cluster = runtime.block_on(common::administrator(session))?;
    match command {
        NodesCommand::List => show_nodes(session, &runtime.block_on(cluster.list_nodes())?),
        NodesCommand::Remove { name, force } => {
            runtime.block_on(remove(&cluster, &name, force))?;
            session.printer.result(&format!(
                "node {name} deleted; usernetes-rs reset on its host removes the rest (its certificate stays good, so \
                 a start there without reset brings the node back)"
            ));
            session.printer.object(&json!({ "removed": name }));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn remove(cluster: &Cluster, name: &str, force: bool) -> Result<()> {
    // The pods of a host that is gone never end: their kubelet would have to say so.
    match cluster.node(name).await? {
        Some(node) if node.roles.iter().any(|role| role == "control-plane") => {
            let message = format!("node {name} is the control plane: without it there is no cluster");
            return Err(Hinted::new(message, "usernetes-rs reset on its host ends the cluster").into());
        }
        Some(node) if node.ready && !force => {
            let cure = format!("usernetes-rs nodes remove {name} --force if its host is gone");
            let drained = cluster.drain_node(name, DRAIN_LIMIT).await;
            drained.map_err(|error| Hinted::new(format!("node {name} cannot be drained"), cure).because(error))?;
        }
        Some(_) => cluster.cordon_node(name, true).await?,
        None => {
            return Err(Hinted::new(format!("the cluster has no node {name:?}"), "usernetes-rs nodes list").into());
        }
    }
    Ok(cluster.delete_node(name).await?)
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
    let row = |n: &NodeInfo| {
        let ready = if n.ready { "Ready" } else { "NotReady" };
        let cordoned = n.cordoned.then_some("SchedulingDisabled");
        let status: Vec<_> = [ready].into_iter().chain(cordoned).chain(n.pressure.iter().map(String::as_str)).collect();
        let roles = if n.roles.is_empty() { "<none>".to_owned() } else { n.roles.join(",") };
        let addresses = n.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        vec![n.name.clone(), status.join(","), roles, addresses, n.version.clone()]
    };
    let rows: Vec<_> = nodes.iter().map(row).collect();
    crate::ui::out(&columns(&["NAME", "STATUS", "ROLES", "ADDRESSES", "VERSION"], &rows));
}
