//! `reset`: removes the node from this host. Best effort: a step that fails is reported and the next one runs; only
//! `--drain`, which protects pods from the other steps, has to succeed.

mod files;
mod leave;

use self::files::StateDirectory;
use super::confirm::confirm;
use super::stop::StopTimeout;
use crate::errors::Hinted;
use crate::phases::init::{KUBECONFIG_LOCK_LIMIT, merged_name};
use crate::session::Session;
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::process::ExitCode;
use usernetes_daemon::DaemonError;
use usernetes_host::lock::Lock;
use usernetes_host::{SharedFile, env, fs};
use usernetes_pki::kubeconfig::{self, Kubeconfig};

#[derive(Debug, clap::Args)]
pub(crate) struct ResetArgs {
    /// Reset the node without prompting for confirmation
    #[arg(short, long)]
    force: bool,
    /// Drain the node first; when that fails, nothing is removed
    #[arg(long)]
    drain: bool,
    #[command(flatten)]
    timeout: StopTimeout,
}

pub(crate) fn run(session: &Session, args: &ResetArgs) -> Result<ExitCode> {
    let state = session.paths().state();
    if StateDirectory::inspect(&state)?.is_none() && !session.paths().runtime().exists() {
        session.printer.result("nothing to reset: this host has no node of this cluster");
        return Ok(ExitCode::SUCCESS);
    }
    let timeout = args.timeout.get(session)?;
    let data = describe_pod_data(session);
    if !args.force && !confirm(&ask(session, data.as_deref()))? {
        return Err(Hinted::new("not reset", "answer y, or pass --force").into());
    }
    fs::create_dir(&state)?;
    let lock = Lock::acquire(session.paths().lock(), "reset")?;
    if args.drain {
        leave::drain_node(session)?;
        session.printer.note("[reset] drained the node");
    }
    if let Some(data) = data.filter(|_| args.force) {
        session.printer.note(&format!("[reset] removing {data}"));
    }
    let mut problems = Vec::new();
    let mut step = |what: &str, result: Result<()>| match result {
        Ok(()) => session.printer.note(&format!("[reset] {what}")),
        Err(error) => {
            session.printer.warn(&format!("{what}: {error:#}"));
            problems.push(what.to_owned());
        }
    };
    match session.instance.stop(timeout) {
        // The files of a running node are not removed.
        Err(error) if session.instance.is_alive()? => {
            return Err(anyhow::Error::from(error).context("the node still runs, so nothing was removed"));
        }
        stopped => step("stopped the node", stopped.map(drop).map_err(Into::into)),
    }
    // After the stop: a running kubelet would register the Node again.
    if let Ok(outcome) = leave::delete_node(session) {
        step(outcome, Ok(()));
    }
    step("removed the service unit", session.instance.remove_unit().map_err(Into::into));
    match remove_merged_kubeconfig(session) {
        Ok(false) => {}
        result => step("removed the cluster from ~/.kube/config", result.map(drop)),
    }
    if let Some(data) = find_etcd_data(session) {
        step("removed etcd's data", usernetes_rootless::remove_all(&[data]).map_err(Into::into));
    }
    let changed = session.instance.check_subids().err().filter(|e| matches!(e, DaemonError::SubIdsChanged { .. }));
    step("removed files", files::remove(session));
    drop(lock);
    if problems.is_empty() {
        session.printer.result(
            "reset: nothing of this cluster is left on this host but imported bundles (usernetes-rs bundle list)",
        );
        Ok(ExitCode::SUCCESS)
    } else if let Some(changed) = changed {
        Err(explain_foreign_files(session, changed, &problems))
    } else {
        Err(Hinted::new(
            format!("could not finish: {}", problems.join(", ")),
            "fix what the warnings name, then run usernetes-rs reset again",
        )
        .into())
    }
}

/// etcd's data, where the configuration names a directory outside of the state directory. As kubeadm's, the directory stays.
fn find_etcd_data(session: &Session) -> Option<PathBuf> {
    let config = session.kept_config().ok()??;
    let data = config.etcd_data_dir(session.paths()).join("member");
    (config.join.is_none() && !data.starts_with(session.paths().state()) && data.exists()).then_some(data)
}

/// What pods have written to hostPaths, as far as the node keeps it; `None` where that is nothing.
fn describe_pod_data(session: &Session) -> Option<String> {
    let paths = usernetes_daemon::kept::pod_data::list(session.paths());
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    (!paths.is_empty()).then(|| format!("what pods wrote to the hostPaths {}", paths.join(", ")))
}

/// What is left belongs to ids that the user had once: an administrator can give them back, or delete it.
fn explain_foreign_files(session: &Session, changed: DaemonError, problems: &[String]) -> anyhow::Error {
    let state = session.paths().state();
    let restore = match &changed {
        DaemonError::SubIdsChanged { entries, .. } => entries.as_str(),
        _ => "",
    };
    let hint = format!(
        "let the administrator restore {restore} in /etc/subuid and /etc/subgid and run usernetes-rs{} reset again; or sudo rm -rf {}, \
         which deletes all that is left there, data of pods' volumes included",
        session.cluster_flag(),
        state.display()
    );
    let message = format!("could not finish: {}: {changed}", problems.join(", "));
    Hinted::new(message, hint).into()
}

/// The question before the node is removed.
fn ask(session: &Session, data: Option<&str>) -> String {
    let data = data.map_or_else(String::new, |data| format!(", and {data}"));
    let cluster = &session.paths().cluster;
    format!(
        "This removes the node of cluster {cluster} with all its data{data} from this host. Are you sure you want to proceed? [y/N]"
    )
}

/// Removes what `init --merge-kubeconfig` has written; `false` when nothing is there.
fn remove_merged_kubeconfig(session: &Session) -> Result<bool> {
    let path = env::home()?.join(".kube/config");
    let Some(ours) = fs::read_if_exists(session.paths().admin_conf())? else { return Ok(false) };
    if !path.exists() {
        return Ok(false);
    }
    let file = SharedFile::lock(&path, KUBECONFIG_LOCK_LIMIT)?;
    let theirs = file.read()?.unwrap_or_default();
    let ours = Kubeconfig::parse(&ours)?.renamed(&merged_name(session));
    let rest = kubeconfig::take_out(&theirs, &ours).with_context(|| format!("cannot read {}", path.display()))?;
    let Some(rest) = rest else { return Ok(false) };
    file.write(&rest)?;
    Ok(true)
}
