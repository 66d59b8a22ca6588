//! `start` and `stop`: the node of this host, with its data.

use crate::daemon;
use crate::errors::{Hinted, PreflightFailed};
use crate::journal::Journal;
use crate::phases::{common, runtime};
use crate::session::Session;
use anyhow::Result;
use std::net::IpAddr;
use std::process::ExitCode;
use usernetes_api::Config;
use usernetes_host::lock::Lock;
use usernetes_host::{Level, checks, fs};

#[derive(Debug, clap::Args)]
pub(crate) struct StartArgs {
    /// Return only when the cluster says that the node is Ready
    #[arg(long)]
    wait: bool,
    /// Another address under which other hosts reach this one from now on; on a worker
    #[arg(long, value_name = "IP")]
    host_ip: Option<IpAddr>,
    /// From now on, publish privileged ports (below 1024) on the host at port + N; 0 publishes none of them
    #[arg(long, alias = "shift-privileged", value_name = "N")]
    privileged_port_offset: Option<u16>,
}

pub(crate) fn start(session: Session, args: &StartArgs) -> Result<ExitCode> {
    let mut config = session.config()?;
    if let Some(cure) = unfinished(&session, &config)? {
        return Err(Hinted::new("no node has been started here yet", cure).into());
    }
    let _lock = Lock::acquire(session.paths.lock(), "start")?;
    if let Some(new) = args.host_ip {
        move_to(&session, &mut config, new)?;
    }
    if let Some(by) = args.privileged_port_offset {
        shift(&session, &mut config, by)?;
    }
    let mut node = common::NodeData::new(session, config);
    if daemon::process::is_running(&node.session.paths) {
        node.session.printer.result("already running");
    } else {
        let how = common::start(&mut node)?;
        common::wait_started(&node)?;
        node.session.printer.result(&format!("started: {how}"));
    }
    if args.wait {
        wait_ready(&node)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The cure where `init` or `join` ended before there was anything to start.
pub(crate) fn unfinished(session: &Session, config: &Config) -> Result<Option<String>> {
    if Journal::open(&session.paths.journal())?.has_started() {
        return Ok(None);
    }
    let (flag, workflow) = (session.cluster_flag(), if config.join.is_some() { "join" } else { "init" });
    Ok(Some(format!(
        "usernetes-rs{flag} {workflow} goes on where it stopped; usernetes-rs{flag} reset removes everything"
    )))
}

/// Everything that names the address is made at the start; on a control plane it is not.
fn move_to(session: &Session, config: &mut Config, new: IpAddr) -> Result<()> {
    let (old, flag) = (config.host_ip(), session.cluster_flag());
    if new == old {
        return Ok(());
    }
    if config.join.is_none() {
        let cure = format!(
            "keep {old} on this host; with another address it is another cluster: usernetes-rs{flag} reset, then init \
             --host-ip {new}, and reset and join on every worker"
        );
        return Err(Hinted::new("certificates and kubeconfigs of a control plane name its address", cure).into());
    }
    refuse_running(session)?;
    let finding = checks::host_ip(new);
    if finding.level == Level::Error {
        return Err(PreflightFailed(vec![finding]).into());
    }
    daemon::address::take(session, config, new, false)
}

fn shift(session: &Session, config: &mut Config, by: u16) -> Result<()> {
    if by == config.rootless.ports.privileged_port_offset {
        return Ok(());
    }
    refuse_running(session)?;
    config.rootless.ports.privileged_port_offset = by;
    config.validate()?;
    // Tokens may stand in it.
    Ok(fs::write(session.paths.config(), config.to_kept_yaml(), fs::Mode::Secret)?)
}

/// What is decided when a node starts cannot change while it runs.
fn refuse_running(session: &Session) -> Result<()> {
    if daemon::process::is_running(&session.paths) {
        let cure = format!("usernetes-rs{} stop first", session.cluster_flag());
        return Err(Hinted::new("the node is running", cure).into());
    }
    Ok(())
}

/// Reports of the kubelet from before the start do not count: the API goes on saying Ready for a while.
fn wait_ready(node: &common::NodeData) -> Result<()> {
    let config = &node.config;
    let kubeconfig = if config.join.is_some() { "kubelet.conf" } else { "admin.conf" };
    let limit = config.timeouts().kubelet_health_check.0;
    runtime()?.block_on(async {
        let cluster = common::connect(&node.session, kubeconfig).await?;
        anyhow::Ok(cluster.wait_node_ready(config.node_name(), node.started(), limit).await?)
    })?;
    node.session.printer.result(&format!("node {} is Ready", config.node_name()));
    Ok(())
}

pub(crate) fn stop(session: &Session) -> Result<ExitCode> {
    session.config()?;
    let _lock = Lock::acquire(session.paths.lock(), "stop")?;
    let stopped = daemon::process::stop(&session.paths)?;
    session.printer.result(if stopped {
        "stopped; usernetes-rs start brings it back with its data"
    } else {
        "not running"
    });
    Ok(ExitCode::SUCCESS)
}
