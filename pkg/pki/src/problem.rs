//! What is wrong with a file of the PKI.

use std::path::PathBuf;

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not of the form that its name implies.
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
    /// Signed by another CA.
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
    #[error("has a subject that cannot be kept: an attribute is repeated, or is not text")]
    Subject,
    /// A kubeconfig for another cluster.
    #[error("trusts another CA than {}", .0.display())]
    OtherCa(PathBuf),
    /// A kubeconfig for another address.
    #[error("is for {found}, not for {wanted}")]
    Server {
        /// URL in the kubeconfig.
        found: String,
        /// URL of the cluster.
        wanted: String,
    },
}
