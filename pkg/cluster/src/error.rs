//! Errors of requests to an API server, with the object and the verb.

use kube::core::Status;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The verb of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Server-side apply or patch.
    Apply,
    /// Create.
    Create,
    /// Delete.
    Delete,
    /// Eviction of a pod.
    Evict,
    /// Get.
    Get,
    /// List.
    List,
    /// Watch.
    Watch,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apply => "apply",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Evict => "evict",
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
        })
    }
}

/// Why a request to the API server, or a wait for it, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A kubeconfig that is missing or not valid.
    #[error("cannot use kubeconfig {}", path.display())]
    Kubeconfig {
        /// Path of the kubeconfig.
        path: PathBuf,
        /// Underlying error.
        source: Box<kube::config::KubeconfigError>,
    },
    /// A kubeconfig from which no client can be made, mostly because of a broken certificate or key.
    #[error("cannot make a client from kubeconfig {}", path.display())]
    Client {
        /// Path of the kubeconfig.
        path: PathBuf,
        /// Underlying error.
        source: Box<kube::Error>,
    },
    /// A request that failed.
    #[error("cannot {verb} {object}")]
    Request {
        /// Verb of the request.
        verb: Verb,
        /// `Kind namespace/name`.
        object: String,
        /// Underlying error.
        source: Box<kube::Error>,
    },
    /// An object with unexpected content.
    #[error("{object} has {what}")]
    Content {
        /// `Kind namespace/name`.
        object: String,
        /// The fault, as the end of a sentence: "no key config".
        what: String,
    },
    /// A wait that reached its limit.
    #[error("timed out after {waited:?} waiting for {what}; last seen: {last_seen}")]
    Timeout {
        /// The awaited state.
        what: String,
        /// The limit.
        waited: Duration,
        /// The last state: conditions, events, reasons.
        last_seen: String,
    },
    /// A manifest, or the user's part of it, that is not valid.
    #[error("manifest {name}: {message}")]
    Manifest {
        /// Name of the manifest.
        name: &'static str,
        /// The fault.
        message: String,
    },
    /// The bundle lacks the image of an addon.
    #[error("the bundle has no image {name}")]
    NoImage {
        /// Name of the image in the bundle.
        name: &'static str,
    },
    /// A bootstrap token that exists with another secret.
    #[error("a bootstrap token with id {id} already exists")]
    TokenExists {
        /// Id of the token.
        id: String,
    },
    /// There is no bootstrap token with this id.
    #[error("no bootstrap token has id {id}")]
    NoSuchToken {
        /// Id of the token.
        id: String,
    },
}

impl Error {
    pub(crate) fn request(verb: Verb, object: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let object = object.into();
        move |source| Self::Request { verb, object, source: Box::new(source) }
    }

    /// The status that the server answered, if it did.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Request { source, .. } => match &**source {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the server answered 403: the credentials lack the right.
    pub fn is_forbidden(&self) -> bool {
        self.status().is_some_and(|s| s.code == 403)
    }

    /// Whether the server answered 401: the certificate or token has expired or was replaced.
    pub fn is_unauthorized(&self) -> bool {
        self.status().is_some_and(|s| s.code == 401)
    }

    /// Whether the server answered 404: the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(|s| s.code == 404)
    }

    /// What to do about it, where something helps.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Kubeconfig { path, .. } | Self::Client { path, .. } => Some(format!(
                "make it again: `usernetes-rs init phase kubeconfig all` (or name another file than {})",
                path.display()
            )),
            Self::Request { .. } if self.is_unauthorized() => {
                Some("the certificate in the kubeconfig has expired or belongs to another cluster".to_owned())
            }
            Self::Request { .. } if self.is_forbidden() => {
                Some("use admin.conf: these credentials lack the right".to_owned())
            }
            Self::Request { source, .. } if !matches!(**source, kube::Error::Api(_)) => {
                Some("check whether the API server runs: `usernetes-rs status`".to_owned())
            }
            Self::TokenExists { id } => Some(format!("remove it first: `usernetes-rs token delete {id}`")),
            Self::NoImage { .. } => {
                Some("use a complete bundle; check it with `usernetes-rs bundle verify`".to_owned())
            }
            Self::NoSuchToken { .. } => Some("list the tokens: `usernetes-rs token list`".to_owned()),
            _ => None,
        }
    }
}
