//! Takes a bundle from the control plane's host, through the proxy of the API server: a host that joins needs nothing
//! but this program.
//!
//! The connection is verified by the cluster's CA and authorized by the bootstrap token. What comes over it is believed
//! only as far as checksums go: the manifest has to be the one that the join token or the cluster names, every file the one that the
//! manifest names. Files are kept by checksum while they arrive, so that the next attempt goes on where this one stopped.

mod error;
#[cfg(test)]
mod tests;

pub use error::PeerError;

use super::download::{self, DownloadError, fetch};
use super::import::Staging;
use super::{Bundle, BundleError, Imported, MANIFEST, Progress, digest, manifest};
use fetch::Fetcher;
use futures::StreamExt as _;
use reqwest::{Certificate, Client, Identity};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use usernetes_api::bundle::{BundleFile, BundleManifest};
use usernetes_host::Mode;
use usernetes_host::fs::{self, Context as _, create_dir};
use usernetes_pki::{Kubeconfig, Secret};

/// Files at a time: one hides the latency of another.
const AT_ONCE: usize = 3;
/// Pause after the first failure; it doubles.
const BACKOFF: Duration = Duration::from_millis(200);
/// A peer that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(20);

/// Where the bundle is served, and the credentials for it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// URL of the directory, without a slash at its end.
    pub url: String,
    /// CA of the API server: no other is believed.
    pub ca_pem: String,
    /// Credentials of this host.
    pub credentials: Credentials,
}

/// Credentials for the API server.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A bearer token.
    Token(Secret),
    /// PEM of a client certificate and of its key.
    Certificate(Secret),
}

impl Peer {
    /// The API server and the credentials of a bootstrap kubeconfig. `url` is that of the directory.
    pub fn from_kubeconfig(kubeconfig: &str, url: String) -> Result<Self, PeerError> {
        let config = Kubeconfig::parse(kubeconfig)?;
        let ca_pem = config.cluster()?.ca_pem()?.ok_or(PeerError::NoCa)?;
        let user = config.user()?;
        let credentials = match (&user.token, user.certificate_pem()?, user.key_pem()?) {
            (Some(token), ..) => Credentials::Token(token.clone()),
            (None, Some(certificate), Some(key)) => {
                Credentials::Certificate(Secret::new(format!("{certificate}\n{}", key.expose())))
            }
            _ => return Err(PeerError::NoCredentials),
        };
        Ok(Self { url, ca_pem, credentials })
    }
}

/// Takes the bundle, unless it was imported before; `identity` is the SHA-256 of its `bundle.yaml`.
pub async fn take(
    peer: &Peer,
    identity: &str,
    bundles: &Path,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Imported, PeerError> {
    let client = client(peer)?;
    let directory = bundles.to_owned();
    let staging = download::run_blocking(move || Staging::open(&directory)).await?;
    let text =
        Fetcher::with_client(client.clone(), BACKOFF, &|_| {}).fetch_text(&format!("{}/{MANIFEST}", peer.url)).await?;
    let manifest = manifest_of(peer, &text, identity)?;
    let half_made = staging.new_directory()?;
    fs::write(half_made.path().join(MANIFEST), &text, Mode::Public)?;
    if let Some(imported) = staging.find_imported(&Bundle::open(half_made.path())?, bundles, &|_| {})? {
        return Ok(imported);
    }
    let work = bundles.join(".peer");
    create_dir(&work)?;
    let tally = Tally::new(&manifest, progress);
    fetch_all(peer, client, &manifest, &work, &|p| tally.advance(p)).await?;
    let (bundles, source) = (bundles.to_owned(), PathBuf::from(&peer.url));
    let finish = move || -> Result<Imported, BundleError> {
        put_together(&manifest, &work, half_made.path())?;
        let imported = staging.publish(half_made.path(), &source, &bundles, &|_| {})?;
        std::fs::remove_dir_all(&work).context("remove", &work)?;
        Ok(imported)
    };
    Ok(download::run_blocking(finish).await?)
}

fn client(peer: &Peer) -> Result<Client, PeerError> {
    let authorities = Certificate::from_pem_bundle(peer.ca_pem.as_bytes()).map_err(PeerError::Client)?;
    // A host's proxy does not lead to the user's own cluster.
    let builder = Client::builder()
        .user_agent(concat!("usernetes-rs/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(SILENCE)
        .read_timeout(SILENCE)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_only(authorities);
    let builder = match &peer.credentials {
        Credentials::Token(token) => builder.default_headers(bearer(token)?),
        Credentials::Certificate(pem) => {
            builder.identity(Identity::from_pem(pem.expose().as_bytes()).map_err(PeerError::Client)?)
        }
    };
    builder.build().map_err(PeerError::Client)
}

fn bearer(token: &Secret) -> Result<http::HeaderMap, PeerError> {
    let mut value = http::HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| PeerError::Token)?;
    value.set_sensitive(true);
    Ok(http::HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]))
}

