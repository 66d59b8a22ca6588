//! ginkgo's JSON report.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use usernetes_e2e::report::{HostKind, Outcome};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Suite {
    spec_reports: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    container_hierarchy_texts: Option<Vec<String>>,
    leaf_node_type: String,
    leaf_node_text: String,
    state: String,
    #[serde(default)]
    run_time: u64,
    #[serde(default)]
    num_attempts: u32,
    failure: Option<Failure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    #[serde(default)]
    message: String,
}

/// What became of a wanted spec.
#[derive(Debug)]
pub(crate) struct Spec {
    name: String,
    state: String,
    seconds: u64,
    attempts: u32,
    why: String,
}

impl Spec {
    pub(crate) fn passed(&self) -> bool {
        self.state == "passed"
    }
}

fn entries(path: &Path) -> Result<Vec<Entry>> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let suites: Vec<Suite> = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    let all = suites.into_iter().flat_map(|suite| suite.spec_reports);
    Ok(all.filter(|entry| entry.leaf_node_type == "It").collect())
}

fn name(entry: &Entry) -> String {
    let mut words = entry.container_hierarchy_texts.clone().unwrap_or_default();
    words.push(entry.leaf_node_text.clone());
    words.join(" ")
}

/// Names that a dry run selected.
pub(crate) fn selected(path: &Path) -> Result<Vec<String>> {
    Ok(entries(path)?.iter().filter(|entry| entry.state == "passed").map(name).collect())
}

/// The wanted specs; one that is not in the report did not run.
pub(crate) fn read(path: &Path, wanted: &[String]) -> Result<Vec<Spec>> {
    let entries = entries(path)?;
    let find = |wanted: &String| {
        let entry = entries.iter().find(|entry| &name(entry) == wanted);
        let message = entry.and_then(|entry| entry.failure.as_ref()).map_or("", |failure| &failure.message);
        Spec {
            name: wanted.clone(),
            state: entry.map_or_else(|| "not run".into(), |entry| entry.state.clone()),
            seconds: entry.map_or(0, |entry| entry.run_time / 1_000_000_000),
            attempts: entry.map_or(0, |entry| entry.num_attempts),
            why: message.lines().next().unwrap_or_default().chars().take(200).collect(),
        }
    };
    Ok(wanted.iter().map(find).collect())
}

/// What the end-to-end report keeps of a spec; its processor time is not known.
pub(crate) fn entry(spec: &Spec) -> usernetes_e2e::report::Entry {
    usernetes_e2e::report::Entry {
        suite: "conformance".to_owned(),
        scenario: spec.name.replace(['"', '\\'], ""),
        kind: HostKind::None,
        result: if spec.passed() { Outcome::Passed } else { Outcome::Failed },
        seconds: f64::from(u32::try_from(spec.seconds).unwrap_or(u32::MAX)),
        cpu: 0.0,
    }
}

/// `sig-node` of `[sig-node] Pods should …`
pub(crate) fn area(name: &str) -> &str {
    name.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or("other", |(area, _)| area)
}

/// Counts by area, then what did not pass, and what passed only at the second attempt.
pub(crate) fn table(specs: &[Spec]) -> String {
    let mut areas: Vec<&str> = specs.iter().map(|spec| area(&spec.name)).collect();
    areas.sort_unstable();
    areas.dedup();
    let mut text = format!("{:<20} {:>6} {:>6} {:>7} {:>8}\n", "area", "passed", "failed", "not run", "seconds");
    for area_name in areas.iter().copied().chain(["all"]) {
        let of: Vec<_> = specs.iter().filter(|s| area_name == "all" || area(&s.name) == area_name).collect();
        let passed = of.iter().filter(|s| s.passed()).count();
        let idle = of.iter().filter(|s| s.state == "not run" || s.state == "skipped").count();
        let seconds: u64 = of.iter().map(|s| s.seconds).sum();
        let failed = of.len() - passed - idle;
        let _ = writeln!(text, "{area_name:<20} {passed:>6} {failed:>6} {idle:>7} {seconds:>8}");
    }
    for spec in specs.iter().filter(|spec| !spec.passed()) {
        let _ = writeln!(text, "{}: {}", spec.state, spec.name);
        if !spec.why.is_empty() {
            let _ = writeln!(text, "    {}", spec.why);
        }
    }
    for spec in specs.iter().filter(|spec| spec.passed() && spec.attempts > 1) {
        let _ = writeln!(text, "passed at attempt {}: {}", spec.attempts, spec.name);
    }
    text.trim_end().to_owned()
}

/// A spec of the expected skips; a pass means that it must leave the list.
pub(crate) fn expected(spec: &Spec, reason: &str) -> String {
    if spec.passed() {
        return format!("PASSED although hack/conformance.d/expected-skips.yaml names it: {}", spec.name);
    }
    format!("expected ({}): {}\n    {}", spec.state, spec.name, reason.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_and_a_missing_spec_are_no_pass() {
        let dir = std::env::temp_dir().join(format!("usernetes-conformance-test-{}.json", std::process::id()));
        let spec = |leaf: &str, state: &str, attempts: u32| {
            format!(
                r#"{{"ContainerHierarchyTexts":["[sig-node] Pods"],"LeafNodeType":"It","LeafNodeText":"{leaf}","State":"{state}","RunTime":2000000000,"NumAttempts":{attempts},"Failure":{{"Message":"because\nof"}}}}"#
            )
        };
        let setup = r#"{"LeafNodeType":"BeforeSuite","LeafNodeText":"","State":"passed"}"#;
        let all =
            [spec("a", "passed", 1), spec("b", "failed", 2), spec("c", "skipped", 0), spec("e", "passed", 2)].join(",");
        fs::write(&dir, format!(r#"[{{"SpecReports":[{setup},{all}]}}]"#)).expect("writable");
        let wanted = ["a", "b", "c", "d", "e"].map(|leaf| format!("[sig-node] Pods {leaf}"));
        let specs = read(&dir, &wanted).expect("a report");
        assert!(expected(&specs[0], "no").starts_with("PASSED although"));
        assert!(expected(&specs[1], "no").starts_with("expected (failed)"));
        fs::remove_file(&dir).expect("ours");
        assert_eq!(specs.iter().filter(|spec| spec.passed()).count(), 2);
        insta::assert_snapshot!(table(&specs), @r"
        area                 passed failed not run  seconds
        sig-node                  2      1       2        8
        all                       2      1       2        8
        failed: [sig-node] Pods b
            because
        skipped: [sig-node] Pods c
            because
        not run: [sig-node] Pods d
        passed at attempt 2: [sig-node] Pods e
        ");
    }
}
