//! Which scenarios a test binary has and which of them it runs: what `hack/test` divides among several processes.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::Write;

/// Argument that makes a test binary print its scenarios, one JSON document a line.
pub const FLAG: &str = "--plan";
/// Variable with the exact names of the scenarios to run, separated by commas. All others are left out.
pub const ONLY: &str = "U7S_E2E_ONLY";

/// One scenario of a test binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Its name, unique in the binary.
    pub name: String,
    /// It runs on the cluster that the binary's scenarios share, in the order of the list.
    pub shared: bool,
    /// How many hosts it takes that are namespaces of this machine.
    pub hosts: usize,
    /// How many hosts it takes that have a kernel of their own.
    pub guests: usize,
}

pub(crate) fn print(scenarios: &[Planned]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    scenarios.iter().try_for_each(|scenario| Ok(writeln!(out, "{}", serde_json::to_string(scenario)?)?))
}

/// Reads what [`FLAG`] prints.
pub fn read(text: &str) -> Result<Vec<Planned>> {
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// The names of [`ONLY`], if it is set.
pub(crate) fn wanted() -> Option<HashSet<String>> {
    Some(std::env::var(ONLY).ok()?.split(',').map(str::to_owned).collect())
}
