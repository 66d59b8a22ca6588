//! Runs upstream's conformance suite on a rootless cluster. Started by `hack/conformance`, which builds what it needs.

mod cluster;
mod report;
mod suite;

use anyhow::{Context as _, Result};
use clap::Parser;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use suite::{Batch, Suite, Wanted};
use usernetes_e2e::Topology;

/// Upstream's conformance suite on a rootless cluster of several hosts: every wanted spec must pass, a skip is a failure.
#[derive(Debug, Parser)]
#[command(name = "hack/conformance")]
struct Options {
    /// Every `[Conformance]` spec, hack/conformance.d/expected-skips.yaml's last; goes on where it was interrupted
    #[arg(long, conflicts_with = "focus")]
    all: bool,
    /// The `[NodeConformance]` specs that upstream runs rootless (KEP-2033)
    #[arg(long, conflicts_with_all = ["all", "focus"])]
    node: bool,
    /// Specs whose full name matches; without it and --all, those of hack/conformance.d/acceptance.txt
    #[arg(long, value_name = "REGEX")]
    focus: Option<String>,
    /// Only print the names of the specs
    #[arg(long)]
    list: bool,
    /// Keep the cluster until Enter is pressed
    #[arg(long)]
    keep: bool,
    /// How many hosts
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    nodes: u8,
    /// Hosts with systemd, a kernel of their own and every controller delegated (hack/realhost): for specs that read cgroups
    #[arg(long)]
    guests: bool,
    /// How many specs at a time
    #[arg(long, default_value_t = 4)]
    procs: u8,
    /// Directory of the report and the logs
    #[arg(long, default_value = "target/conformance", value_name = "DIR")]
    report: PathBuf,
    /// Directory with e2e.test, ginkgo and conformance.tar
    #[arg(long, env = "U7S_CONFORMANCE", hide = true)]
    tools: PathBuf,
}

fn main() -> ExitCode {
    usernetes_e2e::program(|| run(&Options::parse()))
}

fn run(options: &Options) -> Result<ExitCode> {
    let suite = Suite { tools: options.tools.clone(), procs: options.procs, nodes: options.nodes };
    let wanted = match &options.focus {
        _ if options.all => Wanted::all(),
        _ if options.node => Wanted::node(),
        Some(focus) => Wanted::focus(focus),
        None => Wanted::acceptance(),
    };
    let batches = suite.batches(&wanted)?;
    let specs = batches.iter().map(|batch| batch.specs.len()).sum::<usize>();
    anyhow::ensure!(specs > 0, "no spec is wanted");
    if options.list {
        batches.iter().flat_map(|batch| &batch.specs).for_each(|spec| say(spec));
        return Ok(ExitCode::SUCCESS);
    }
    make_room(options, &batches)?;
    run_batches(options, &suite, &batches, &options.report.canonicalize()?)
}

/// An interrupted full run of the same programs goes on; everything else begins with an empty directory.
fn make_room(options: &Options, batches: &[Batch]) -> Result<()> {
    let program = std::env::var_os("U7S_BIN").map(PathBuf::from).unwrap_or_default();
    let written = program.metadata().and_then(|meta| meta.modified()).ok();
    let subject = format!("{} {written:?} {}\n", program.display(), options.tools.display());
    let note = options.report.join("subject.txt");
    let same = fs::read_to_string(&note).is_ok_and(|text| text == subject);
    let unfinished = batches.iter().any(|batch| !batch.file(&options.report).exists());
    if !(options.all && same && unfinished) && options.report.exists() {
        let ours = note.exists() || options.report.read_dir()?.next().is_none();
        anyhow::ensure!(ours, "{} is not empty and no report: name another directory", options.report.display());
        fs::remove_dir_all(&options.report)?;
    }
    fs::create_dir_all(&options.report)?;
    Ok(fs::write(note, subject)?)
}

fn run_batches(options: &Options, suite: &Suite, batches: &[Batch], dir: &Path) -> Result<ExitCode> {
    let left: Vec<_> = batches.iter().filter(|batch| !batch.file(dir).exists()).collect();
    if !left.is_empty() {
        let nodes = usize::from(options.nodes);
        let testbed =
            cluster::create_cluster(if options.guests { Topology::guests(nodes) } else { nodes.into() }, &suite.tools)?;
        let first = cluster::machines(&testbed)[0];
        let outcome = left.iter().try_for_each(|batch| {
            say(&format!("{}: {} specs", batch.name, batch.specs.len()));
            suite.run_batch(first, batch, dir)
        });
        if options.keep {
            say("the cluster stays until Enter is pressed; it runs as this user:");
            say(first.run(&["id"]).ok()?.text());
            std::io::stdin().read_line(&mut String::new())?;
        }
        usernetes_e2e::keep(&testbed, dir)?;
        outcome?;
    }
    let (mut results, mut expected) = (Vec::new(), Vec::new());
    for batch in batches {
        let specs = report::read(&batch.file(dir), &batch.specs).context("cannot read a report")?;
        if batch.expected.is_empty() { &mut results } else { &mut expected }.extend(specs);
    }
    for spec in &results {
        usernetes_e2e::report::add(&report::entry(spec));
    }
    say(&report::table(&results));
    let reasons = batches.iter().flat_map(|batch| &batch.expected);
    expected.iter().zip(reasons).for_each(|(spec, reason)| say(&report::expected(spec, reason)));
    say(&format!("reports and logs: {}", dir.display()));
    Ok(if results.iter().all(report::Spec::passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "this is a program")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
