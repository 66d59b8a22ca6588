//! How fast the product is beside the least that could be done by hand, on one machine in one run.

mod api;
mod floor;
mod measure;
mod memory;
mod moments;
mod report;

use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::capability::Need;
use crate::rig::{self, Rig};
use crate::{first_process, namespaces, suite};

/// Fewer pairs make no median.
const FEWEST: usize = 5;

/// What is asked for.
struct Options {
    runs: usize,
    json: PathBuf,
}

/// `startup [--runs N] [--json FILE]`.
pub fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    if words.peek().is_some_and(|word| word == namespaces::FIRST_PROCESS) {
        return first_process::run().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let result = options(words).and_then(|options| startup(&options));
    let cleaned = rig::give_back();
    match result.and(cleaned) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            suite::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options> {
    ensure!(words.next().as_deref() == Some("startup"), "the one measurement is \"startup\"");
    let mut options = Options { runs: FEWEST, json: "bench-startup.json".into() };
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--runs" => options.runs = value.parse().context("--runs")?,
            "--json" => options.json = value.into(),
            _ => bail!("unknown option {word}: --runs, --json"),
        }
    }
    ensure!(options.runs >= FEWEST, "a median wants {FEWEST} runs");
    Ok(options)
}

fn startup(options: &Options) -> Result<()> {
    suite::clean_up_at_signals()?;
    [Need::Hosts, Need::Program, Need::Bundle].iter().try_for_each(|need| need.check())?;
    let rig = Rig::new(1)?;
    let host = rig.host();
    host.tool(&["bundle", "import", crate::product::BUNDLE]).ok()?;
    // The first run warms the machine's caches and tells the floor its command lines; it does not count.
    suite::complain("warming up");
    let floor = measure::first(host)?;
    let mut pairs = Vec::new();
    for number in 1..=options.runs {
        let product = measure::product(host)?;
        let floor = measure::floor(host, &floor)?;
        suite::complain(&report::progress(number, options.runs, &product, &floor));
        pairs.push((product, floor));
    }
    let report = report::Report::new(&pairs);
    std::fs::write(&options.json, report.json()).with_context(|| format!("cannot write {}", options.json.display()))?;
    report.print();
    Ok(())
}
