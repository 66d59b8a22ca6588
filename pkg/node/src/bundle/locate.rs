//! Which bundle to use: the one that was named, else the best that was imported.

use super::{Bundle, BundleError, Skew, skew};
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

/// Which versions of Kubernetes will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// This one: a control plane is to run.
    Exactly(&'a str),
    /// Any whose kubelet may speak to an API server of this version; the nearest one.
    KubeletFor(&'a str),
}

impl<'a> Wanted<'a> {
    fn version(self) -> &'a str {
        match self {
            Self::Exactly(version) | Self::KubeletFor(version) => version,
        }
    }

    /// How far a version is from the best one, `None` where it will not do.
    fn distance(self, found: &str) -> Option<u64> {
        match (self, skew(found, self.version())) {
            _ if found == self.version() => Some(0),
            (Self::KubeletFor(_), Skew::Same) => Some(1),
            (Self::KubeletFor(_), Skew::Older(by)) => Some(1 + by),
            _ => None,
        }
    }
}

/// The bundle at `named`, else the best imported one, of equally good ones the newest import.
///
/// A `named` archive is an error whose hint says to [`import`](super::import) it.
pub fn locate(named: Option<&Path>, bundles: &Path, wanted: Wanted<'_>) -> Result<Bundle, BundleError> {
    if let Some(path) = named {
        let bundle = Bundle::open(path)?;
        return match wanted.distance(&bundle.manifest.kubernetes_version) {
            Some(_) => Ok(bundle),
            None => Err(refused(bundle, wanted)),
        };
    }
    let all: Vec<Bundle> = list(bundles)?.into_iter().filter_map(|kept| kept.bundle.ok()).collect();
    let mut found: Vec<String> = all.iter().map(|bundle| bundle.manifest.kubernetes_version.clone()).collect();
    let distance = |bundle: &Bundle| wanted.distance(&bundle.manifest.kubernetes_version);
    // The first of equals: the list begins with the newest import.
    let best = all.into_iter().filter_map(|bundle| Some((distance(&bundle)?, bundle))).min_by_key(|(far, _)| *far);
    found.dedup();
    let (bundles, wanted) = (bundles.to_owned(), wanted.version().to_owned());
    best.map(|(_, bundle)| bundle).ok_or(BundleError::NotFound { bundles, wanted, found })
}

fn refused(bundle: Bundle, wanted: Wanted<'_>) -> BundleError {
    let (dir, found) = (bundle.dir, bundle.manifest.kubernetes_version);
    match wanted {
        Wanted::Exactly(wanted) => BundleError::Version { dir, found, wanted: wanted.to_owned() },
        Wanted::KubeletFor(server) => BundleError::Skew { dir, found, server: server.to_owned() },
    }
}

/// The imported bundle whose `bundle.yaml` has this SHA-256.
pub fn find(bundles: &Path, sha256: &str) -> Result<Option<Bundle>, BundleError> {
    let mut all = list(bundles)?.into_iter().filter_map(|kept| kept.bundle.ok());
    Ok(all.find(|bundle| bundle.digest() == sha256))
}
