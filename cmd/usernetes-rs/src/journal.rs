//! The journal: what each phase of the last workflow did, so that a second run says where it goes on.

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use usernetes_host::fs::{self, Mode};

/// One phase's last run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// Its workflow.
    pub(crate) workflow: String,
    /// Its name.
    pub(crate) phase: String,
    /// When it ended.
    pub(crate) time: Timestamp,
    /// How long it took.
    pub(crate) seconds: f64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// What was done to this cluster on this host.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Journal {
    /// When the workflow came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) completed: Option<Timestamp>,
    /// In the order of their last runs.
    pub(crate) entries: Vec<Entry>,
    #[serde(skip)]
    path: PathBuf,
}

impl Journal {
    /// Reads the journal; an empty one where there is none. One that cannot be read is an error: it is ours alone.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut journal: Self = match fs::read_if_exists(path)? {
            Some(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged; remove it to start over", path.display()))?,
            None => Self::default(),
        };
        path.clone_into(&mut journal.path);
        Ok(journal)
    }

    /// Notes the end of a phase.
    pub(crate) fn record(&mut self, workflow: &str, phase: &str, error: Option<String>, seconds: f64) -> Result<()> {
        self.entries.retain(|e| e.phase != phase || e.workflow != workflow);
        let entry = Entry { workflow: workflow.into(), phase: phase.into(), time: Timestamp::now(), seconds, error };
        self.entries.push(entry);
        self.save()
    }

    /// Notes that the workflow came to its end.
    pub(crate) fn complete(&mut self) -> Result<()> {
        self.completed = Some(Timestamp::now());
        self.save()
    }

    /// The phase at which the last run stopped.
    pub(crate) fn failed(&self) -> Option<&Entry> {
        self.entries.last().filter(|e| e.error.is_some())
    }

    /// Whether a node has been started; before that there is nothing to start.
    pub(crate) fn has_started(&self) -> bool {
        let starts = |entry: &Entry| matches!(entry.phase.as_str(), "node-start" | "kubelet-start");
        self.entries.iter().any(|entry| starts(entry) && entry.error.is_none())
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
