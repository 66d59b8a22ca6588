//! Phases as data: one ordered table for each workflow, from which running, skipping, help and `phase` commands follow.
//!
//! As kubeadm's `cmd/phases/workflow`, but typed: a phase of one workflow's data does not fit into another's table. No
//! Kubernetes word in this file.

use crate::errors::UsageError;
use crate::journal::Journal;
use crate::output::Printer;
use anyhow::Result;
use std::time::Instant;

/// A named part of a phase that can be run or skipped by itself, such as `certs/apiserver`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// kebab-case, unique in its phase.
    pub(crate) name: &'static str,
    /// Help line.
    pub(crate) short: &'static str,
}

/// A named step that can be run again. It reads and writes files and the cluster's state only, so it also runs alone.
pub(crate) struct Phase<D> {
    /// kebab-case, unique in its workflow.
    pub(crate) name: &'static str,
    /// Help line.
    pub(crate) short: &'static str,
    /// Its parts, in order; none when it is one piece.
    parts: fn() -> Vec<Part>,
    /// Whether a node exists after this phase, which `start` can start.
    pub(crate) starts_node: bool,
    run: Run<D>,
}

/// Does the work of the selected parts; returns a few words about what was done.
type Run<D> = fn(&mut D, &[&'static str]) -> Result<String>;

impl<D> Phase<D> {
    /// A phase in one piece.
    pub(crate) const fn new(name: &'static str, short: &'static str, run: Run<D>) -> Self {
        Self { name, short, parts: Vec::new, starts_node: false, run }
    }

    /// The same phase with parts.
    pub(crate) const fn with_parts(self, parts: fn() -> Vec<Part>) -> Self {
        Self { parts, ..self }
    }

    /// The same phase, which makes the node startable.
    pub(crate) const fn starting_node(self) -> Self {
        Self { starts_node: true, ..self }
    }

    /// Its parts, in order.
    pub(crate) fn parts(&self) -> Vec<Part> {
        (self.parts)()
    }

    fn part_names(&self) -> Vec<&'static str> {
        self.parts().iter().map(|part| part.name).collect()
    }
}

/// An ordered table of phases.
pub(crate) struct Workflow<D: 'static> {
    /// Name of the command.
    pub(crate) name: &'static str,
    /// In order.
    pub(crate) phases: &'static [Phase<D>],
    /// Names of phases that the same workflow of another program has and this one does not: they may be skipped.
    pub(crate) foreign: &'static [&'static str],
}

/// Phases to run, with their parts.
pub(crate) type Selection<D> = Vec<(&'static Phase<D>, Vec<&'static str>)>;

/// A phase failed; the cause is the source.
#[derive(Debug, thiserror::Error)]
#[error("phase {phase} failed")]
pub(crate) struct PhaseFailed {
    /// Name of the phase.
    pub(crate) phase: &'static str,
}

impl<D> Workflow<D> {
    /// Everything but what `skip` names (`certs`, `certs/ca`).
    pub(crate) fn select_without(&self, skip: &[String]) -> Result<Selection<D>, UsageError> {
        for path in skip.iter().filter(|path| !self.is_foreign(path)) {
            self.find(path)?;
        }
        let mut selection = Vec::new();
        for phase in self.phases.iter().filter(|phase| !skip.iter().any(|path| path == phase.name)) {
            let all = phase.part_names();
            let mut parts = all.clone();
            parts.retain(|part| !skip.contains(&format!("{}/{part}", phase.name)));
            if !parts.is_empty() || all.is_empty() {
                selection.push((phase, parts));
            }
        }
        Ok(selection)
    }

    /// The one phase, or part of it, that `path` names: `certs`, `certs all`, `certs/apiserver`, `certs apiserver`.
    pub(crate) fn select_only(&self, path: &[String]) -> Result<Selection<D>, UsageError> {
        let path = path.join("/");
        Ok(vec![self.find(path.strip_suffix("/all").unwrap_or(&path))?])
    }

    fn find(&self, path: &str) -> Result<(&'static Phase<D>, Vec<&'static str>), UsageError> {
        let (name, part) = path.split_once('/').map_or((path, None), |(name, part)| (name, Some(part)));
        let found = self.phases.iter().find(|phase| phase.name == name).and_then(|phase| {
            let mut parts = phase.part_names();
            parts.retain(|name| part.is_none_or(|part| part == *name));
            (part.is_none() || !parts.is_empty()).then_some((phase, parts))
        });
        found.ok_or_else(|| UsageError::UnknownPhase { path: path.to_owned(), known: self.paths().join(", ") })
    }

