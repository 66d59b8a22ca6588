//! One command among others.

use std::path::PathBuf;
use std::time::Duration;

/// Where a job waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// One at a time, below the priority of suites.
    Build,
    /// Several at a time.
    Suite,
}

/// A command, and what must have succeeded before it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// `multi`, `multi/classic_join` or what a build makes.
    pub(crate) name: String,
    pub(crate) lane: Lane,
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Names of jobs.
    pub(crate) after: Vec<&'static str>,
    /// Seconds that it takes, roughly, among others on two processors.
    pub(crate) seconds: u64,
    /// Name of the suite in the report, and the scenarios of it that this job runs. None for what reports nothing.
    pub(crate) scenarios: Option<(String, Vec<String>)>,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Passed,
    Failed,
    /// A job that it needs failed.
    Blocked,
    /// The budget was used up before its turn.
    LeftOut,
    /// It failed and then passed alone.
    Flaky,
}

/// A job that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) job: Job,
    pub(crate) end: End,
    pub(crate) took: Duration,
    pub(crate) log: PathBuf,
}
