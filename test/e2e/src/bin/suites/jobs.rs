//! The list of jobs: what is built, what runs, and what needs what.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;
use usernetes_e2e::plan::{self, FLAG, ONLY, Planned};
use usernetes_e2e::report::REPORT;

use crate::executables::Executables;
use crate::job::{Job, Lane};

/// The suites of test/e2e with the seconds of their shared cluster's scenarios, of one scenario with hosts of its own, and
/// the build that they need. A suite of many quick scenarios runs as one job.
const SUITES: [(&str, u64, u64, &[&str]); 13] = [
    ("realhost", 600, 120, &["realhost guests"]),
    ("multi", 420, 60, &[]),
    ("lifecycle", 240, 40, &[]),
    ("changes", 240, 40, &[]),
    ("single", 240, 40, &[]),
    ("hostile", 720, 60, &[]),
    ("field", 120, 40, &[]),
    ("kubeadm_parity", 0, 60, &[]),
    ("homelab", 0, 150, &[]),
    ("docs", 0, 90, &[]),
    ("crio", 150, 60, &["crio"]),
    ("inputs", 60, 60, &[]),
    ("harness", 15, 15, &[]),
];
const QUICK: [&str; 2] = ["inputs", "harness"];
/// Scenarios of `realhost` that run without `--all`.
const CORE: &str = "core";

/// Every job. The suites run the program that was built with the tests; conformance and the static check run the release.
pub(crate) fn all(found: &Executables, everything: bool, report: &Path) -> Result<Vec<Job>> {
    let mut jobs = builds(found)?;
    if !nix::unistd::Uid::effective().is_root() {
        jobs.retain(|job| job.name != "realhost guests");
    }
    let program = path(found.program("usernetes-rs")?)?;
    let shared = [("U7S_BIN", program), (REPORT, path(report)?), ("U7S_E2E_REQUIRE", "1".to_owned())];
    let shared = shared.map(|(name, value)| (name.to_owned(), value));
    for (suite, story, own, after) in SUITES {
        jobs.extend(of_suite(suite, (story, own), after, found.test(suite)?, everything)?);
    }
    for job in jobs.iter_mut().filter(|job| job.lane == Lane::Suite) {
        let missing: Vec<_> =
            shared.iter().filter(|(name, _)| job.env.iter().all(|(known, _)| known != name)).collect();
        job.env.extend(missing.into_iter().cloned());
    }
    Ok(jobs)
}

fn builds(found: &Executables) -> Result<Vec<Job>> {
    let release = format!("{}/release/usernetes-rs", target());
    let mut conformance =
        job("conformance", Lane::Suite, &["hack/conformance"], &["release", "conformance tools"], 480);
    conformance.env.push(("U7S_BIN".to_owned(), release.clone()));
    conformance.env.push(("U7S_CONFORMANCE_RUNNER".to_owned(), path(found.program("conformance")?)?));
    conformance.scenarios = Some(("conformance".to_owned(), Vec::new()));
    Ok(vec![
        job("crio", Lane::Build, &["hack/crio"], &[], 300),
        job("realhost guests", Lane::Build, &["hack/realhost"], &[], 600),
        job("release", Lane::Build, &["cargo", "build", "--release", "--locked", "-p", "usernetes-rs"], &[], 240),
        job("conformance tools", Lane::Build, &["hack/conformance", "--build-only"], &[], 600),
        job("static binary", Lane::Suite, &["hack/lib/check-static", &release], &["release"], 1),
        conformance,
        job(
            "unit and namespace tests",
            Lane::Suite,
            &["cargo", "test", "--workspace", "--locked", "--exclude", "usernetes-e2e"],
            &["crio"],
            120,
        ),
    ])
}

/// Cargo's directory for the host's triple, beside which this program was built.
fn target() -> String {
    let me = std::env::current_exe().unwrap_or_default();
    me.ancestors().nth(2).unwrap_or(Path::new("target")).display().to_string()
}

fn job(name: &str, lane: Lane, command: &[&str], after: &[&'static str], seconds: u64) -> Job {
    let command = command.iter().map(|&word| word.to_owned()).collect();
    Job { name: name.to_owned(), lane, command, env: vec![], after: after.to_vec(), seconds, scenarios: None }
}

/// One job for the scenarios on the shared cluster, and one for each that has hosts of its own.
fn of_suite(
    suite: &str,
    (story, own): (u64, u64),
    after: &[&'static str],
    executable: &Path,
    everything: bool,
) -> Result<Vec<Job>> {
    let mut planned = scenarios(executable)?;
    if suite == "realhost" && !everything {
        planned.retain(|scenario| scenario.name.starts_with(CORE));
    }
    let (together, apart): (Vec<_>, Vec<_>) =
        planned.into_iter().partition(|scenario| scenario.shared || QUICK.contains(&suite));
    let names = |scenarios: &[Planned]| scenarios.iter().map(|scenario| scenario.name.clone()).collect::<Vec<_>>();
    let command = [path(executable)?];
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut jobs = Vec::new();
    if !together.is_empty() {
        jobs.push(of_scenarios(job(suite, Lane::Suite, &command, after, story), suite, names(&together)));
    }
    for scenario in apart {
        let name = format!("{suite}/{}", scenario.name);
        jobs.push(of_scenarios(job(&name, Lane::Suite, &command, after, own), suite, vec![scenario.name]));
    }
    Ok(jobs)
}

/// The job, limited to these scenarios of its suite.
pub(crate) fn of_scenarios(mut job: Job, suite: &str, names: Vec<String>) -> Job {
    job.env.retain(|(name, _)| name != ONLY);
    job.env.push((ONLY.to_owned(), names.join(",")));
    job.scenarios = Some((suite.to_owned(), names));
    job
}

fn scenarios(executable: &Path) -> Result<Vec<Planned>> {
    let output = Command::new(executable).arg(FLAG).output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} {FLAG}: {stderr}", executable.display());
    plan::read(&String::from_utf8_lossy(&output.stdout))
}

fn path(path: &Path) -> Result<String> {
    Ok(path.to_str().with_context(|| format!("{} is no text", path.display()))?.to_owned())
}

/// Jobs whose names contain one of the texts, and the builds that they need.
pub(crate) fn select(jobs: Vec<Job>, texts: &[String]) -> Vec<Job> {
    if texts.is_empty() {
        return jobs;
    }
    let wanted: Vec<Job> =
        jobs.iter().filter(|job| texts.iter().any(|text| job.name.contains(text))).cloned().collect();
    let needed: Vec<&str> = wanted.iter().flat_map(|job| job.after.iter().copied()).collect();
    let is_wanted = |job: &Job| wanted.iter().any(|other| other.name == job.name);
    jobs.into_iter().filter(|job| is_wanted(job) || needed.contains(&job.name.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_suite_of_the_manifest_has_a_job() {
        let manifest = include_str!("../../../Cargo.toml");
        let names = manifest.split("[[test]]").skip(1).filter_map(|test| test.split('"').nth(1));
        assert_eq!(names.collect::<BTreeSet<_>>(), SUITES.map(|(name, ..)| name).into());
    }
}
