//! Errors of downloads, with hints.

use crate::bundle::BundleError;
use std::path::PathBuf;
use usernetes_host::FsError;

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// A file or directory could not be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The downloaded bundle is not valid.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The base of a mirror is not a URL.
    #[error("mirror {0:?} is not a URL of http or https")]
    Mirror(String),
    /// The HTTP client cannot be set up.
    #[error("cannot set up HTTPS")]
    Client(#[source] reqwest::Error),
    /// The server cannot be reached, or the connection breaks repeatedly.
    #[error("cannot download {url} ({attempts} attempts)")]
    Transfer {
        /// URL of the request.
        url: String,
        /// Number of failed attempts in a row without a new byte.
        attempts: u32,
        /// Error of the last attempt.
        source: reqwest::Error,
    },
    /// The server responds with an error.
    #[error("cannot download {url}: the server says {status}")]
    Status {
        /// URL of the request.
        url: String,
        /// Status of the response.
        status: reqwest::StatusCode,
    },
    /// The file is larger than it may be.
    #[error("{url} is larger than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// Most bytes that it may have.
        limit: u64,
    },
    /// The published checksum file does not name the file.
    #[error("{url} has no sha256 of {file}")]
    NoChecksum {
        /// URL of the checksum file.
        url: String,
        /// Name of the file.
        file: String,
    },
    /// The SHA-256 of the file is not the published one.
    #[error("{url}: sha256 is {found}, its makers publish {expected}")]
    Checksum {
        /// URL of the file.
        url: String,
        /// Published SHA-256.
        expected: String,
        /// SHA-256 of the downloaded file.
        found: String,
    },
    /// The file differs from the one of the first download.
    #[error("{url}: sha256 {found} differs from {locked} in {}", lock.display())]
    Locked {
        /// URL of the request.
        url: String,
        /// SHA-256 now.
        found: String,
        /// SHA-256 in the lock file.
        locked: String,
        /// Path of the lock file.
        lock: PathBuf,
    },
    /// The lock file cannot be parsed.
    #[error("cannot read {}", path.display())]
    LockFile {
        /// Path of the lock file.
        path: PathBuf,
        /// Error of the parser.
        source: serde_yaml::Error,
    },
    /// A downloaded archive lacks an expected member.
    #[error("{url} has no {member}")]
    Member {
        /// URL of the archive.
        url: String,
        /// Path of the missing member.
        member: String,
    },
    /// A downloaded archive cannot be read.
    #[error("cannot unpack {url}")]
    Archive {
        /// URL of the archive.
        url: String,
        /// Underlying error.
        source: std::io::Error,
    },
}

impl DownloadError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Fs(error) => return error.hint(),
            Self::Client(_) => {
                "install CA certificates (Debian: sudo apt-get install ca-certificates), or name a file of \
                them in SSL_CERT_FILE"
                    .into()
            }
            Self::Bundle(error) => return error.hint(),
            Self::Mirror(_) => "name it as https://HOST/PATH; files are taken from PATH/<upstream host>/<path>".into(),
            Self::Transfer { .. } => {
                "run the same command again: it goes on where it stopped; without a network use --mirror URL or \
                 `usernetes-rs bundle import PATH`"
                    .into()
            }
            Self::Status { .. } => {
                "see whether the mirror has the file, or whether upstream removed the release".into()
            }
            Self::TooLarge { .. }
            | Self::Checksum { .. }
            | Self::NoChecksum { .. }
            | Self::Archive { .. }
            | Self::Member { .. } => "do not use the file; try again, or from another mirror".into(),
            Self::Locked { lock, .. } => {
                format!("find out why the release changed; if that is right, remove its line from {}", lock.display())
            }
            Self::LockFile { path, .. } => format!("restore {} or remove it", path.display()),
        })
    }
}
