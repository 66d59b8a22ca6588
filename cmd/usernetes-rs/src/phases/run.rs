//! The run of a workflow, under the cluster's lock, with journal, resumption and interruption.

use super::checks;
use super::explain::explain_failure;
use crate::errors::{Hinted, PreflightFailed};
use crate::interrupt;
use crate::journal::Journal;
use crate::output::Printer;
use crate::session::Session;
use crate::workflow::{Selection, Workflow};
use anyhow::Result;
use serde_json::json;
use std::process::ExitCode;
use std::time::Instant;
use usernetes_api::{Config, Discovery, Paths};
use usernetes_host::lock::Lock;
use usernetes_host::{Level, fs};
use usernetes_node::bundle::unpin_bundle;

/// What the data of `init` and of `join` have in common.
pub(crate) trait WorkflowData: Sized + 'static {
    /// Its table.
    fn workflow() -> &'static Workflow<Self>;
    /// The run of the program.
    fn session(&self) -> &Session;
    /// The resolved configuration.
    fn config(&self) -> &Config;
    /// A message where the node is healthy and nothing is to be done; an error where nothing can be done.
    fn check_healthy(&mut self) -> Result<Option<String>>;
    /// Before the phases of a whole run, under the cluster's lock.
    fn prepare(&mut self, _journal: &Journal) -> Result<()> {
        Ok(())
    }
    /// Prints the result of a whole run.
    fn print_result(&mut self, seconds: f64) -> Result<()>;
    /// The configuration to keep after a complete run.
    fn completed_config(&self) -> Config {
        self.config().clone()
    }
}

/// Names the phases that cannot be skipped, since this program does not have them.
pub(crate) fn note_foreign_phases<D>(session: &Session, workflow: &Workflow<D>, skip: &[String]) {
    for path in skip.iter().filter(|path| workflow.is_foreign(path)) {
        let name = workflow.name;
        session
            .printer
            .warn(&format!("skipPhases: {name} has no phase {path}; components are started by the node itself"));
    }
}

