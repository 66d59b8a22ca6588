//! The workflows: tables of phases, and what is around a run of one.

pub(crate) mod checks;
pub(crate) mod common;
pub(crate) mod init;
pub(crate) mod join;

use crate::errors::{Hinted, PreflightFailed};
use crate::interrupt;
use crate::journal::Journal;
use crate::session::Session;
use crate::ui::Printer;
use crate::workflow::{PhaseFailed, Selection, Workflow};
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use tokio::runtime::Runtime;
use usernetes_api::{Config, Paths};
use usernetes_host::lock::Lock;
use usernetes_host::{Level, fs};

/// What the data of `init` and of `join` have in common.
pub(crate) trait WorkflowData {
    /// The run.
    fn session(&self) -> &Session;
    /// The documents.
    fn config(&self) -> &Config;
    /// Whether the node is up and well, so that nothing is to be done; an error where nothing can be done.
    fn healthy(&mut self) -> Result<Option<String>>;
    /// Closing words.
    fn finish(&mut self, seconds: f64) -> Result<()>;
}

/// Runs a workflow, or one phase of it, under the cluster's lock, with journal, resumption and interruption.
pub(crate) fn run_workflow<D: WorkflowData>(
    workflow: &Workflow<D>,
    selection: Selection<D>,
    data: &mut D,
    whole: bool,
) -> Result<ExitCode> {
    let started = Instant::now();
    let paths = data.session().paths.clone();
    let printer = data.session().printer.clone();
    let _lock = lock(&paths, workflow.name)?;
    let mut journal = Journal::open(&paths.journal())?;
    let kept = fs::read_if_exists(paths.config())?;
    refuse_other(data, &journal, kept.as_deref(), workflow.name)?;
    if whole {
        if journal.completed.is_some()
            && let Some(done) = data.healthy()?
        {
            printer.result(&done);
            printer.event("healthy", serde_json::json!({ "message": done }));
            return Ok(ExitCode::SUCCESS);
        }
        announce(data.config(), &printer);
        if kept.is_some()
            && let Some(entry) = journal.failed()
        {
            printer.note(&format!("going on: the last run stopped in phase {}", entry.phase));
        }
    }
    keep_config(&paths.config(), kept.as_deref(), &data.config().to_kept_yaml())?;
    let mut guard = interrupt::Guard::new(&paths, printer.clone(), workflow.name)?;
    let result = workflow.run(selection, data, &mut journal, &printer);
    if let Err(error) = result {
        guard.stop_what_was_started();
        if data.config().join.is_none() && error.is::<PreflightFailed>() {
            // Nothing is made yet: the next `init` is not to go on with flags that have just been refused.
            match kept {
                Some(kept) => fs::write(paths.config(), kept, fs::Mode::Secret)?,
                None => std::fs::remove_file(paths.config())?,
            }
        }
        return Err(explain(data, workflow.name, error));
    }
    guard.disarm();
    if whole {
        journal.complete()?;
        data.finish(started.elapsed().as_secs_f64())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the workflow works with; above all the address that was chosen, for it stands in everything that follows.
fn announce(config: &Config, printer: &Printer) {
    let (version, kubernetes, ip) = (env!("CARGO_PKG_VERSION"), &config.cluster.kubernetes_version, config.host_ip());
    let known = usernetes_host::env::host_ips().unwrap_or_default();
    let interface = known.into_iter().find(|c| c.address == ip).map(|c| c.interface);
    printer.event(
        "start",
        serde_json::json!({ "version": version, "kubernetesVersion": kubernetes, "hostIP": ip, "interface": interface }),
    );
    let by = interface.map_or_else(String::new, |interface| format!(" ({interface})"));
    printer.note(&format!("usernetes-rs {version}  Kubernetes {kubernetes}  host {ip}{by}"));
}

/// The lock lies in the state folder: where that cannot be written, the check of it comes before all others.
fn lock(paths: &Paths, purpose: &str) -> Result<Lock> {
    let take = || -> Result<Lock> {
        fs::create_dir(paths.state())?;
        Ok(Lock::acquire(paths.lock(), purpose)?)
    };
    take().map_err(|error| {
        let finding = usernetes_host::checks::state_dir(&paths.state());
        match finding.level {
            Level::Error => PreflightFailed(vec![finding]).into(),
            _ => error,
        }
    })
}

/// A finished cluster's documents are not replaced by others: half of it would follow them and half not. A node that
/// joined may be told to join once more with a newer token.
fn refuse_other<D: WorkflowData>(data: &D, journal: &Journal, kept: Option<&str>, workflow: &str) -> Result<()> {
    let (session, config) = (data.session(), data.config());
    let path = session.paths.config();
    let other = kept.is_some_and(|kept| !Config::parse_kept(&path, kept).is_ok_and(|kept| kept == *config));
    if other && journal.completed.is_some() && config.join.is_none() {
        let flag = session.cluster_flag();
        return Err(Hinted::new(
            "this host already has a node of this cluster, made with another configuration",
            format!(
                "usernetes-rs{flag} {workflow} without flags goes on with it; usernetes-rs{flag} reset removes it; \
                 --cluster NAME makes another one beside it"
            ),
        )
        .into());
    }
    Ok(())
}

/// Keeps the documents.
fn keep_config(path: &Path, kept: Option<&str>, yaml: &str) -> Result<()> {
    if kept != Some(yaml) {
        // Tokens may stand in it.
        fs::write(path, yaml, fs::Mode::Secret)?;
    }
    Ok(())
}

/// Adds what a person needs to go on: the end of the failing component's log, and the command that resumes.
fn explain<D: WorkflowData>(data: &D, workflow: &str, error: anyhow::Error) -> anyhow::Error {
    if error.is::<PreflightFailed>() || error.downcast_ref::<PreflightFailed>().is_some() {
        return error;
    }
    let Some(failed) = error.downcast_ref::<PhaseFailed>() else { return error };
    let phase = failed.phase;
    let session = data.session();
    common::show_logs_of_failing(session);
    let flag = session.cluster_flag();
    let cure = format!(
        "usernetes-rs{flag} {workflow} goes on where it stopped, usernetes-rs{flag} logs shows more, \
         usernetes-rs{flag} reset removes everything"
    );
    Hinted::new(format!("{workflow} stopped in phase {phase}"), cure).because(error)
}

/// One thread: the CLI waits for one thing at a time, or joins futures.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
