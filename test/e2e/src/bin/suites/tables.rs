//! The tables at the end: seconds of each scenario and of each suite.

use std::collections::HashMap;
use std::fmt::Write as _;
use usernetes_e2e::report::{Entry, Outcome};

use crate::job::Ended;

/// Longest name of a scenario in the table; conformance's are sentences.
const WIDTH: usize = 60;

/// How cargo words a result.
pub(crate) fn word_of(result: Outcome) -> &'static str {
    match result {
        Outcome::Passed => "ok",
        Outcome::Ignored => "ignored",
        Outcome::Failed => "FAILED",
    }
}

/// The last result of each scenario, in order of their first.
pub(crate) fn latest(entries: &[Entry]) -> Vec<&Entry> {
    let mut order: Vec<&Entry> = Vec::new();
    for entry in entries {
        match order.iter_mut().find(|known| known.suite == entry.suite && known.scenario == entry.scenario) {
            Some(known) => *known = entry,
            None => order.push(entry),
        }
    }
    order
}

/// Seconds of each scenario, by suite, the longest first.
pub(crate) fn scenarios(entries: &[Entry]) -> String {
    let mut text = format!("\n{:<12} {:<WIDTH$} {:>8} {:>8}  {}\n", "suite", "scenario", "seconds", "cpu", "result");
    let mut all = latest(entries);
    all.sort_by(|a, b| a.suite.cmp(&b.suite).then(b.seconds.total_cmp(&a.seconds)));
    for entry in all {
        let Entry { suite, seconds, cpu, result, .. } = entry;
        let scenario: String = entry.scenario.chars().take(WIDTH).collect();
        let _ = writeln!(text, "{suite:<12} {scenario:<WIDTH$} {seconds:>8.1} {cpu:>8.1}  {}", word_of(*result));
    }
    text
}

/// Seconds by suite: those of its jobs, which may have run at the same time, and the processor's.
pub(crate) fn suites(results: &[Ended], entries: &[Entry]) -> String {
    let mut rows: Vec<(String, f64)> = Vec::new();
    let mut cpu: HashMap<String, f64> = HashMap::new();
    for ended in results {
        let name = ended.job.scenarios.as_ref().map_or(&ended.job.name, |(suite, _)| suite).clone();
        match rows.iter_mut().find(|(known, _)| *known == name) {
            Some((_, seconds)) => *seconds += ended.took.as_secs_f64(),
            None => rows.push((name, ended.took.as_secs_f64())),
        }
    }
    for entry in entries {
        *cpu.entry(entry.suite.clone()).or_default() += entry.cpu;
    }
    rows.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut text = format!("{:<28} {:>8} {:>8}\n", "suite or build", "seconds", "cpu");
    for (name, seconds) in rows {
        let used = cpu.get(&name).map_or_else(String::new, |cpu| format!("{cpu:.0}"));
        let _ = writeln!(text, "{name:<28} {seconds:>8.0} {used:>8}");
    }
    text
}
