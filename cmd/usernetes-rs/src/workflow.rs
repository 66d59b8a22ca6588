//! Phases as data: one ordered table a workflow, from which running, skipping, help and `phase` commands follow.
//!
//! Mirrors kubeadm's `cmd/phases/workflow`, without its untyped run data: a phase of one workflow's data does not
//! fit into another's table. No Kubernetes word in this file.

use crate::errors::UsageError;
use crate::journal::Journal;
use crate::ui::Printer;
use anyhow::Result;
use std::time::Instant;

/// A named part of a phase that can be run or skipped by itself, as `certs/apiserver`.
pub(crate) struct Part {
    /// kebab-case, unique in its phase.
    pub(crate) name: &'static str,
    /// Help line.
    pub(crate) short: &'static str,
}

/// A named, re-runnable step. It decides, calls a library and reports; it hands nothing to later phases but files
/// and the cluster's state, so it also runs alone.
pub(crate) trait Phase<D>: Sync {
    /// kebab-case, unique in its workflow.
    fn name(&self) -> &'static str;
    /// Help line.
    fn short(&self) -> &'static str;
    /// Its parts, in order; none when it is one piece.
    fn parts(&self) -> &'static [Part] {
        &[]
    }
    /// Does the work of `parts` (all of them, or those selected) and says in a few words what was done.
    fn run(&self, data: &mut D, parts: &[&'static str]) -> Result<String>;
}

/// An ordered table of phases.
pub(crate) struct Workflow<D: 'static> {
    /// The command's name.
    pub(crate) name: &'static str,
    /// In order.
    pub(crate) phases: &'static [&'static dyn Phase<D>],
}

/// Phases to run with their parts.
pub(crate) type Selection<D> = Vec<(&'static dyn Phase<D>, Vec<&'static str>)>;

/// A phase that failed.
#[derive(Debug, thiserror::Error)]
#[error("phase {phase} failed")]
pub(crate) struct PhaseFailed {
    /// Which.
    pub(crate) phase: &'static str,
}

impl<D> Workflow<D> {
    /// Everything but what `skip` names (`certs`, `certs/ca`).
    pub(crate) fn without(&self, skip: &[String]) -> Result<Selection<D>, UsageError> {
        for path in skip {
            self.find(path)?;
        }
        let skipped = |path: &str| skip.iter().any(|s| s == path);
        let mut selection = Vec::new();
        for phase in self.phases.iter().filter(|p| !skipped(p.name())) {
            let parts: Vec<_> = phase
                .parts()
                .iter()
                .map(|part| part.name)
                .filter(|part| !skipped(&format!("{}/{part}", phase.name())))
                .collect();
            if !parts.is_empty() || phase.parts().is_empty() {
                selection.push((*phase, parts));
            }
        }
        Ok(selection)
    }

    /// The one phase, or part of it, that `path` names: `certs`, `certs all`, `certs/apiserver`, `certs apiserver`.
    pub(crate) fn only(&self, path: &[String]) -> Result<Selection<D>, UsageError> {
        let path = path.join("/");
        Ok(vec![self.find(path.strip_suffix("/all").unwrap_or(&path))?])
    }

    fn find(&self, path: &str) -> Result<(&'static dyn Phase<D>, Vec<&'static str>), UsageError> {
        let (name, part) = path.split_once('/').map_or((path, None), |(name, part)| (name, Some(part)));
        let phase = self.phases.iter().find(|p| p.name() == name);
        let all = |phase: &&'static dyn Phase<D>| phase.parts().iter().map(|p| p.name).collect::<Vec<_>>();
        let found = phase.and_then(|phase| match part {
            None => Some((*phase, all(phase))),
            Some(part) => all(phase).into_iter().find(|name| *name == part).map(|part| (*phase, vec![part])),
        });
        found.ok_or_else(|| UsageError::UnknownPhase { path: path.to_owned(), known: self.paths().join(", ") })
    }

    /// All paths, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        let parts = |p: &'static dyn Phase<D>| p.parts().iter().map(move |part| format!("{}/{}", p.name(), part.name));
        self.phases.iter().flat_map(|p| std::iter::once(p.name().to_owned()).chain(parts(*p))).collect()
    }

    /// The table as help text.
    pub(crate) fn help(&self) -> String {
        let mut lines = vec!["Phases, in order:".to_owned()];
        for phase in self.phases {
            lines.push(format!("  {:<26} {}", phase.name(), phase.short()));
            let parts = phase.parts().iter();
            lines.extend(parts.map(|part| format!("    {:<24} {}", format!("/{}", part.name), part.short)));
        }
        lines.join("\n") + "\n"
    }

    /// Runs a selection; stops at the first failure, which the journal remembers.
    pub(crate) fn run(
        &self,
        selection: Selection<D>,
        data: &mut D,
        journal: &mut Journal,
        printer: &Printer,
    ) -> Result<()> {
        for (phase, parts) in selection {
            let started = Instant::now();
            let running = printer.phase(phase.name(), phase.short());
            let result = phase.run(data, &parts);
            let seconds = started.elapsed().as_secs_f64();
            journal.record(self.name, phase.name(), result.as_ref().err().map(|e| format!("{e:#}")), seconds)?;
            match result {
                Ok(detail) => running.done(&detail, seconds),
                Err(error) => {
                    running.failed(seconds);
                    return Err(error.context(PhaseFailed { phase: phase.name() }));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One;
    struct Two;

    impl Phase<Vec<String>> for One {
        fn name(&self) -> &'static str {
            "one"
        }
        fn short(&self) -> &'static str {
            "The first"
        }
        fn parts(&self) -> &'static [Part] {
            &[Part { name: "a", short: "A" }, Part { name: "b", short: "B" }]
        }
        fn run(&self, data: &mut Vec<String>, parts: &[&'static str]) -> Result<String> {
            data.extend(parts.iter().map(|p| format!("one/{p}")));
            Ok(String::new())
        }
    }

    impl Phase<Vec<String>> for Two {
        fn name(&self) -> &'static str {
            "two"
        }
        fn short(&self) -> &'static str {
            "The second"
        }
        fn run(&self, data: &mut Vec<String>, _: &[&'static str]) -> Result<String> {
            data.push("two".into());
            Ok(String::new())
        }
    }

    static TABLE: Workflow<Vec<String>> = Workflow { name: "test", phases: &[&One, &Two] };

    fn names(selection: &Selection<Vec<String>>) -> Vec<String> {
        selection.iter().map(|(p, parts)| format!("{}:{}", p.name(), parts.join("+"))).collect()
    }

    fn words(s: &str) -> Vec<String> {
        s.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn skipping_takes_phases_and_parts() {
        let of = |skip| names(&TABLE.without(&words(skip)).unwrap());
        assert_eq!(of(""), ["one:a+b", "two:"]);
        assert_eq!(of("one/a"), ["one:b", "two:"]);
        assert_eq!(of("one/a one/b"), ["two:"]);
        assert_eq!(of("two"), ["one:a+b"]);
    }

    #[test]
    fn one_phase_by_each_spelling() {
        let of = |path| names(&TABLE.only(&words(path)).unwrap());
        assert_eq!(of("one"), ["one:a+b"]);
        assert_eq!(of("one all"), ["one:a+b"]);
        assert_eq!(of("one b"), ["one:b"]);
        assert_eq!(of("one/b"), ["one:b"]);
    }

    #[test]
    fn unknown_names_list_the_known() {
        let error = TABLE.only(&words("oen")).err().unwrap().to_string();
        assert!(error.contains("oen") && error.contains("one/a"), "{error}");
        assert!(TABLE.without(&words("two/a")).is_err());
    }
}
