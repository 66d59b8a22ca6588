//! Downloads the releases of upstream projects and assembles a bundle from them.
//!
//! A mirror serves upstream's files under `<mirror>/<upstream host>/<path>`: the file at
//! `https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet` is at
//! `<mirror>/dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet`, checksum files likewise. The lock file is keyed by
//! upstream's URLs, so that a mirror cannot serve other files than upstream.
//!
//! TLS takes the process's rustls provider: the caller installs aws-lc-rs.

mod assemble;
mod checksum;
mod error;
pub(crate) mod fetch;
mod lock;
mod table;

pub use error::DownloadError;

use super::import::Staging;
use super::{Imported, digest, host_architecture};
use assemble::Fetched;
use fetch::Fetcher;
use futures::StreamExt as _;
use lock::Lock;
use std::path::{Path, PathBuf};
use std::time::Duration;
use table::{ARTIFACTS, Artifact, Release};
use usernetes_host::fs::{self, Context as _, create_dir};

/// Number of parallel downloads: enough to use the bandwidth, few enough not to be throttled.
const AT_ONCE: usize = 4;
/// Pause after the first failure; it doubles with each further one.
const BACKOFF: Duration = Duration::from_millis(500);

/// What to download and where to keep it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Kubernetes version, such as `v1.36.3`. All other software has the version in the table of artifacts.
    pub kubernetes_version: String,
    /// Base URL of a mirror; upstream if `None`.
    pub mirror: Option<String>,
    /// Path of the lock file `bundle.lock.yaml` with the checksums of earlier downloads; created if missing.
    pub lock: PathBuf,
    /// Directory of imported bundles; incomplete downloads are in `.download/` below it.
    pub bundles: PathBuf,
    /// Directory of the stamps of verified files.
    pub cache: PathBuf,
}

/// Progress of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Name of the file, the last component of its URL.
    pub file: &'a str,
    /// Number of received bytes, including those of earlier runs.
    pub done: u64,
    /// Size in bytes, if the server sends it.
    pub total: Option<u64>,
}

/// Downloads and verifies all artifacts, assembles a bundle and imports it.
///
/// After a failure, or if the future is dropped, the next call continues with the files received so far.
pub async fn download_bundle(
    options: &Options,
    progress: &(dyn Fn(Progress<'_>) + Send + Sync),
) -> Result<Imported, DownloadError> {
    download_with_backoff(options, BACKOFF, progress).await
}

async fn download_with_backoff(
    options: &Options,
    backoff: Duration,
    progress: &(dyn Fn(Progress<'_>) + Send + Sync),
) -> Result<Imported, DownloadError> {
    let fetcher = Fetcher::new(options.mirror.as_deref(), backoff, progress)?;
    let lock = Lock::open(&options.lock)?;
    let bundles = options.bundles.clone();
    let staging = run_blocking(move || Staging::open(&bundles)).await?;
    let work = options.bundles.join(".download");
    create_dir(&work)?;
    let fetched = fetch_all(options, &fetcher, lock, &work).await?;
    let options = options.clone();
    run_blocking(move || assemble_and_publish(&staging, &fetched, &options, &work)).await
}

/// Fetches all artifacts in parallel and locks their checksums, also when one fails.
async fn fetch_all(
    options: &Options,
    fetcher: &Fetcher<'_>,
    lock: Lock,
    work: &Path,
) -> Result<Vec<Fetched>, DownloadError> {
    let release = release(options);
    let jobs = ARTIFACTS.iter().map(|artifact| fetch_artifact(artifact, &release, fetcher, &lock, work));
    let mut running = futures::stream::iter(jobs).buffer_unordered(AT_ONCE);
    let (mut fetched, mut failed) = (Vec::new(), None);
    while let Some(outcome) = running.next().await {
        match outcome {
            Ok(one) => fetched.push(one),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    drop(running);
    lock.save_checksums(fetched.iter().map(|one| (one.url.clone(), one.sha256.clone())))?;
    failed.map_or(Ok(fetched), Err)
}

/// Largest size of an artifact in bytes; that of the largest today is some hundred mebibytes.
const FILE_LIMIT: u64 = 2 << 30;

/// Fetches one artifact and checks it against the published checksum and the lock.
async fn fetch_artifact(
    artifact: &'static Artifact,
    release: &Release<'_>,
    fetcher: &Fetcher<'_>,
    lock: &Lock,
    work: &Path,
) -> Result<Fetched, DownloadError> {
    let url = artifact.url(release);
    let expected = match artifact.checksum_url(release) {
        Some(list) => Some(fetch_checksum(fetcher, &list, table::file_name(&url)).await?),
        None => lock.get(&url).cloned(),
    };
    if let Some(expected) = &expected {
        lock.check_checksum(&url, expected)?;
    }
    let complete = work.join(format!("{}-{}", &digest::hash_bytes(url.as_bytes())[..16], table::file_name(&url)));
    if complete.exists() {
        let sha256 = hash_file(&complete).await?;
        if expected.as_ref().is_none_or(|expected| *expected == sha256) {
            return Ok(Fetched { artifact, url, path: complete, sha256 });
        }
    }
    let part = fetch::part_path(&complete);
    fetcher.fetch_file(&url, &part, FILE_LIMIT).await?;
    let found = hash_file(&part).await?;
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        fs::remove_if_exists(&part)?;
        if artifact.checksum_url(release).is_none() {
            lock.check_checksum(&url, &found)?;
        }
        return Err(DownloadError::Checksum { url: fetcher.resolve_url(&url), expected, found });
    }
    std::fs::rename(&part, &complete).context("make", &complete)?;
    Ok(Fetched { artifact, url, path: complete, sha256: found })
}

/// Fetches the checksum file `list` and returns the SHA-256 of `file` in it.
async fn fetch_checksum(fetcher: &Fetcher<'_>, list: &str, file: &str) -> Result<String, DownloadError> {
    let text = fetcher.fetch_text(list).await?;
    checksum::find_checksum(&text, file)
        .ok_or_else(|| DownloadError::NoChecksum { url: fetcher.resolve_url(list), file: file.to_owned() })
}

/// The SHA-256 of a file, computed on a blocking thread.
pub(crate) async fn hash_file(path: &Path) -> Result<String, DownloadError> {
    let path = path.to_owned();
    run_blocking(move || {
        let file = std::fs::File::open(&path).context("read", &path)?;
        digest::hash_reader(file, &|_| {}).context("read", &path)
    })
    .await
}

fn assemble_and_publish(
    staging: &Staging,
    fetched: &[Fetched],
    options: &Options,
    work: &Path,
) -> Result<Imported, DownloadError> {
    let half_made = staging.new_directory()?;
    assemble::assemble_bundle(fetched, &release(options), half_made.path())?;
    let imported = staging.publish(half_made.path(), half_made.path(), &options.cache, &|_| {})?;
    std::fs::remove_dir_all(work).context("remove", work)?;
    Ok(imported)
}

fn release(options: &Options) -> Release<'_> {
    Release { kubernetes: &options.kubernetes_version, architecture: host_architecture() }
}

/// Runs blocking work on a thread of its own, so that downloads go on.
pub(crate) async fn run_blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, DownloadError>
where
    T: Send + 'static,
    E: Send + 'static,
    DownloadError: From<E>,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => Ok(outcome?),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;