fn manifest_of(peer: &Peer, text: &str, expected: &str) -> Result<BundleManifest, PeerError> {
    let found = digest::hash_bytes(text.as_bytes());
    if expected != found {
        return Err(PeerError::Identity { expected: expected.to_owned(), found });
    }
    Ok(manifest::parse_manifest(&PathBuf::from(format!("{}/{MANIFEST}", peer.url)), text)?)
}

/// Every file of the manifest into `work`, by its checksum.
async fn fetch_all(
    peer: &Peer,
    client: Client,
    manifest: &BundleManifest,
    work: &Path,
    progress: &(dyn Fn(download::Progress<'_>) + Send + Sync),
) -> Result<(), PeerError> {
    let fetcher = Fetcher::with_client(client, BACKOFF, progress);
    let files: BTreeMap<_, _> = manifest.files.iter().map(|file| (&file.sha256, file)).collect();
    let jobs = files.into_values().map(|file| fetch_one(peer, &fetcher, file, work, progress));
    let mut running = futures::stream::iter(jobs).buffer_unordered(AT_ONCE);
    while let Some(outcome) = running.next().await {
        outcome?;
    }
    Ok(())
}

async fn fetch_one(
    peer: &Peer,
    fetcher: &Fetcher<'_>,
    file: &BundleFile,
    work: &Path,
    progress: &(dyn Fn(download::Progress<'_>) + Send + Sync),
) -> Result<(), PeerError> {
    let complete = work.join(&file.sha256);
    if complete.exists() {
        progress(download::Progress { file: &file.sha256, done: file.size, total: Some(file.size) });
        return Ok(());
    }
    let part = fetch::part_path(&complete);
    // What is complete needs no request: it would be answered with an error.
    if part.metadata().map_or(0, |meta| meta.len()) < file.size || file.size == 0 {
        fetcher.fetch_file(&format!("{}/files/{}", peer.url, file.sha256), &part, file.size).await?;
    }
    let found = download::hash_file(&part).await?;
    if found != file.sha256 {
        fs::remove_if_exists(&part)?;
        return Err(PeerError::Checksum { path: file.path.clone(), expected: file.sha256.clone(), found });
    }
    Ok(std::fs::rename(&part, &complete).context("make", &complete)?)
}

/// Fills the directory `to`, that has its manifest already.
fn put_together(manifest: &BundleManifest, work: &Path, to: &Path) -> Result<(), BundleError> {
    use std::os::unix::fs::PermissionsExt as _;
    for file in &manifest.files {
        let (from, target) = (work.join(&file.sha256), to.join(&file.path));
        create_dir(target.parent().unwrap_or(to))?;
        std::fs::hard_link(&from, &target).context("make", &target)?;
        if file.executable {
            let bits = std::fs::Permissions::from_mode(Mode::Program.bits());
            std::fs::set_permissions(&target, bits).context("change", &target)?;
        }
    }
    Ok(())
}

/// Adds up how far the files are.
struct Tally<'a> {
    done: Mutex<HashMap<String, u64>>,
    total: u64,
    progress: &'a (dyn Fn(Progress) + Send + Sync),
}

impl<'a> Tally<'a> {
    fn new(manifest: &BundleManifest, progress: &'a (dyn Fn(Progress) + Send + Sync)) -> Self {
        let sizes: HashMap<_, _> = manifest.files.iter().map(|file| (&file.sha256, file.size)).collect();
        let total = sizes.into_values().fold(0_u64, u64::saturating_add);
        Self { done: Mutex::default(), total, progress }
    }

    fn advance(&self, file: download::Progress<'_>) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.insert(file.file.to_owned(), file.done);
        let done = done.values().sum();
        (self.progress)(Progress { done, total: self.total });
    }
}

impl From<BundleError> for PeerError {
    fn from(error: BundleError) -> Self {
        Self::Download(DownloadError::Bundle(error))
    }
}

impl From<usernetes_host::FsError> for PeerError {
    fn from(error: usernetes_host::FsError) -> Self {
        Self::Download(DownloadError::Fs(error))
    }
}
