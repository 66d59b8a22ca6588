//! What came of each scenario, for the README's table of hosts (`hack/lib/where-it-runs`).

use libtest_mimic::{Completion, Failed};
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::suite::Crew;

/// Names the file to which a line is added for each scenario.
const REPORT: &str = "U7S_E2E_REPORT";

/// A kind of host, by what its user was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// Namespaces of this machine: no systemd, nothing delegated.
    None,
    /// A guest with what systemd delegates by default.
    Delegated,
    /// A guest without the processor's controller.
    Partial,
    /// A container on a host: a user namespace in which the node makes its own.
    Nested,
}

impl HostKind {
    pub(crate) fn of(crew: Crew) -> Self {
        if crew.guests > 0 { Self::Delegated } else { Self::None }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Delegated => "delegated",
            Self::Partial => "partial",
            Self::Nested => "nested",
        }
    }
}

/// Adds a line where a report is wanted. That it cannot is no failure of the scenario.
pub(crate) fn add(suite: &str, scenario: &str, kind: HostKind, result: &Result<Completion, Failed>) {
    let Some(path) = std::env::var_os(REPORT) else { return };
    let result = match result {
        Ok(Completion::Completed) => "passed",
        Ok(Completion::Ignored { .. }) => "ignored",
        Err(_) => "failed",
    };
    let line = json!({ "suite": suite, "scenario": scenario, "kind": kind.as_str(), "result": result });
    if let Err(error) = append(Path::new(&path), &line.to_string()) {
        crate::suite::complain(&format!("cannot report to {}: {error}", Path::new(&path).display()));
    }
}

/// In one write, for other suites may add to it at the same time.
fn append(path: &Path, line: &str) -> std::io::Result<()> {
    File::options().create(true).append(true).open(path)?.write_all(format!("{line}\n").as_bytes())
}
