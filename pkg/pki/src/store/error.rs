//! What can be wrong with a folder of keys and certificates.

use crate::spec::{self, SERVICE_ACCOUNT};
use std::path::{Path, PathBuf};
use usernetes_host::FsError;

/// A folder with keys and certificates that cannot be brought in line.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// Reading or writing.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// Not a name of the table.
    #[error("there is no certificate {name}; known are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A file that is there and not usable; it is never overwritten.
    #[error("{} {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Problem,
        /// Command or edit that cures it.
        cure: String,
    },
    /// The CA's key is elsewhere, and what it should have signed is missing.
    #[error("{} is missing, and cannot be made because {} is missing too", path.display(), key.display())]
    External {
        /// What is missing.
        path: PathBuf,
        /// The CA's key.
        key: PathBuf,
    },
    /// The CA is not there.
    #[error("{} is missing", path.display())]
    NoCa {
        /// The CA's certificate.
        path: PathBuf,
        /// Name of the CA.
        name: &'static str,
    },
    /// The library that makes keys and certificates failed.
    #[error("cannot make {name}")]
    Make {
        /// What was to be made.
        name: &'static str,
        /// Why.
        source: rcgen::Error,
    },
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not what its name says.
    #[error("cannot be read as {0}")]
    Unreadable(&'static str),
    /// Too old.
    #[error("expired at {0}")]
    Expired(jiff::Timestamp),
    /// Too young: a clock was or is wrong.
    #[error("is not valid before {0}")]
    NotYet(jiff::Timestamp),
    /// Not a CA.
    #[error("is not the certificate of a CA")]
    NotCa,
    /// Signed by somebody else.
    #[error("is not signed by {}", .0.display())]
    Signer(PathBuf),
    /// Certificate and key do not belong together.
    #[error("does not belong to {}", .0.display())]
    Key(PathBuf),
    /// A name or an address is missing.
    #[error("does not hold {0}")]
    Sans(String),
    /// Its other half is missing.
    #[error("is there, but {} is not", .0.display())]
    Half(PathBuf),
    /// A subject that a new certificate could not carry.
    #[error("has a subject that cannot be kept: an attribute stands twice, or is not text")]
    Subject,
    /// A kubeconfig for another cluster.
    #[error("trusts another CA than {}", .0.display())]
    OtherCa(PathBuf),
    /// A kubeconfig for another address.
    #[error("is for {found}, not for {wanted}")]
    Server {
        /// What stands there.
        found: String,
        /// What should.
        wanted: String,
    },
}

impl PkiError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid { cure, .. } => Some(cure.clone()),
            Self::External { path, key } => {
                let (path, key) = (path.display(), key.display());
                Some(format!(
                    "put {path} there with a certificate signed by the external CA; or {key}, so that it can be made here"
                ))
            }
            Self::NoCa { name, .. } => Some(format!("usernetes-rs init phase certs {name}")),
            Self::Fs(error) => error.hint(),
            Self::Unknown { .. } | Self::Make { .. } => None,
        }
    }

    /// An invalid file, cured by moving `files` away and making them anew by `phase`.
    pub(crate) fn invalid(path: &Path, problem: Problem, files: &[&Path], phase: &str) -> Self {
        let name = phase.rsplit(' ').next().unwrap_or(phase);
        // Everything in the cluster hangs on these, so they are not thrown away lightly.
        let root = name == SERVICE_ACCOUNT || spec::find(name).is_some_and(|spec| spec.ca.is_none());
        let anew = format!("rm {}; usernetes-rs init phase {phase}", list(files));
        let cure = match &problem {
            Problem::Expired(_) if !root => format!("usernetes-rs certs renew {name}"),
            Problem::NotYet(at) => format!("correct this host's clock: it is before {at}"),
            Problem::Half(other) => {
                format!("put {} back; or make both anew: {anew}", other.display())
            }
            _ if root => format!("put a good one back; or make a new one and everything that it signed: {anew}"),
            _ => anew,
        };
        Self::Invalid { path: path.to_owned(), problem, cure }
    }
}

fn list(files: &[&Path]) -> String {
    let files: Vec<_> = files.iter().map(|f| f.display().to_string()).collect();
    files.join(" ")
}
