//! What is wanted of upstream's suite, and how it is run.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use usernetes_e2e::At;

use crate::cluster::TOOLS;
use crate::report;

const ACCEPTANCE: &str = include_str!("../../../../../hack/conformance.d/acceptance.txt");
const EXPECTED_SKIPS: &str = include_str!("../../../../../hack/conformance.d/expected-skips.yaml");
/// Time for one batch on two loaded cores.
const LIMIT_SECONDS: u64 = 2 * 3600;
/// What upstream's rootless job leaves out of `[NodeConformance]` (KEP-2033).
const NODE_SKIPS: [&str; 2] = [r"\[Environment:NotInUserNS\]", r"\[Slow\]"];

/// Regular expressions of full names.
pub(crate) struct Wanted {
    focus: Vec<String>,
    skip: Vec<&'static str>,
    expected: Vec<ExpectedSkip>,
    by_area: bool,
}

/// A spec that this cluster cannot pass, and why.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedSkip {
    /// Regular expression of the full name.
    pub(crate) spec: String,
    /// For people.
    pub(crate) reason: String,
}

impl Wanted {
    pub(crate) fn acceptance() -> Self {
        Self { focus: ACCEPTANCE.lines().map(|line| format!("{line}$")).collect(), ..Self::focus("") }
    }

    pub(crate) fn focus(regex: &str) -> Self {
        Self { focus: vec![regex.to_owned()], skip: vec![], expected: vec![], by_area: false }
    }

    pub(crate) fn all() -> Self {
        Self { expected: expected_skips(), by_area: true, ..Self::focus(r"\[Conformance\]") }
    }

    pub(crate) fn node() -> Self {
        Self { skip: NODE_SKIPS.to_vec(), expected: expected_skips(), ..Self::focus(r"\[NodeConformance\]") }
    }

    fn arguments(&self) -> Vec<String> {
        let focus = self.focus.iter().map(|regex| format!("--focus={regex}"));
        focus.chain(self.skip.iter().map(|regex| format!("--skip={regex}"))).collect()
    }

    /// Into batches, in the suite's order; the expected skips are the last one.
    fn divide(&self, specs: Vec<String>) -> Result<Vec<Batch>> {
        let expected = regex::RegexSet::new(self.expected.iter().map(|skip| &skip.spec))?;
        let (hopeless, specs): (Vec<_>, Vec<_>) = specs.into_iter().partition(|spec| expected.is_match(spec));
        let mut batches: Vec<Batch> = Vec::new();
        for spec in specs {
            let name = if self.by_area { report::area(&spec) } else { "specs" };
            match batches.iter_mut().find(|batch| batch.name == name) {
                Some(batch) => batch.specs.push(spec),
                None => batches.push(Batch { name: name.to_owned(), specs: vec![spec], expected: vec![] }),
            }
        }
        if !hopeless.is_empty() {
            let why = |spec: &String| expected.matches(spec).iter().next().map(|i| self.expected[i].reason.clone());
            let reasons = hopeless.iter().filter_map(why).collect();
            batches.push(Batch { name: "expected-skips".into(), specs: hopeless, expected: reasons });
        }
        Ok(batches)
    }
}

fn expected_skips() -> Vec<ExpectedSkip> {
    serde_yaml::from_str(EXPECTED_SKIPS).expect("a file of this repository")
}

/// Specs that are run, reported and, after an interruption, repeated together.
pub(crate) struct Batch {
    pub(crate) name: String,
    pub(crate) specs: Vec<String>,
    /// Why each spec cannot pass here; empty where all must.
    pub(crate) expected: Vec<String>,
}

impl Batch {
    /// Its report.
    pub(crate) fn file(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{}.json", self.name))
    }
}

/// The suite's programs.
pub(crate) struct Suite {
    pub(crate) tools: PathBuf,
    pub(crate) procs: u8,
    pub(crate) nodes: u8,
}

