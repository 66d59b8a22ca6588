//! Programs beside the test suites that want hosts, too.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::suite::{self, diagnostics};
use crate::testbed::{self, Testbed, init, namespaces};

/// What the `main` of a program calls: this binary is also the first process of every host. Whatever happens,
/// nothing of the hosts is left.
pub fn program(run: impl FnOnce() -> Result<ExitCode>) -> ExitCode {
    if std::env::args().nth(1).is_some_and(|word| word == namespaces::FIRST_PROCESS) {
        return init::run().map_or_else(|e| suite::fail(&e), |()| ExitCode::SUCCESS);
    }
    let outcome = suite::clean_up_at_signals().and_then(|()| run());
    match (outcome, testbed::release_all()) {
        (Ok(code), Ok(())) => code,
        (Err(error), _) | (_, Err(error)) => suite::fail(&error),
    }
}

/// Keeps logs and state of every host below `dir`.
pub fn keep(testbed: &Testbed, dir: &Path) -> Result<PathBuf> {
    let kept = diagnostics::keep("conformance", "cluster", "", Some(testbed));
    let to = dir.join("cluster");
    // Another file system, perhaps: moved by copying, as mv does.
    let moved = std::process::Command::new("mv").arg("-T").arg(&kept).arg(&to).status();
    moved.context("cannot run mv")?;
    let _ = fs::remove_file(to.join("failure.txt"));
    Ok(to)
}
