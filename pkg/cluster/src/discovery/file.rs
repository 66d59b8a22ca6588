//! Discovery files on web servers, as kubeadm takes them: over HTTPS, with a certificate that this host trusts.
//!
//! The content decides which cluster is trusted, so plain HTTP is refused: by validation, and in a redirect.

use reqwest::{Client, Response};
use std::time::Duration;

/// Limit for a connection, and for a pause of the server within an answer.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// Size limit of the file; a kubeconfig has a few kilobytes.
const SIZE_LIMIT: usize = 1 << 20;

/// Why a discovery file was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryFileError {
    /// The request failed.
    #[error("cannot fetch the discovery file {url}")]
    Request {
        /// URL of the file.
        url: String,
        /// Underlying error, without the URL.
        source: reqwest::Error,
    },
    /// The answer is too large for a kubeconfig.
    #[error("{url} is not a discovery file: it is larger than {} KiB", SIZE_LIMIT >> 10)]
    TooLarge {
        /// URL of the file.
        url: String,
    },
    /// The answer is not UTF-8.
    #[error("{url} is not a discovery file: it is not text")]
    NotText {
        /// URL of the file.
        url: String,
    },
}

impl DiscoveryFileError {
    fn request(url: &str, source: reqwest::Error) -> Self {
        Self::Request { url: url.to_owned(), source: source.without_url() }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Request { url, .. } => format!(
                "check that the server answers and that this host trusts its certificate (SSL_CERT_FILE=CA.pem trusts \
                 another CA); or run `curl -fo discovery.conf {url}` and pass --discovery-file discovery.conf"
            ),
            Self::TooLarge { .. } | Self::NotText { .. } => "pass the URL of a kubeconfig".to_owned(),
        })
    }
}

/// Fetches the text of a discovery file.
pub async fn fetch_file(url: &str) -> Result<String, DiscoveryFileError> {
    let content = fetch_bytes(url).await.map_err(|source| DiscoveryFileError::request(url, source))?;
    let content = content.ok_or_else(|| DiscoveryFileError::TooLarge { url: url.to_owned() })?;
    String::from_utf8(content).map_err(|_| DiscoveryFileError::NotText { url: url.to_owned() })
}

/// The bytes of a file; `None` where it exceeds [`SIZE_LIMIT`].
async fn fetch_bytes(url: &str) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let client = Client::builder().https_only(true).connect_timeout(SILENCE_LIMIT).read_timeout(SILENCE_LIMIT);
    let response = client.build()?.get(url).send().await;
    let mut response = response.and_then(Response::error_for_status)?;
    let mut content = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        content.extend_from_slice(&chunk);
        if content.len() > SIZE_LIMIT {
            return Ok(None);
        }
    }
    Ok(Some(content))
}
