//! Errors of a directory with keys and certificates.

use crate::problem::Problem;
use crate::spec::{self, SERVICE_ACCOUNT};
use std::path::{Path, PathBuf};
use usernetes_host::FsError;

/// A directory with keys and certificates that cannot be used or completed.
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
        /// What to do about it: a command or edit.
        hint: String,
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
        /// Underlying error.
        source: rcgen::Error,
    },
}

impl PkiError {
    /// What to do about the error.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid { hint, .. } => Some(hint.clone()),
            Self::External { path, key } => {
                let path = path.display();
                let key = key.display();
                Some(format!(
                    "put {path} there with a certificate signed by the external CA; or {key}, so that it can be made here"
                ))
            }
            Self::NoCa { name, .. } => Some(format!("usernetes-rs init phase certs {name}")),
            Self::Fs(error) => error.hint(),
            Self::Unknown { .. } | Self::Make { .. } => None,
        }
    }

    /// An invalid file, with the hint of moving `files` away and creating them again by `phase`.
    pub(crate) fn invalid(path: &Path, problem: Problem, files: &[&Path], phase: &str) -> Self {
        let name = phase.rsplit(' ').next().unwrap_or(phase);
        // Everything in the cluster hangs on these, so they are not thrown away lightly.
        let root = name == SERVICE_ACCOUNT || spec::find(name).is_some_and(|spec| spec.ca.is_none());
        let anew = format!("rm {}; usernetes-rs init phase {phase}", join_paths(files));
        let hint = match &problem {
            Problem::Expired(_) if !root => format!("usernetes-rs certs renew {name}"),
            Problem::NotYet(at) => format!("correct this host's clock: it is before {at}"),
            Problem::Half(other) => {
                format!("put {} back; or make both anew: {anew}", other.display())
            }
            _ if root => format!("put a good one back; or make a new one and everything that it signed: {anew}"),
            _ => anew,
        };
        Self::Invalid { path: path.to_owned(), problem, hint }
    }
}

fn join_paths(files: &[&Path]) -> String {
    let files: Vec<_> = files.iter().map(|f| f.display().to_string()).collect();
    files.join(" ")
}
