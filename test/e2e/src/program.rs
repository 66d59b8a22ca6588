//! Programs beside the test suites that want hosts, too.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::rig::{self, Rig};
use crate::{evidence, first_process, namespaces, suite};

/// What the `main` of a program calls: this binary is also the first process of every host. Whatever happens,
/// nothing of the hosts is left.
pub fn program(play: impl FnOnce() -> Result<ExitCode>) -> ExitCode {
    if std::env::args().nth(1).is_some_and(|word| word == namespaces::FIRST_PROCESS) {
        return first_process::run().map_or_else(|e| suite::fail(&e), |()| ExitCode::SUCCESS);
    }
    let played = suite::clean_up_at_signals().and_then(|()| play());
    match (played, rig::give_back()) {
        (Ok(code), Ok(())) => code,
        (Err(error), _) | (_, Err(error)) => suite::fail(&error),
    }
}

/// Keeps logs and state of every host below `dir`.
pub fn keep(rig: &Rig, dir: &Path) -> Result<PathBuf> {
    let kept = evidence::keep("conformance", "cluster", "", Some(rig));
    let to = dir.join("cluster");
    // Another file system, perhaps: moved by copying, as mv does.
    let moved = std::process::Command::new("mv").arg("-T").arg(&kept).arg(&to).status();
    moved.context("cannot run mv")?;
    let _ = fs::remove_file(to.join("failure.txt"));
    Ok(to)
}
