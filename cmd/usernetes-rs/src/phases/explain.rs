//! A failed workflow: the end of the failing component's log, and the command that continues.

use crate::errors::{Hinted, PreflightFailed};
use crate::output::print_error;
use crate::session::Session;
use crate::workflow::PhaseFailed;
use usernetes_node::{ComponentName, ComponentStatus, State, logs};

/// Lines of a component's log that are shown.
const LOG_LINES: usize = 10;

/// Adds to `error` the phase that failed and how to go on; shows the logs of failing components. `goes_on` when the node
/// runs all the same.
pub(super) fn explain_failure(session: &Session, workflow: &str, goes_on: bool, error: anyhow::Error) -> anyhow::Error {
    if error.downcast_ref::<PreflightFailed>().is_some() {
        return error;
    }
    let Some(failed) = error.downcast_ref::<PhaseFailed>() else { return error };
    let phase = failed.phase;
    show_failing_logs(session);
    let flag = session.cluster_flag();
    let hint = format!(
        "usernetes-rs{flag} {workflow} continues where it stopped, usernetes-rs{flag} logs shows more, \
         usernetes-rs{flag} reset removes everything"
    );
    let node = if goes_on { "; the node goes on running" } else { "" };
    Hinted::new(format!("{workflow} stopped in phase {phase}{node}"), hint).caused_by(error)
}

/// The last lines of every component that is in back-off or was restarted.
fn show_failing_logs(session: &Session) {
    let Some(status) = session.instance.node_status() else { return };
    for component in status.components.iter().filter(|component| is_failing(component)) {
        show_log(session, component.name);
    }
}

fn is_failing(component: &ComponentStatus) -> bool {
    component.state == State::BackOff || component.restarts > 0
}

fn show_log(session: &Session, name: ComponentName) {
    let Ok(lines) = logs::read_tail(&session.paths().logs(), name, LOG_LINES) else { return };
    if session.printer.json() {
        session.printer.event("log", serde_json::json!({ "component": name, "lines": lines }));
        return;
    }
    print_error(&format!("last lines of {name}:"));
    for line in lines {
        print_error(&format!("  {line}"));
    }
}
