//! Fetches files over HTTP from upstream or a mirror: partial files are resumed, failures are retried with back-off.

use super::{DownloadError, Progress, table};
use futures::StreamExt as _;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::{Client, Response, StatusCode, Url};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt as _;
use usernetes_host::fs::{self, Context as _};
use usernetes_host::{FsError, Mode};

/// Number of failures in a row without a new byte after which a download fails.
const ATTEMPTS: u32 = 5;
/// Largest size in bytes of a file that is read into memory: a manifest, or a list of checksums.
const TEXT_LIMIT: u64 = 1 << 20;
/// Limit of connecting, and of waiting for the next bytes.
const SILENCE: Duration = Duration::from_secs(30);

/// A client that fetches the files of one download.
pub(crate) struct Fetcher<'a> {
    client: Client,
    mirror: Option<Url>,
    backoff: Duration,
    progress: &'a (dyn Fn(Progress<'_>) + Send + Sync),
}

/// Why one attempt failed.
enum Failure {
    Transfer(reqwest::Error),
    Status(StatusCode),
    /// The partial file is not the beginning of the file on the server.
    Stale,
    /// More bytes than this came.
    TooLarge(u64),
    Fs(FsError),
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self::Transfer(error)
    }
}

impl From<FsError> for Failure {
    fn from(error: FsError) -> Self {
        Self::Fs(error)
    }
}

