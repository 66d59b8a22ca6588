//! The journal: the result of each phase of the last workflow, so that a second run names where it continues.

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use usernetes_host::fs::{self, Mode};

/// One phase's last run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// Name of its workflow.
    pub(crate) workflow: String,
    /// Name of the phase.
    pub(crate) phase: String,
    /// When it ended.
    pub(crate) time: Timestamp,
    /// Duration in seconds.
    pub(crate) seconds: f64,
    /// The error and its causes, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// The journal of one cluster on this host.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Journal {
    /// When the workflow was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) completed: Option<Timestamp>,
    /// In the order of their last runs.
    pub(crate) entries: Vec<Entry>,
    #[serde(skip)]
    path: PathBuf,
}

impl Journal {
    /// Reads the journal; empty where there is no file. A file that cannot be read is an error: only this program writes it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut journal: Self = match fs::read_if_exists(path)? {
            Some(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged; remove it to start over", path.display()))?,
            None => Self::default(),
        };
        path.clone_into(&mut journal.path);
        Ok(journal)
    }

    /// Records the end of a phase.
    pub(crate) fn record(&mut self, workflow: &str, phase: &str, error: Option<String>, seconds: f64) -> Result<()> {
        self.entries.retain(|e| e.phase != phase || e.workflow != workflow);
        let entry = Entry { workflow: workflow.into(), phase: phase.into(), time: Timestamp::now(), seconds, error };
        self.entries.push(entry);
        self.save()
    }

    /// Records that the workflow is complete.
    pub(crate) fn complete(&mut self) -> Result<()> {
        self.completed = Some(Timestamp::now());
        self.save()
    }

    /// The phase at which the last run stopped.
    pub(crate) fn failed(&self) -> Option<&Entry> {
        self.entries.last().filter(|e| e.error.is_some())
    }

    /// Whether one of the phases that `selects` has succeeded.
    pub(crate) fn has_completed(&self, selects: impl Fn(&str) -> bool) -> bool {
        self.entries.iter().any(|entry| entry.error.is_none() && selects(&entry.phase))
    }

    fn save(&self) -> Result<()> {
        let json = serde_json::to_vec_pretty(self).expect("plain data");
        Ok(fs::write(&self.path, json, Mode::Secret)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_last_run_of_each_phase() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.json");
        let mut journal = Journal::open(&path).unwrap();
        journal.record("init", "certs", None, 0.1).unwrap();
        journal.record("init", "node-start", Some("no".into()), 0.1).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.failed().unwrap().phase, "node-start");
        journal.record("init", "node-start", None, 0.1).unwrap();
        assert!(journal.failed().is_none());
        assert_eq!(journal.entries.len(), 2);
    }
}
