//! `reset`: the host as it was before. Best effort: a step that fails is told and the next one runs all the same; only
//! draining, which spares what the rest destroys, has to succeed where it is asked for.

use super::leave;
use crate::daemon;
use crate::errors::Hinted;
use crate::phases::init::merged_name;
use crate::session::Session;
use anyhow::{Context as _, Result};
use std::io::BufRead;
use std::process::ExitCode;
use usernetes_host::lock::Lock;
use usernetes_host::{env, fs};
use usernetes_pki::kubeconfig::{self, Kubeconfig};

#[derive(Debug, clap::Args)]
pub(crate) struct ResetArgs {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Evict the pods of this node first; where they cannot go, nothing is removed
    #[arg(long)]
    drain: bool,
}

pub(crate) fn run(session: Session, args: &ResetArgs) -> Result<ExitCode> {
    let state = session.paths.state();
    if !state.exists() && !session.paths.runtime().exists() {
        session.printer.result("nothing to reset: this host has no node of this cluster");
        return Ok(ExitCode::SUCCESS);
    }
    if !args.force && !confirmed(&session)? {
        return Err(Hinted::new("not reset", "answer y, or pass --force").into());
    }
    fs::create_dir(&state)?;
    let lock = Lock::acquire(session.paths.lock(), "reset")?;
    if args.drain {
        leave::drain(&session)?;
        session.printer.note("[reset] drained the node");
    }
    let mut problems = Vec::new();
    let mut step = |what: &str, result: Result<()>| match result {
        Ok(()) => session.printer.note(&format!("[reset] {what}")),
        Err(error) => {
            session.printer.warn(&format!("{what}: {error:#}"));
            problems.push(what.to_owned());
        }
    };
    match daemon::process::stop(&session.paths) {
        // What it works on is not taken from under it.
        Err(error) if daemon::process::is_alive(&session.paths)? => {
            return Err(error.context("the node still runs, so nothing was removed"));
        }
        stopped => step("stopped the node", stopped.map(drop)),
    }
    // Not before: a kubelet that lives would register the Node again.
    if let Ok(outcome) = leave::leave(&session) {
        step(outcome, Ok(()));
    }
    step("removed the service unit", daemon::process::remove_unit(&session));
    match unmerge(&session) {
        Ok(false) => {}
        result => step("removed the cluster from ~/.kube/config", result.map(drop)),
    }
    step("removed files", remove_files(&session));
    drop(lock);
    if problems.is_empty() {
        session.printer.result(
            "reset: nothing of this cluster is left on this host but imported bundles (usernetes-rs bundle list)",
        );
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Hinted::new(
            format!("could not finish: {}", problems.join(", ")),
            "cure what the warnings name and run reset again",
        )
        .into())
    }
}

fn confirmed(session: &Session) -> Result<bool> {
    crate::ui::err(&format!(
        "This removes the node of cluster {} with all its data from this host. Go on? [y/N]",
        session.paths.cluster
    ));
    agrees(std::io::stdin().lock()).context("cannot read the answer from standard input")
}

/// As kubeadm takes it, from a pipe as well.
fn agrees(mut input: impl BufRead) -> std::io::Result<bool> {
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Takes back what `init --merge-kubeconfig` has written.
fn unmerge(session: &Session) -> Result<bool> {
    let path = env::home()?.join(".kube/config");
    let (Some(theirs), Some(ours)) = (fs::read_if_exists(&path)?, fs::read_if_exists(session.paths.admin_conf())?)
    else {
        return Ok(false);
    };
    let ours = Kubeconfig::parse(&ours)?.renamed(&merged_name(session));
    let rest = kubeconfig::take_out(&theirs, &ours).with_context(|| format!("cannot read {}", path.display()))?;
    let Some(rest) = rest else { return Ok(false) };
    fs::write(&path, rest, fs::Mode::Secret)?;
    Ok(true)
}

/// Files of pods and containers belong to subordinate ids: they are removed as root of a user namespace that maps them.
fn remove_files(session: &Session) -> Result<()> {
    let paths = &session.paths;
    // The runtime folder of the node's last start may be another than ours.
    let mut folders = vec![daemon::process::runtime(paths), paths.runtime(), paths.state()];
    folders.dedup();
    usernetes_rootless::remove_all(&folders)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_may_come_from_a_pipe() -> Result<()> {
        for (said, yes) in [("y\n", true), ("YES", true), ("n\n", false), ("\ny\n", false), ("", false)] {
            assert_eq!(agrees(said.as_bytes())?, yes, "{said:?}");
        }
        Ok(())
    }
}
