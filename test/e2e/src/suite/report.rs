//! The result of each scenario, one line of JSON each: for the table of seconds at the end of `hack/test` and for the table
//! of hosts in the guide `where-it-runs` (`hack/lib/where-it-runs`).

use anyhow::{Context, Result};
use libtest_mimic::{Completion, Failed};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::suite::cpu;
use crate::suite::scenario::Topology;

/// Names the file to which a line is added for each scenario.
pub const REPORT: &str = "U7S_E2E_REPORT";

/// What the making of a shared cluster is called among the scenarios.
pub const CLUSTER: &str = "shared-cluster";

/// A kind of host, by what its user was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    pub(crate) fn of(topology: Topology) -> Self {
        if topology.guests > 0 { Self::Delegated } else { Self::None }
    }
}

/// How a scenario ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It ran to its end without a failure.
    Passed,
    /// This machine lacks what it needs.
    Ignored,
    /// It did not do what it promises.
    Failed,
}

/// One scenario that ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Name of the test binary.
    pub suite: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Its hosts.
    pub kind: HostKind,
    /// How it ended.
    pub result: Outcome,
    /// Seconds from its begin to its end.
    pub seconds: f64,
    /// Seconds of processor time, user and system, of everything that this process and its hosts did meanwhile.
    pub cpu: f64,
}

/// The begin of a scenario.
pub(crate) struct Begin {
    at: Instant,
    cpu: Duration,
}

impl Begin {
    pub(crate) fn now() -> Self {
        Self { at: Instant::now(), cpu: cpu::time() }
    }

    /// The scenario's line.
    pub(crate) fn end(
        &self,
        suite: &str,
        scenario: &str,
        kind: HostKind,
        result: &Result<Completion, Failed>,
    ) -> Entry {
        let result = match result {
            Ok(Completion::Completed) => Outcome::Passed,
            Ok(Completion::Ignored { .. }) => Outcome::Ignored,
            Err(_) => Outcome::Failed,
        };
        let (suite, scenario) = (suite.to_owned(), scenario.to_owned());
        let seconds = self.at.elapsed().as_secs_f64();
        let cpu = cpu::time().saturating_sub(self.cpu).as_secs_f64();
        Entry { suite, scenario, kind, result, seconds: round(seconds), cpu: round(cpu) }
    }
}

fn round(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

/// Adds a line where a report is wanted. Failing to do so does not fail the scenario.
pub fn add(entry: &Entry) {
    let Some(path) = std::env::var_os(REPORT) else { return };
    if let Err(error) = append(Path::new(&path), entry) {
        crate::suite::print_error(&format!("cannot report to {}: {error:#}", Path::new(&path).display()));
    }
}

/// In one write, since other suites may add to it at the same time.
fn append(path: &Path, entry: &Entry) -> Result<()> {
    let line = serde_json::to_string(entry)? + "\n";
    Ok(File::options().create(true).append(true).open(path)?.write_all(line.as_bytes())?)
}

/// Reads a report, in the order in which the scenarios ended; none where there is no file.
pub fn read(path: &Path) -> Result<Vec<Entry>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("in {}", path.display()))).collect()
}