impl<'a> Fetcher<'a> {
    pub(crate) fn new(
        mirror: Option<&str>,
        backoff: Duration,
        progress: &'a (dyn Fn(Progress<'_>) + Send + Sync),
    ) -> Result<Self, DownloadError> {
        let mirror = mirror.map(parse_mirror).transpose()?;
        let client = Client::builder()
            .user_agent(concat!("usernetes-rs/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(SILENCE)
            .read_timeout(SILENCE)
            // Upstream redirects to content networks; never to anything without TLS.
            .https_only(mirror.is_none())
            .build()
            .map_err(DownloadError::Client)?;
        Ok(Self { client, mirror, backoff, progress })
    }

    /// A fetcher without a mirror that uses `client`.
    pub(crate) fn with_client(
        client: Client,
        backoff: Duration,
        progress: &'a (dyn Fn(Progress<'_>) + Send + Sync),
    ) -> Self {
        Self { client, mirror: None, backoff, progress }
    }

    /// The URL to request for upstream's `url`: the same, or `<mirror>/<host>/<path>`.
    pub(crate) fn resolve_url(&self, url: &str) -> String {
        match (&self.mirror, url.split_once("://")) {
            (Some(mirror), Some((_, rest))) => format!("{mirror}{rest}"),
            _ => url.to_owned(),
        }
    }

    /// Fetches a file of at most [`TEXT_LIMIT`] bytes as text.
    pub(crate) async fn fetch_text(&self, url: &str) -> Result<String, DownloadError> {
        let address = self.resolve_url(url);
        let mut failures = 0;
        loop {
            match self.fetch_text_once(&address).await {
                Ok(text) => return Ok(text),
                Err(failure) => self.wait_for_retry(&address, failure, &mut failures).await?,
            }
        }
    }

    async fn fetch_text_once(&self, address: &str) -> Result<String, Failure> {
        let mut response = require_ok(self.client.get(address).send().await?)?;
        let mut content = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if content.len() as u64 + chunk.len() as u64 > TEXT_LIMIT {
                return Err(Failure::TooLarge(TEXT_LIMIT));
            }
            content.extend_from_slice(&chunk);
        }
        Ok(String::from_utf8_lossy(&content).into_owned())
    }

    /// Fetches a file of at most `limit` bytes into `part` and resumes if `part` exists. On return `part` is complete, but not
    /// verified.
    pub(crate) async fn fetch_file(&self, url: &str, part: &Path, limit: u64) -> Result<(), DownloadError> {
        let address = self.resolve_url(url);
        let (mut failures, mut best) = (0, part_length(part));
        loop {
            let Err(failure) = self.fetch_once(&address, part, limit).await else { return Ok(()) };
            let have = part_length(part);
            if have > best {
                (best, failures) = (have, 0);
            }
            self.wait_for_retry(&address, failure, &mut failures).await?;
        }
    }

    /// One request, for the rest of the file if the server still has the same version.
    async fn fetch_once(&self, address: &str, part: &Path, limit: u64) -> Result<(), Failure> {
        let validator_file = part.with_added_extension("validator");
        let validator = fs::read_if_exists(&validator_file)?;
        let have = part_length(part);
        let mut request = self.client.get(address);
        let resuming = validator.filter(|_| have > 0);
        if let Some(validator) = &resuming {
            request = request.header(RANGE, format!("bytes={have}-")).header(IF_RANGE, validator);
        }
        let response = request.send().await?;
        let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let goes_on = range.starts_with(&format!("bytes {have}-"));
        match response.status() {
            StatusCode::PARTIAL_CONTENT if goes_on && resuming.is_some() => {
                let file = OpenOptions::new().append(true).open(part).await.context("open", part)?;
                self.receive_body(response, file, (part, have, limit)).await
            }
            StatusCode::RANGE_NOT_SATISFIABLE if range == format!("bytes */{have}") => Ok(()),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                fs::remove_if_exists(part)?;
                Err(Failure::Stale)
            }
            _ => {
                let response = require_ok(response)?;
                // A part of one version must not be kept with the validator of another.
                fs::remove_if_exists(part)?;
                match self::read_validator(response.headers()) {
                    Some(text) => fs::write(&validator_file, text, Mode::Secret)?,
                    None => fs::remove_if_exists(&validator_file)?,
                }
                let file = File::create(part).await.context("make", part)?;
                self.receive_body(response, file, (part, 0, limit)).await
            }
        }
    }

    async fn receive_body(
        &self,
        response: Response,
        mut file: File,
        (part, have, limit): (&Path, u64, u64),
    ) -> Result<(), Failure> {
        let name = table::file_name(response.url().path()).to_owned();
        let total = response.content_length().map(|rest| have + rest);
        let mut done = have;
        let mut body = response.bytes_stream();
        let mut ended = Ok(());
        while let Some(chunk) = body.next().await {
            match chunk {
                Ok(chunk) if done + chunk.len() as u64 > limit => {
                    fs::remove_if_exists(part)?;
                    return Err(Failure::TooLarge(limit));
                }
                Ok(chunk) => {
                    file.write_all(&chunk).await.context("write", part)?;
                    done += chunk.len() as u64;
                    (self.progress)(Progress { file: &name, done, total });
                }
                Err(error) => {
                    ended = Err(error.into());
                    break;
                }
            }
        }
        // The bytes before an interruption are kept for the next attempt.
        file.flush().await.context("write", part)?;
        ended
    }

    /// Waits before the next attempt; fails if the failure is permanent or the attempts are used up.
    async fn wait_for_retry(&self, address: &str, failure: Failure, failures: &mut u32) -> Result<(), DownloadError> {
        *failures += 1;
        let again = *failures < ATTEMPTS;
        let url = address.to_owned();
        match failure {
            Failure::Fs(error) => return Err(error.into()),
            Failure::TooLarge(limit) => return Err(DownloadError::TooLarge { url, limit }),
            Failure::Status(status) if !(again && is_transient(status)) => {
                return Err(DownloadError::Status { url, status });
            }
            Failure::Stale if !again => {
                return Err(DownloadError::Status { url, status: StatusCode::RANGE_NOT_SATISFIABLE });
            }
            Failure::Transfer(source) if !again => {
                return Err(DownloadError::Transfer { url, attempts: *failures, source });
            }
            Failure::Transfer(_) | Failure::Status(_) | Failure::Stale => {}
        }
        tokio::time::sleep(self.backoff * 2_u32.pow(*failures - 1)).await;
        Ok(())
    }
}

fn parse_mirror(text: &str) -> Result<Url, DownloadError> {
    let wrong = || DownloadError::Mirror(text.to_owned());
    let url = Url::parse(&format!("{}/", text.trim_end_matches('/'))).map_err(|_| wrong())?;
    if matches!(url.scheme(), "http" | "https") && url.query().is_none() { Ok(url) } else { Err(wrong()) }
}

fn require_ok(response: Response) -> Result<Response, Failure> {
    if response.status() == StatusCode::OK { Ok(response) } else { Err(Failure::Status(response.status())) }
}

fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

/// The header that identifies this version of the file: a strong ETag, else Last-Modified.
fn read_validator(headers: &HeaderMap) -> Option<String> {
    let tag = header_text(headers, &ETAG).filter(|tag| !tag.starts_with("W/"));
    tag.or_else(|| header_text(headers, &LAST_MODIFIED)).map(str::to_owned)
}

fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn part_length(part: &Path) -> u64 {
    part.metadata().map_or(0, |meta| meta.len())
}

/// Path of the partial file during the download of `complete`.
pub(crate) fn part_path(complete: &Path) -> PathBuf {
    complete.with_added_extension("part")
}
