//! `start`: starts the stopped node on this host.

use crate::errors::{Hinted, PreflightFailed};
use crate::journal::Journal;
use crate::phases::{describe_start, has_started_node, workflow_name};
use crate::session::{ADMIN_CONF, KUBELET_CONF, Session, block_on};
use anyhow::Result;
use jiff::Timestamp;
use std::net::IpAddr;
use std::process::ExitCode;
use usernetes_api::Config;
use usernetes_api::constants::{KUBERNETES_DIR, PKI_DIR};
use usernetes_daemon::host_ip;
use usernetes_host::lock::Lock;
use usernetes_host::{Level, checks};
use usernetes_pki::expiry::{self, ValidityProblem};

#[derive(Debug, clap::Args)]
pub(crate) struct StartArgs {
    /// Wait until the API server reports the node as Ready
    #[arg(long)]
    wait: bool,
    /// Change the address other hosts use to reach this host; on a worker
    #[arg(long, value_name = "IP", help_heading = "Host")]
    host_ip: Option<IpAddr>,
    /// From now on, publish privileged ports (below 1024) on the host at port + N; 0 publishes none of them
    #[arg(long, alias = "shift-privileged", value_name = "N", help_heading = "Host")]
    privileged_port_offset: Option<u16>,
}

pub(crate) fn run(session: &Session, args: &StartArgs) -> Result<ExitCode> {
    let mut config = session.config()?;
    if let Some(hint) = resume_hint(session, &config)? {
        return Err(Hinted::new("no node has been started here yet", hint).into());
    }
    let _lock = Lock::acquire(session.paths().lock(), "start")?;
    if let Some(new) = args.host_ip {
        change_host_ip(session, &mut config, new)?;
    }
    if let Some(offset) = args.privileged_port_offset {
        change_port_offset(session, &mut config, offset)?;
    }
    strike_tokens(session, &mut config)?;
    refuse_expired(session, &config)?;
    let started = session.instance.start()?;
    if started.how.is_some() {
        session.instance.wait_for_node(config.timeouts().control_plane_component_health_check.0)?;
        session.printer.result(&format!("started: {}", describe_start(&started)));
    } else {
        session.printer.result("already running");
    }
    if args.wait {
        wait_ready(session, &config, started.since)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Without its certificates a control plane never gets ready: that shows at once, and not after minutes of waiting.
fn refuse_expired(session: &Session, config: &Config) -> Result<()> {
    if config.join.is_some() || session.instance.is_running() {
        return Ok(());
    }
    let report = expiry::check(&session.paths().node(KUBERNETES_DIR), &session.paths().node(PKI_DIR))?;
    let mut problems = report.validity_problems(Timestamp::now()).filter(|(entry, problem)| {
        // Nothing of the node uses it.
        !matches!(problem, ValidityProblem::Soon(_)) && entry.name != "super-admin.conf"
    });
    match problems.next() {
        Some((entry, problem)) => Err(Hinted::new(format!("{} {problem}", entry.name), entry.hint(problem)).into()),
        None => Ok(()),
    }
}

/// Removes the tokens that `init` of an earlier version has left in the kept configuration: they are made, and the next `init`
/// must not make them again.
fn strike_tokens(session: &Session, config: &mut Config) -> Result<()> {
    if config.init.bootstrap_tokens.is_empty() || Journal::open(&session.paths().journal())?.completed.is_none() {
        return Ok(());
    }
    config.init.bootstrap_tokens.clear();
    Ok(session.instance.keep_config(config)?)
}

/// What to run where `init` or `join` ended before there was a node to start; `None` where there is one.
pub(super) fn resume_hint(session: &Session, config: &Config) -> Result<Option<String>> {
    if has_started_node(&Journal::open(&session.paths().journal())?) {
        return Ok(None);
    }
    let (flag, workflow) = (session.cluster_flag(), workflow_name(config));
    Ok(Some(format!(
        "usernetes-rs{flag} {workflow} continues where it stopped; usernetes-rs{flag} reset removes everything"
    )))
}

/// Whatever names a worker's address is made at its start; certificates of a control plane are not.
fn change_host_ip(session: &Session, config: &mut Config, new: IpAddr) -> Result<()> {
    let (old, flag) = (config.host_ip(), session.cluster_flag());
    if new == old {
        return Ok(());
    }
    if config.join.is_none() {
        let hint = format!(
            "keep {old} on this host; with another address it is another cluster: usernetes-rs{flag} reset, then init \
             --host-ip {new}, and reset and join on every worker"
        );
        return Err(Hinted::new("certificates and kubeconfigs of a control plane name its address", hint).into());
    }
    refuse_running(session)?;
    let finding = checks::host_ip(new);
    if finding.level == Level::Error {
        return Err(PreflightFailed(vec![finding]).into());
    }
    Ok(host_ip::store_host_ip(&session.instance, config, new, false)?)
}

fn change_port_offset(session: &Session, config: &mut Config, offset: u16) -> Result<()> {
    if offset == config.rootless.ports.privileged_port_offset {
        return Ok(());
    }
    refuse_running(session)?;
    config.rootless.ports.privileged_port_offset = offset;
    config.validate()?;
    Ok(session.instance.keep_config(config)?)
}

/// What is resolved at the start of a node cannot change while it runs.
fn refuse_running(session: &Session) -> Result<()> {
    if session.instance.is_running() {
        let hint = format!("usernetes-rs{} stop", session.cluster_flag());
        return Err(Hinted::new("the node is running", hint).into());
    }
    Ok(())
}

/// Reports of the kubelet from before `since` do not count: the API server shows Ready for a while after a stop.
fn wait_ready(session: &Session, config: &Config, since: Timestamp) -> Result<()> {
    let kubeconfig = if config.join.is_some() { KUBELET_CONF } else { ADMIN_CONF };
    let limit = config.timeouts().kubelet_health_check.0;
    block_on(async {
        let cluster = session.api_server(kubeconfig).await?;
        anyhow::Ok(cluster.wait_node_ready(config.node_name(), since, limit).await?)
    })??;
    session.printer.result(&format!("node {} is Ready", config.node_name()));
    Ok(())
}
