//! Which bundle to use: the one that was named, else the newest that was imported.

use super::{Bundle, BundleError};
use std::cmp::Reverse;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use usernetes_host::fs::Context as _;

/// An imported bundle.
#[derive(Debug)]
pub struct Kept {
    /// Its folder.
    pub dir: PathBuf,
    /// When it was imported last.
    pub imported: SystemTime,
    /// The bundle, or why its manifest cannot be read.
    pub bundle: Result<Bundle, BundleError>,
}

/// Every imported bundle, newest first; none where the folder does not exist.
pub fn list(bundles: &Path) -> Result<Vec<Kept>, BundleError> {
    let entries = match bundles.read_dir() {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e).context("list", bundles).map_err(Into::into),
    };
    let mut kept = Vec::new();
    for entry in entries {
        let entry = entry.context("list", bundles)?;
        let dir = entry.path();
        // Work in progress has a dot.
        if entry.file_name().as_encoded_bytes().starts_with(b".") || !dir.is_dir() {
            continue;
        }
        let imported = dir.metadata().and_then(|meta| meta.modified()).context("read", &dir)?;
        kept.push(Kept { bundle: Bundle::open(&dir), dir, imported });
    }
    kept.sort_by_key(|kept| (Reverse(kept.imported), kept.dir.clone()));
    Ok(kept)
}

/// The bundle at `named`, else the newest imported one, of Kubernetes version `wanted`.
///
/// A `named` archive is an error whose hint says to [`import`](super::import) it.
pub fn locate(named: Option<&Path>, bundles: &Path, wanted: &str) -> Result<Bundle, BundleError> {
    if let Some(path) = named {
        let bundle = Bundle::open(path)?;
        let found = bundle.manifest().kubernetes_version.clone();
        if found != wanted {
            return Err(BundleError::Version { dir: bundle.dir, found, wanted: wanted.to_owned() });
        }
        return Ok(bundle);
    }
    let mut found = Vec::new();
    for bundle in list(bundles)?.into_iter().filter_map(|kept| kept.bundle.ok()) {
        if bundle.manifest().kubernetes_version == wanted {
            return Ok(bundle);
        }
        found.push(bundle.manifest.kubernetes_version);
    }
    found.dedup();
    Err(BundleError::NotFound { bundles: bundles.to_owned(), wanted: wanted.to_owned(), found })
}