impl Suite {
    /// What a dry run finds; a full run is divided by area.
    pub(crate) fn batches(&self, wanted: &Wanted) -> Result<Vec<Batch>> {
        let dir = std::env::temp_dir().join(format!("usernetes-conformance-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        let report = dir.join("specs.json");
        let mut ginkgo = Command::new(self.tools.join("ginkgo"));
        ginkgo.args(["run", "--dry-run", "--silence-skips", "--json-report=specs.json", "--output-dir"]).arg(&dir);
        ginkgo.args(wanted.arguments()).arg(self.tools.join("e2e.test")).args(["--", "--provider=skeleton"]);
        let output = ginkgo.output().context("cannot run ginkgo")?;
        ensure!(output.status.success(), "ginkgo --dry-run: {}", String::from_utf8_lossy(&output.stdout));
        let specs = report::selected(&report)?;
        fs::remove_dir_all(&dir)?;
        wanted.divide(specs)
    }

    /// Runs a batch as the host's user against the published API server; ginkgo keeps what is serial for the end.
    pub(crate) fn run_batch(&self, host: At<'_>, batch: &Batch, dir: &Path) -> Result<()> {
        host.sh("mkdir -p conformance; rm -f conformance/report.json").ok()?;
        let home = host.sh("echo $HOME").ok()?.text().to_owned();
        let kubeconfig = format!("--kubeconfig={home}/.local/share/usernetes/default/admin.conf");
        let home = format!("{home}/conformance");
        // To a file: it can be read while the suite runs.
        let script = format!("exec \"$@\" > {home}/ginkgo.log 2>&1");
        let ginkgo = format!("{TOOLS}/ginkgo");
        let mut words = ["sh", "-c", &script, "sh", &ginkgo, "run", "--no-color"].map(String::from).to_vec();
        words.extend(["--silence-skips", "--json-report=report.json"].map(String::from));
        let attempts = if batch.expected.is_empty() { 2 } else { 1 };
        words.extend([
            format!("--flake-attempts={attempts}"),
            format!("--output-dir={home}"),
            format!("--procs={}", self.procs),
        ]);
        words.push(format!("--timeout={LIMIT_SECONDS}s"));
        words.extend(batch.specs.iter().map(|name| format!("--focus={}$", escape(name))));
        words.extend([format!("{TOOLS}/e2e.test"), "--".into(), "--provider=skeleton".into(), kubeconfig]);
        words.extend([format!("--num-nodes={}", self.nodes), "--kubectl-path=/srv/bundle/bin/kubectl".into()]);
        words.extend(["--disable-log-dump", "--node-os-distro=debian"].map(String::from));
        let output = host.run(&words).limit(LIMIT_SECONDS + 60).output()?;
        let log = dir.join(format!("{}.log", batch.name));
        let read = |file: &str| host.sh(&format!("cat conformance/{file}")).ok();
        fs::write(&log, read("ginkgo.log").with_context(|| format!("no log of\n{output}"))?.stdout)?;
        let report = read("report.json").with_context(|| format!("ginkgo wrote no report; see {}", log.display()))?;
        Ok(fs::write(batch.file(dir), report.stdout)?)
    }
}

/// A regular expression that matches exactly this text.
fn escape(text: &str) -> String {
    let special = |c: char| r"\.+*?()|[]{}^$".contains(c);
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_acceptance_set_is_made_of_escaped_names() {
        let names: Vec<String> = ACCEPTANCE.lines().map(|line| line.replace('\\', "")).collect();
        assert_eq!(names.len(), 42);
        for (name, line) in names.iter().zip(ACCEPTANCE.lines()) {
            assert_eq!(escape(name), line);
        }
    }

    #[test]
    fn every_expected_skip_has_a_reason() {
        assert!(expected_skips().iter().all(|skip| !skip.spec.is_empty() && skip.reason.len() > 20));
    }

    #[test]
    fn expected_skips_are_a_batch_of_their_own() {
        let names = ["[sig-node] a", "[sig-apps] b", "[sig-node] Pod InPlace Resize x [Conformance]", "[sig-node] c"];
        let batches = Wanted::all().divide(names.map(String::from).to_vec()).expect("regular expressions");
        let found: Vec<_> = batches.iter().map(|b| (b.name.as_str(), b.specs.len(), b.expected.len())).collect();
        assert_eq!(found, [("sig-node", 2, 0), ("sig-apps", 1, 0), ("expected-skips", 1, 1)]);
    }
}
