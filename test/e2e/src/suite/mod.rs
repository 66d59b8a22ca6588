//! The `main` of a test binary: runs its scenarios one after another and leaves nothing behind.

pub(crate) mod cpu;
pub(crate) mod diagnostics;
pub mod plan;
pub mod report;
pub(crate) mod requirement;
mod run;
pub(crate) mod scenario;

use anyhow::Result;
use libtest_mimic::Arguments;
use std::process::ExitCode;
use std::sync::PoisonError;

use crate::signals;
use crate::testbed::{self, init, namespaces};
use run::Cluster;
use scenario::{Scenario, SharedCluster};

/// What the `main` of every test binary calls.
pub fn main(suite: &'static str, scenarios: Vec<Scenario>, shared: Option<SharedCluster>) -> ExitCode {
    let word = std::env::args().nth(1);
    match word.as_deref() {
        Some(namespaces::FIRST_PROCESS) => return exit_code(init::run()),
        Some(plan::FLAG) => {
            let planned: Vec<_> = scenarios.iter().map(|scenario| scenario.planned(shared)).collect();
            return exit_code(plan::print(&planned));
        }
        _ => {}
    }
    if let Err(error) = clean_up_at_signals() {
        return fail(&error);
    }
    let wanted = plan::wanted();
    let mut arguments = Arguments::from_args();
    // Order and time limits rest on one scenario at a time; `hack/test` runs several processes.
    arguments.test_threads = Some(1);
    let cluster = Cluster::default();
    let scenarios = scenarios.into_iter().filter(|s| wanted.as_ref().is_none_or(|names| names.contains(s.name)));
    let trials = scenarios.map(|scenario| run::trial(scenario, suite, cluster.clone(), shared)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(cluster.lock().unwrap_or_else(PoisonError::into_inner).take());
    match testbed::release_all() {
        Ok(()) => conclusion.exit_code(),
        Err(error) => fail(&error),
    }
}

/// At a signal a thread removes everything and ends the process.
pub(crate) fn clean_up_at_signals() -> Result<()> {
    signals::catch(|signal| {
        if let Err(error) = testbed::release_all() {
            print_error(&format!("{error:#}"));
        }
        std::process::exit(diagnostics::code(signal));
    })
}

fn exit_code(result: Result<()>) -> ExitCode {
    result.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    print_error(&format!("{error:#}"));
    ExitCode::FAILURE
}

#[expect(clippy::print_stderr, reason = "the test's own errors go to its terminal")]
pub(crate) fn print_error(text: &str) {
    eprintln!("usernetes-e2e: {text}");
}
