//! How fast the product is beside the least that could be done by hand, on one machine in one run.

mod api;
mod flood;
mod floor;
mod join;
mod measure;
mod memory;
mod moments;
mod report;
mod startup;

use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::suite;
use crate::suite::requirement::Requirement;
use crate::testbed::{self, init, namespaces};

/// Fewer pairs make no median.
const FEWEST: usize = 5;

/// What is asked for.
struct Options {
    run: fn(usize) -> Result<report::Report>,
    runs: usize,
    json: PathBuf,
}

/// `startup|join|flood [--runs N] [--json FILE]`.
pub fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    if words.peek().is_some_and(|word| word == namespaces::FIRST_PROCESS) {
        return init::run().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let result = options(words).and_then(|options| run_measurement(&options));
    let cleaned = testbed::release_all();
    match result.and(cleaned) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            suite::print_error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options> {
    let (name, run, fewest): (_, fn(usize) -> _, _) = match words.next().as_deref() {
        Some("startup") => ("startup", startup::run, FEWEST),
        Some("join") => ("join", join::run, FEWEST),
        Some("flood") => ("flood", flood::run, 1),
        _ => bail!("the measurements are \"startup\", \"join\" and \"flood\""),
    };
    let mut options = Options { run, runs: fewest, json: format!("target/bench-{name}.json").into() };
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--runs" => options.runs = value.parse().context("--runs")?,
            "--json" => options.json = value.into(),
            _ => bail!("unknown option {word}: --runs, --json"),
        }
    }
    ensure!(options.runs >= fewest, "a median wants {fewest} runs");
    Ok(options)
}

fn run_measurement(options: &Options) -> Result<()> {
    suite::clean_up_at_signals()?;
    [Requirement::Hosts, Requirement::Program, Requirement::Bundle].iter().try_for_each(|need| need.check())?;
    let report = (options.run)(options.runs)?;
    let written = options.json.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = written.and_then(|()| std::fs::write(&options.json, report.json()));
    written.with_context(|| format!("cannot write {}", options.json.display()))?;
    report.print();
    Ok(())
}