    /// Whether a phase is another program's alone.
    pub(crate) fn is_foreign(&self, path: &str) -> bool {
        self.find(path).is_err() && self.foreign.contains(&path)
    }

    /// All paths, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for phase in self.phases {
            paths.push(phase.name.to_owned());
            paths.extend(phase.part_names().iter().map(|part| format!("{}/{part}", phase.name)));
        }
        paths
    }

    /// Whether a phase of this name makes the node startable.
    pub(crate) fn starts_node(&self, phase: &str) -> bool {
        self.phases.iter().any(|p| p.name == phase && p.starts_node)
    }

    /// The table as help text.
    pub(crate) fn render_help(&self) -> String {
        let mut lines = vec!["Phases, in order:".to_owned()];
        for phase in self.phases {
            lines.push(format!("  {:<27} {}", phase.name, phase.short));
            let parts = phase.parts();
            lines.extend(parts.iter().map(|part| format!("    {:<25} {}", format!("/{}", part.name), part.short)));
        }
        lines.join("\n") + "\n"
    }

    /// Runs a selection, each phase in a span of its name. Stops at the first failure; the journal keeps it.
    pub(crate) fn run(
        &self,
        selection: Selection<D>,
        data: &mut D,
        journal: &mut Journal,
        printer: &Printer,
    ) -> Result<()> {
        for (phase, parts) in selection {
            let _span = tracing::info_span!("phase", name = phase.name).entered();
            let started = Instant::now();
            let line = printer.start_phase(phase.name, phase.short);
            let result = (phase.run)(data, &parts);
            let seconds = started.elapsed().as_secs_f64();
            journal.record(self.name, phase.name, result.as_ref().err().map(|e| format!("{e:#}")), seconds)?;
            match result {
                Ok(detail) => {
                    tracing::info!(seconds, detail, "phase done");
                    line.succeed(&detail, seconds);
                }
                Err(error) => {
                    tracing::info!(seconds, "phase failed");
                    line.fail(seconds);
                    return Err(error.context(PhaseFailed { phase: phase.name }));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unnecessary_wraps, reason = "the signature of phases")]
mod tests {
    use super::*;

    fn one(data: &mut Vec<String>, parts: &[&'static str]) -> Result<String> {
        data.extend(parts.iter().map(|p| format!("one/{p}")));
        Ok(String::new())
    }

    fn two(data: &mut Vec<String>, _: &[&'static str]) -> Result<String> {
        data.push("two".into());
        Ok(String::new())
    }

    static TABLE: Workflow<Vec<String>> = Workflow {
        name: "test",
        phases: &[
            Phase::new("one", "The first", one)
                .with_parts(|| vec![Part { name: "a", short: "A" }, Part { name: "b", short: "B" }]),
            Phase::new("two", "The second", two).starting_node(),
        ],
        foreign: &["three", "two"],
    };

    fn names(selection: &Selection<Vec<String>>) -> Vec<String> {
        selection.iter().map(|(phase, parts)| format!("{}:{}", phase.name, parts.join("+"))).collect()
    }

    fn split(s: &str) -> Vec<String> {
        s.split_whitespace().map(str::to_owned).collect()
    }

    fn skipping(skip: &str) -> Vec<String> {
        names(&TABLE.select_without(&split(skip)).unwrap())
    }

    fn only(path: &str) -> Vec<String> {
        names(&TABLE.select_only(&split(path)).unwrap())
    }

    #[test]
    fn skipping_removes_phases_and_parts() {
        assert_eq!(skipping(""), ["one:a+b", "two:"]);
        assert_eq!(skipping("one/a"), ["one:b", "two:"]);
        assert_eq!(skipping("one/a one/b"), ["two:"]);
        assert_eq!(skipping("two"), ["one:a+b"]);
        assert_eq!(skipping("three"), ["one:a+b", "two:"]);
    }

    #[test]
    fn one_phase_has_several_spellings() {
        assert_eq!(only("one"), ["one:a+b"]);
        assert_eq!(only("one all"), ["one:a+b"]);
        assert_eq!(only("one b"), ["one:b"]);
        assert_eq!(only("one/b"), ["one:b"]);
        assert_eq!(only("two"), ["two:"]);
    }

    #[test]
    fn unknown_names_list_the_known_ones() {
        let error = TABLE.select_only(&split("oen")).err().unwrap().to_string();
        assert!(error.contains("oen") && error.contains("one/a"), "{error}");
        assert!(TABLE.select_without(&split("two/a")).is_err());
    }

    #[test]
    fn the_table_names_the_phase_that_starts_the_node() {
        assert!(TABLE.starts_node("two") && !TABLE.starts_node("one"));
    }
}
