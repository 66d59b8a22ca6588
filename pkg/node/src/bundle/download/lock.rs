//! The lock file `bundle.lock.yaml`: the SHA-256 of each URL at its first download.

use super::DownloadError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use usernetes_host::{Mode, fs};

/// The lock file. Keys are upstream's URLs, also for downloads from a mirror.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    sums: BTreeMap<String, String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    sha256: BTreeMap<String, String>,
}

impl Lock {
    /// Reads the lock file; empty if it does not exist.
    pub(crate) fn open(path: &Path) -> Result<Self, DownloadError> {
        let document: Document = match fs::read_if_exists(path)? {
            Some(text) => serde_yaml::from_str(&text)
                .map_err(|source| DownloadError::LockFile { path: path.to_owned(), source })?,
            None => Document::default(),
        };
        Ok(Self { path: path.to_owned(), sums: document.sha256 })
    }

    /// The locked SHA-256 of `url`.
    pub(crate) fn get(&self, url: &str) -> Option<&String> {
        self.sums.get(url)
    }

    /// Fails if `found` differs from the locked SHA-256 of `url`.
    pub(crate) fn check_checksum(&self, url: &str, found: &str) -> Result<(), DownloadError> {
        match self.sums.get(url) {
            Some(locked) if locked != found => Err(DownloadError::Locked {
                url: url.to_owned(),
                found: found.to_owned(),
                locked: locked.clone(),
                lock: self.path.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Adds the SHA-256 of verified downloads, as (URL, digest), and writes the file if it changed.
    pub(crate) fn save_checksums(
        mut self,
        sums: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), DownloadError> {
        let before = self.sums.len();
        self.sums.extend(sums);
        if self.sums.len() == before {
            return Ok(());
        }
        let text = serde_yaml::to_string(&Document { sha256: self.sums }).expect("a map of strings is YAML");
        Ok(fs::write(&self.path, text, Mode::Public)?)
    }
}
