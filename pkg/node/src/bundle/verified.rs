//! A cache of verified files, so that an unchanged bundle is verified by `stat` alone.
//!
//! A stamp holds device, inode, size, mtime and ctime of a file. Its owner can set mtime but not ctime, so no change of the
//! content keeps the stamp valid, except within the clock tick to which file systems round: files as new as that get none.

use super::digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use usernetes_host::{Mode, fs};

/// Coarsest tick of a kernel's clock (100 Hz), twice.
const TICK: Duration = Duration::from_millis(20);

/// Metadata of a file when it was hashed, and its SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    dev: u64,
    inode: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
    pub(crate) sha256: String,
}

impl Stamp {
    pub(crate) fn new(meta: &Metadata, sha256: String) -> Self {
        Self {
            dev: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            ctime: (meta.ctime(), meta.ctime_nsec()),
            sha256,
        }
    }

    /// Whether `meta` is of the same file, and the file has not changed.
    pub(crate) fn matches(&self, meta: &Metadata) -> bool {
        *self == Self::new(meta, self.sha256.clone())
    }

    /// Whether `meta` is of the same file, and nothing but its ctime has changed.
    pub(crate) fn matches_but_ctime(&self, meta: &Metadata) -> bool {
        let new = Self::new(meta, self.sha256.clone());
        Self { ctime: new.ctime, ..self.clone() } == new
    }

    /// Whether the file is old enough for every later change to alter its ctime.
    pub(crate) fn is_settled(meta: &Metadata) -> bool {
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(meta.ctime()), u32::try_from(meta.ctime_nsec())) else {
            return false;
        };
        let changed = UNIX_EPOCH + Duration::new(seconds, nanos);
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > TICK)
    }
}

/// Stamps of one bundle by path within the bundle.
pub(crate) type Stamps = BTreeMap<String, Stamp>;

fn cache_file(cache: &Path, dir: &Path) -> PathBuf {
    cache.join(format!("{}.json", &digest::hash_bytes(dir.as_os_str().as_encoded_bytes())[..32]))
}

/// Loads the stamps of the bundle in `dir`; empty if there are none or they cannot be parsed.
pub(crate) fn load_stamps(cache: &Path, dir: &Path) -> Stamps {
    let text = fs::read_if_exists(cache_file(cache, dir)).ok().flatten().unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Saves the stamps of the bundle in `dir`. Failure is only logged: without stamps files are hashed again.
pub(crate) fn save_stamps(cache: &Path, dir: &Path, stamps: &Stamps) {
    let text = serde_json::to_string(stamps).expect("stamps have string keys");
    if let Err(error) = fs::write(cache_file(cache, dir), text, Mode::Secret) {
        tracing::debug!(%error, "stamps of the bundle are not kept");
    }
}
