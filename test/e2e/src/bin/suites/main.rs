//! Runs everything that needs a built program: builds of test tools and suites, several at a time. Started by `hack/test`.

mod executables;
mod job;
mod jobs;
mod schedule;
mod second_try;
mod summary;
mod tables;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Every suite on real clusters, several at a time, with the builds that they need.
#[derive(Debug, Parser)]
#[command(name = "suites")]
struct Options {
    /// Every scenario on real hosts, not only the core story
    #[arg(long)]
    all: bool,
    /// Messages of `cargo test --workspace --no-run --message-format=json`
    #[arg(long, value_name = "FILE")]
    messages: PathBuf,
    /// Seconds that have gone before this program was started
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    elapsed: u64,
    /// No suite begins that is expected to end later than this
    #[arg(long, env = "U7S_TEST_BUDGET", default_value_t = 5100, value_name = "SECONDS")]
    budget: u64,
    /// How many suites run at the same time [default: two for each processor]
    #[arg(long, env = "U7S_TEST_JOBS", value_name = "N")]
    jobs: Option<usize>,
    /// Where logs and the report go
    #[arg(long, default_value = "target/e2e", value_name = "DIR")]
    output: PathBuf,
    /// Only jobs whose names contain one of these, and the builds that they need
    names: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode> {
    let start = Instant::now();
    std::fs::create_dir_all(&options.output)?;
    let output = options.output.canonicalize()?;
    let report = output.join("report.jsonl");
    let _ = std::fs::remove_file(&report);
    let found = executables::read(&options.messages)?;
    let jobs = jobs::select(jobs::all(&found, options.all, &report)?, &options.names);
    let limits = schedule::Limits {
        at_once: options.jobs.unwrap_or_else(|| 2 * std::thread::available_parallelism().map_or(2, usize::from)),
        end: Instant::now() + Duration::from_secs(options.budget.saturating_sub(options.elapsed)),
    };
    let mut scheduler = schedule::Scheduler::new(output, report.clone())?;
    let mut results = scheduler.run(jobs, &limits)?;
    second_try::run(&mut scheduler, &mut results, &limits)?;
    let before = Duration::from_secs(options.elapsed);
    summary::print(&results, &report, before, start.elapsed())
}

#[expect(clippy::print_stdout, reason = "this is a program")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
