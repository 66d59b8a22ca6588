//! Why a download failed, and with hints.

use crate::bundle::BundleError;
use std::path::PathBuf;
use usernetes_host::FsError;

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// A file or directory could not be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// What was downloaded is no good bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The base of a mirror is not a URL.
    #[error("mirror {0:?} is not a URL of http or https")]
    Mirror(String),
    /// The client for HTTP cannot be made.
    #[error("cannot set up HTTPS")]
    Client(#[source] reqwest::Error),
    /// The server cannot be reached, or the connection breaks again and again.
    #[error("cannot download {url} ({attempts} attempts)")]
    Transfer {
        /// What was asked for.
        url: String,
        /// How often in vain, without a byte of progress in between.
        attempts: u32,
        /// The last failure.
        source: reqwest::Error,
    },
    /// The server answers, but not with the file.
    #[error("cannot download {url}: the server says {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// Its answer.
        status: reqwest::StatusCode,
    },
    /// The published checksum file does not name the file.
    #[error("{url} has no sha256 of {file}")]
    NoChecksum {
        /// The checksum file.
        url: String,
        /// The file that it should name.
        file: String,
    },
    /// The file is not the one that upstream published.
    #[error("{url}: sha256 is {found}, its makers publish {expected}")]
    Checksum {
        /// What was downloaded.
        url: String,
        /// The published checksum.
        expected: String,
        /// That of the downloaded file.
        found: String,
    },
    /// A release was changed after it had been downloaded once.
    #[error("{url}: sha256 {found} differs from {locked} in {}", lock.display())]
    Locked {
        /// What was asked for.
        url: String,
        /// The checksum of this time.
        found: String,
        /// The checksum of the first time.
        locked: String,
        /// The lock file.
        lock: PathBuf,
    },
    /// The lock file is not one.
    #[error("cannot read {}", path.display())]
    LockFile {
        /// The lock file.
        path: PathBuf,
        /// What serde says.
        source: serde_yaml::Error,
    },
    /// A downloaded archive is not laid out as expected.
    #[error("{url} has no {member}")]
    Member {
        /// The archive.
        url: String,
        /// What is missing in it.
        member: String,
    },
    /// A downloaded archive cannot be read.
    #[error("cannot unpack {url}")]
    Archive {
        /// The archive.
        url: String,
        /// Why.
        source: std::io::Error,
    },
}

impl DownloadError {
    /// What to do about it.
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
            Self::Checksum { .. } | Self::NoChecksum { .. } | Self::Archive { .. } | Self::Member { .. } => {
                "do not use the file; try again, or from another mirror".into()
            }
            Self::Locked { lock, .. } => {
                format!("find out why the release changed; if that is right, remove its line from {}", lock.display())
            }
            Self::LockFile { path, .. } => format!("restore {} or remove it", path.display()),
        })
    }
}
