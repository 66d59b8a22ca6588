//! A PKI folder kept in line with the table: what is valid stays, what is missing is made, what is wrong is an error.

use crate::CertParams;
use std::path::{Path, PathBuf};
use usernetes_host::FsError;

/// What was done about one certificate, key pair or kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It was not there and was made.
    Made,
    /// It was there and is valid.
    Kept,
    /// It was there and is valid; its CA's key is elsewhere.
    KeptExternal,
}

/// What was done about one certificate, key pair or kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its name, such as `etcd-server`, `sa` or `admin.conf`.
    pub name: &'static str,
    /// What was done.
    pub action: Action,
}

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
        name: String,
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
        None
    }
}

/// Brings the whole tree in line, service-account key included: certificates in the table's order, then `sa`.
pub fn ensure_all(pki_dir: &Path, params: &CertParams) -> Result<Vec<Outcome>, PkiError> {
    let _ = (pki_dir, params);
    unimplemented!()
}

/// Brings one certificate in line, or `sa`; its CA must be there.
pub fn ensure(pki_dir: &Path, name: &str, params: &CertParams) -> Result<Outcome, PkiError> {
    let _ = (pki_dir, name, params);
    unimplemented!()
}
