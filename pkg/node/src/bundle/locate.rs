//! Finds the bundle of a node: the configured one, else the imported one that fits best.

use super::pin::pinned_bundle;
use super::{Bundle, BundleError, Skew, compare_versions, import};
use std::cmp::Reverse;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use usernetes_api::{Config, Paths, constants};
use usernetes_host::fs::Context as _;

/// The bundle that this node was started with ([`super::pin_bundle`]); before its first start the one that the configuration
/// names, else the best imported one. An archive is imported first.
///
/// A joining node uses the bundle with the digest of the join token, where that is known.
pub fn find_bundle(config: &Config, paths: &Paths) -> Result<Bundle, BundleError> {
    match pinned_bundle(paths) {
        Some(bundle) if is_for(config, &bundle) => Ok(bundle),
        _ => find_source(config, &paths.bundles()),
    }
}

/// Whether a node of this configuration may run the bundle: a workflow that did not end may be repeated with another version.
fn is_for(config: &Config, bundle: &Bundle) -> bool {
    match &config.state.bundle_sha256 {
        Some(sha256) => bundle.digest() == sha256,
        None => required_version(config).distance_to(&bundle.manifest.kubernetes_version).is_some(),
    }
}

/// The release that a new control plane runs instead of another patch release of the same minor version: the bundle's, or this
/// program's where no bundle is there yet. `None` where the configured release stays.
pub fn find_patch_release(config: &Config, paths: &Paths) -> Option<String> {
    let (wanted, named) = (&config.cluster.kubernetes_version, config.rootless.bundle.as_deref());
    if config.join.is_some() || named.is_some_and(Path::is_file) {
        return None;
    }
    let named = named.and_then(|path| Bundle::open(path).ok()).or_else(|| pinned_bundle(paths));
    let imported =
        || list_bundles(&paths.bundles()).unwrap_or_default().into_iter().filter_map(|found| found.bundle.ok());
    let found: Vec<String> = match named {
        Some(bundle) => vec![bundle.manifest.kubernetes_version],
        None => imported().map(|bundle| bundle.manifest.kubernetes_version).collect(),
    };
    let mut fitting =
        found.into_iter().filter(|version| compare_versions(version, wanted) == Skew::Same).collect::<Vec<_>>();
    if fitting.is_empty() && compare_versions(constants::KUBERNETES_VERSION, wanted) == Skew::Same {
        fitting.push(constants::KUBERNETES_VERSION.to_owned());
    }
    if fitting.contains(wanted) { None } else { fitting.into_iter().next() }
}

fn required_version(config: &Config) -> Required<'_> {
    let version = &config.cluster.kubernetes_version;
    if config.join.is_some() { Required::KubeletFor(version) } else { Required::Exactly(version) }
}

fn find_source(config: &Config, bundles: &Path) -> Result<Bundle, BundleError> {
    let named = config.rootless.bundle.as_deref();
    if let Some(archive) = named.filter(|path| path.is_file()) {
        return Ok(import(archive, bundles, bundles, &|_| {})?.bundle);
    }
    if let Some(sha256) = &config.state.bundle_sha256 {
        return find_by_digest(bundles, sha256);
    }
    find_version(named, bundles, required_version(config))
}

/// An imported bundle.
#[derive(Debug)]
pub struct ImportedBundle {
    /// Its directory.
    pub dir: PathBuf,
    /// Time of its latest import.
    pub imported: SystemTime,
    /// The bundle, or why its manifest cannot be read.
    pub bundle: Result<Bundle, BundleError>,
}

/// All imported bundles, the latest import first; empty if the directory does not exist.
pub fn list_bundles(bundles: &Path) -> Result<Vec<ImportedBundle>, BundleError> {
    let entries = match bundles.read_dir() {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e).context("list", bundles).map_err(Into::into),
    };
    let mut imported = Vec::new();
    for entry in entries {
        let entry = entry.context("list", bundles)?;
        let dir = entry.path();
        // Work in progress has a dot.
        if entry.file_name().as_encoded_bytes().starts_with(b".") || !dir.is_dir() {
            continue;
        }
        let time = dir.metadata().and_then(|meta| meta.modified()).context("read", &dir)?;
        imported.push(ImportedBundle { bundle: Bundle::open(&dir), dir, imported: time });
    }
    imported.sort_by_key(|bundle| (Reverse(bundle.imported), bundle.dir.clone()));
    Ok(imported)
}

/// Versions of Kubernetes that a node may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required<'a> {
    /// Exactly this version, for a control plane.
    Exactly(&'a str),
    /// Any version whose kubelet may connect to an API server of this version; the nearest is preferred.
    KubeletFor(&'a str),
}

impl<'a> Required<'a> {
    fn version(self) -> &'a str {
        match self {
            Self::Exactly(version) | Self::KubeletFor(version) => version,
        }
    }

    /// Number of minor versions between `found` and the best version, `None` if `found` does not fit.
    fn distance_to(self, found: &str) -> Option<u64> {
        match (self, compare_versions(found, self.version())) {
            _ if found == self.version() => Some(0),
            (Self::KubeletFor(_), Skew::Same) => Some(1),
            (Self::KubeletFor(_), Skew::Older(by)) => Some(1 + by),
            _ => None,
        }
    }

    fn not_found(self, bundles: &Path, found: Vec<String>) -> BundleError {
        let bundles = bundles.to_owned();
        match self {
            Self::Exactly(wanted) => BundleError::NotFound { bundles, wanted: wanted.to_owned(), found },
            Self::KubeletFor(server) => BundleError::NotFoundForCluster { bundles, server: server.to_owned(), found },
        }
    }

    fn refuse(self, bundle: Bundle) -> BundleError {
        let Bundle { dir, manifest, .. } = bundle;
        let found = manifest.kubernetes_version;
        match self {
            Self::Exactly(wanted) => BundleError::Version { dir, found, wanted: wanted.to_owned() },
            Self::KubeletFor(server) => BundleError::Skew { dir, found, server: server.to_owned() },
        }
    }
}

/// The bundle at `named`, else the best imported one; of equally good ones the latest import.
///
/// If `named` is an archive, the error's hint is to [`import()`] it.
pub fn find_version(named: Option<&Path>, bundles: &Path, required: Required<'_>) -> Result<Bundle, BundleError> {
    if let Some(path) = named {
        let bundle = Bundle::open(path)?;
        return match required.distance_to(&bundle.manifest.kubernetes_version) {
            Some(_) => Ok(bundle),
            None => Err(required.refuse(bundle)),
        };
    }
    let mut found = Vec::new();
    let mut best: Option<(u64, Bundle)> = None;
    for bundle in list_bundles(bundles)?.into_iter().filter_map(|imported| imported.bundle.ok()) {
        let version = &bundle.manifest.kubernetes_version;
        found.push(version.clone());
        let Some(distance) = required.distance_to(version) else { continue };
        // Of equals the first: the list begins with the latest import.
        if best.as_ref().is_none_or(|(best, _)| distance < *best) {
            best = Some((distance, bundle));
        }
    }
    found.dedup();
    best.map(|(_, bundle)| bundle).ok_or_else(|| required.not_found(bundles, found))
}

/// The imported bundle whose `bundle.yaml` has this SHA-256.
fn find_by_digest(bundles: &Path, sha256: &str) -> Result<Bundle, BundleError> {
    let mut all = list_bundles(bundles)?.into_iter().filter_map(|imported| imported.bundle.ok());
    let found = all.find(|bundle| bundle.digest() == sha256);
    found.ok_or_else(|| BundleError::NoDigest { bundles: bundles.to_owned(), sha256: sha256.to_owned() })
}
