//! Makes a bundle from what upstream projects release.
//!
//! A mirror serves upstream's files under `<mirror>/<upstream host>/<path>`: what upstream has at
//! `https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet` is at
//! `<mirror>/dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet`, checksum files likewise. The lock file is keyed by
//! upstream's URLs, so that a mirror cannot serve other files than upstream did before.
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

/// Files at a time: enough to fill a line, few enough for servers to like us.
const AT_ONCE: usize = 4;
/// Pause after the first failure; it doubles.
const BACKOFF: Duration = Duration::from_millis(500);

/// What to download, and where to.
#[derive(Clone, Debug)]
pub struct Options {
    /// Version of Kubernetes, such as `v1.36.3`; everything else has the version tested with it.
    pub kubernetes_version: String,
    /// Base of a mirror.
    pub mirror: Option<String>,
    /// `bundle.lock.yaml`: remembers checksums, and is made where it is missing.
    pub lock: PathBuf,
    /// Where the bundle is kept, with files half downloaded in `.download/`.
    pub bundles: PathBuf,
    /// Where stamps of verified files are kept.
    pub cache: PathBuf,
}

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Its name, the last part of the URL.
    pub file: &'a str,
    /// Bytes that are here, those of earlier runs included.
    pub done: u64,
    /// Its size, where the server tells.
    pub total: Option<u64>,
}

/// Downloads, checks, puts together and keeps a bundle.
///
/// What is complete or in part when it fails or is dropped is used by the next call.
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

/// One artifact, checked against what its makers publish and against the lock.
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
    fetcher.fetch_file(&url, &part).await?;
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

/// What the makers publish as the checksum of `file`.
async fn fetch_checksum(fetcher: &Fetcher<'_>, list: &str, file: &str) -> Result<String, DownloadError> {
    let text = fetcher.fetch_text(list).await?;
    checksum::find_checksum(&text, file)
        .ok_or_else(|| DownloadError::NoChecksum { url: fetcher.resolve_url(list), file: file.to_owned() })
}

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

/// Runs work that blocks beside the downloads.
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
