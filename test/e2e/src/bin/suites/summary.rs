//! What a person reads: a line for each job and scenario as they end, and the tables at the end.

use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use usernetes_e2e::report::{self, CLUSTER, Entry, Outcome};

use crate::job::{End, Ended, Lane};
use crate::say;
use crate::tables::{self, latest, word_of};

/// Lines of a failed build's log that are shown.
const LINES: usize = 60;

/// Shows a job that has just ended: its scenarios, and its log where that says more.
pub(crate) fn show(ended: &Ended, report: &Path) {
    let word = if ended.end == End::Passed { "passed" } else { "FAILED" };
    say(&format!("=== {}: {word} in {} s", ended.job.name, ended.took.as_secs()));
    let text = std::fs::read_to_string(&ended.log).unwrap_or_default();
    // Without names the job has a report, or closing lines, of its own.
    let names = ended.job.scenarios.as_ref().map_or(0, |(_, names)| names.len());
    let plain = ended.job.lane == Lane::Suite && names == 0;
    if ended.end == End::Failed && ended.job.lane == Lane::Build {
        let lines: Vec<&str> = text.lines().collect();
        say(&lines[lines.len().saturating_sub(LINES)..].join("\n"));
    } else if ended.end == End::Failed || plain {
        say(text.trim_end());
    }
    let entries = report::read(report).unwrap_or_default();
    let Some((suite, names)) = &ended.job.scenarios else { return };
    let of_job = |entry: &&Entry| entry.suite == *suite && names.contains(&entry.scenario);
    for entry in latest(&entries).into_iter().filter(of_job) {
        say(&format!("test {suite}::{} ... {} ({} s)", entry.scenario, word_of(entry.result), entry.seconds));
    }
}

/// Prints the tables, what was left out and what is flaky, and the sum; fails if anything did.
pub(crate) fn print(results: &[Ended], report: &Path, before: Duration, took: Duration) -> Result<ExitCode> {
    let entries = report::read(report)?;
    say(&tables::scenarios(&entries));
    say(&tables::suites(results, &entries));
    for (end, text) in [
        (End::Flaky, "FLAKY, passed at the second try"),
        (End::LeftOut, "left out, the time was over"),
        (End::Blocked, "left out, what it needs failed"),
        (End::Failed, "FAILED"),
    ] {
        let names: Vec<&str> = results.iter().filter(|one| one.end == end).map(|one| one.job.name.as_str()).collect();
        if !names.is_empty() {
            say(&format!("{text}: {}", names.join(", ")));
        }
    }
    say(&format!("{} s before the suites, {} s in all", before.as_secs(), (before + took).as_secs()));
    let (passed, failed) = count(results, &entries);
    say(&format!("{passed} passed, {failed} failed"));
    let bad = |one: &Ended| matches!(one.end, End::Failed | End::Blocked);
    Ok(if results.iter().any(bad) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Scenarios, unit tests and jobs that are neither, passed and failed.
fn count(results: &[Ended], entries: &[Entry]) -> (usize, usize) {
    let real: Vec<&Entry> = latest(entries).into_iter().filter(|entry| entry.scenario != CLUSTER).collect();
    let mut passed = real.iter().filter(|entry| entry.result == Outcome::Passed).count();
    let mut failed = real.iter().filter(|entry| entry.result == Outcome::Failed).count();
    for ended in results.iter().filter(|one| one.job.scenarios.is_none() && one.job.lane == Lane::Suite) {
        let text = std::fs::read_to_string(&ended.log).unwrap_or_default();
        let sums: Vec<(usize, usize)> = text.lines().filter_map(closing_line).collect();
        passed += sums.iter().map(|sum| sum.0).sum::<usize>();
        failed += sums.iter().map(|sum| sum.1).sum::<usize>();
        if sums.is_empty() {
            *(if ended.end == End::Passed { &mut passed } else { &mut failed }) += 1;
        }
    }
    // A suite that ended without a report of a failure has failed nevertheless.
    let bad = results.iter().filter(|one| matches!(one.end, End::Failed | End::Blocked)).count();
    (passed, failed.max(bad))
}

/// `test result: ok. 12 passed; 0 failed; …`
fn closing_line(line: &str) -> Option<(usize, usize)> {
    let sums = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let number = |word: &str| {
        sums.split("; ").find_map(|part| part.strip_suffix(word)).and_then(|text| text.trim().parse().ok())
    };
    Some((number("passed")?, number("failed")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_cargo_are_counted() {
        let line = "test result: ok. 12 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.12s";
        assert_eq!(closing_line(line), Some((12, 1)));
        assert_eq!(closing_line("running 12 tests"), None);
    }
}