/// Runs a selection of phases; `whole` when it is the command and not one phase.
pub(crate) fn run_workflow<D: WorkflowData>(
    workflow: &Workflow<D>,
    selection: Selection<D>,
    data: &mut D,
    whole: bool,
) -> Result<ExitCode> {
    let started = Instant::now();
    let session = data.session().clone();
    let (paths, printer) = (session.paths(), &session.printer);
    let _lock = acquire_lock(&session, data.config(), workflow.name)?;
    let mut journal = Journal::open(&paths.journal())?;
    let kept = fs::read_if_exists(paths.config())?;
    refuse_other_config(data, &journal, kept.as_deref(), workflow.name)?;
    if whole {
        if journal.completed.is_some()
            && let Some(message) = data.check_healthy()?
        {
            printer.result(&message);
            printer.event("healthy", json!({ "message": message }));
            return Ok(ExitCode::SUCCESS);
        }
        announce(data.config(), printer);
        if kept.is_some()
            && let Some(entry) = journal.failed()
        {
            printer.note(&format!("continuing: the last run stopped in phase {}", entry.phase));
        }
        data.prepare(&journal)?;
    }
    if names_other_bundle(data, kept.as_deref()) && !session.instance.is_alive()? {
        unpin_bundle(paths)?;
    }
    if kept.as_deref() != Some(&data.config().to_kept_yaml()) {
        stop_outdated_node(data, &journal, kept.as_deref())?;
        session.instance.keep_config(data.config())?;
    }
    let mut guard = interrupt::Guard::new(&session.instance, printer.clone(), workflow.name)?;
    if let Err(error) = workflow.run(selection, data, &mut journal, printer) {
        let goes_on = guard.stop_unless_working();
        if data.config().join.is_none() && error.is::<PreflightFailed>() {
            restore_config(paths, kept)?;
        }
        return Err(explain_failure(&session, workflow.name, goes_on, error));
    }
    guard.disarm();
    if whole {
        journal.complete()?;
        data.print_result(started.elapsed().as_secs_f64())?;
        session.instance.keep_config(&data.completed_config())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A node of an unfinished workflow that goes on with another configuration starts again with it. Tokens are for the
/// phases only.
fn stop_outdated_node<D: WorkflowData>(data: &D, journal: &Journal, kept: Option<&str>) -> Result<()> {
    let session = data.session();
    if journal.completed.is_some() || !session.instance.is_alive()? {
        return Ok(());
    }
    let kept = kept.and_then(|kept| Config::parse_kept(&session.paths().config(), kept).ok());
    if kept.is_none_or(|kept| without_tokens(&kept) != without_tokens(data.config())) {
        session.printer.note("the configuration has changed: the node starts again");
        session.instance.stop(None)?;
    }
    Ok(())
}

fn without_tokens(config: &Config) -> Config {
    let mut config = config.clone().without_bootstrap_tokens();
    if let Some(join) = &mut config.join {
        join.discovery = Discovery::default();
    }
    config
}

/// Whether the user names another bundle than in the run before, after which the node has kept its own.
fn names_other_bundle<D: WorkflowData>(data: &D, kept: Option<&str>) -> bool {
    let path = data.session().paths().config();
    let kept = kept.and_then(|kept| Config::parse_kept(&path, kept).ok());
    let named = &data.config().rootless.bundle;
    named.is_some() && kept.is_some_and(|kept| kept.rootless.bundle != *named)
}

/// Nothing is made yet when preflight fails: the next `init` must not continue with the flags that were refused.
fn restore_config(paths: &Paths, kept: Option<String>) -> Result<()> {
    match kept {
        Some(kept) => Ok(fs::write(paths.config(), kept, fs::Mode::Secret)?),
        None => Ok(fs::remove_if_exists(paths.config())?),
    }
}

/// The versions and the address of this host, which stands in all that follows.
fn announce(config: &Config, printer: &Printer) {
    let (version, kubernetes, ip) = (env!("CARGO_PKG_VERSION"), &config.cluster.kubernetes_version, config.host_ip());
    let known = usernetes_host::env::host_ips().unwrap_or_default();
    let interface = known.into_iter().find(|c| c.address == ip).map(|c| c.interface);
    printer.event(
        "start",
        json!({ "version": version, "kubernetesVersion": kubernetes, "hostIP": ip, "interface": interface }),
    );
    let interface = interface.map_or_else(String::new, |interface| format!(" ({interface})"));
    printer.note(&format!("usernetes-rs {version}  Kubernetes {kubernetes}  host {ip}{interface}"));
}

/// The lock is in the state directory: where that cannot be written, all findings are shown as by `preflight`.
fn acquire_lock(session: &Session, config: &Config, purpose: &str) -> Result<Lock> {
    let paths = session.paths();
    make_lock(paths, purpose).map_err(|error| {
        use usernetes_host::checks::{state_dir, state_path};
        let is_cause = [state_path(&paths.state()), state_dir(&paths.state())].iter().any(|f| f.level == Level::Error);
        if !is_cause {
            return error;
        }
        let findings = checks::run_all(session, config);
        session.printer.findings(&checks::warnings(&findings));
        PreflightFailed(checks::errors(&findings)).into()
    })
}

fn make_lock(paths: &Paths, purpose: &str) -> Result<Lock> {
    fs::create_dir(paths.state())?;
    Ok(Lock::acquire(paths.lock(), purpose)?)
}

/// The documents of a complete cluster are not replaced: a part of the cluster would follow the new ones. A node that
/// joined may join again with a newer token.
fn refuse_other_config<D: WorkflowData>(data: &D, journal: &Journal, kept: Option<&str>, workflow: &str) -> Result<()> {
    let config = data.config();
    let path = data.session().paths().config();
    let differs = kept.is_some_and(|kept| {
        !Config::parse_kept(&path, kept).is_ok_and(|kept| kept.without_bootstrap_tokens() == *config)
    });
    if !differs || journal.completed.is_none() || config.join.is_some() {
        return Ok(());
    }
    let flag = data.session().cluster_flag();
    Err(Hinted::new(
        "this host already has a node of this cluster, made with another configuration",
        format!(
            "usernetes-rs{flag} {workflow} without flags continues with it; usernetes-rs{flag} reset removes it; \
             --cluster NAME makes another one beside it"
        ),
    )
    .into())
}
