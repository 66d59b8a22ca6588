//! What goes wrong between us and an API server, with the object and what was done to it.

use kube::core::Status;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What was done to an object.
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

/// Why something could not be said to, or learnt from, the API server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A kubeconfig that is missing or cannot be used.
    #[error("cannot use kubeconfig {}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<kube::config::KubeconfigError>,
    },
    /// A client could not be made of it: mostly a broken certificate or key.
    #[error("cannot make a client from kubeconfig {}", path.display())]
    Client {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<kube::Error>,
    },
    /// A request that failed.
    #[error("cannot {verb} {object}")]
    Request {
        /// What was done.
        verb: Verb,
        /// `Kind namespace/name`.
        object: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// An object that has not the form that it must have.
    #[error("{object} has {what}")]
    Content {
        /// `Kind namespace/name`.
        object: String,
        /// What is wrong with it.
        what: String,
    },
    /// Something did not come about in time.
    #[error("{what} did not come about within {waited:?}; last seen: {last_seen}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        waited: Duration,
        /// The state at the end: conditions, events, reasons.
        last_seen: String,
    },
    /// A manifest or the user's part of it cannot be made sense of.
    #[error("manifest {name}: {message}")]
    Manifest {
        /// Name of the addon.
        name: &'static str,
        /// What is wrong.
        message: String,
    },
    /// A bootstrap token that is there already with another secret.
    #[error("a bootstrap token with id {id} exists already")]
    TokenExists {
        /// Its public part.
        id: String,
    },
    /// No such bootstrap token.
    #[error("no bootstrap token has id {id}")]
    NoSuchToken {
        /// Its public part.
        id: String,
    },
}

impl Error {
    pub(crate) fn request(verb: Verb, object: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let object = object.into();
        move |source| Self::Request { verb, object, source: Box::new(source) }
    }

    /// The server's answer, if it gave one.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Request { source, .. } => match &**source {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the server said that we may not.
    pub fn is_forbidden(&self) -> bool {
        self.status().is_some_and(|s| s.code == 403)
    }

    /// Whether the server does not know who we are: the certificate or token has expired or was replaced.
    pub fn is_unauthorized(&self) -> bool {
        self.status().is_some_and(|s| s.code == 401)
    }

    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(|s| s.code == 404)
    }

    /// What a person does about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Kubeconfig { path, .. } | Self::Client { path, .. } => Some(format!(
                "make it again: usernetes-rs init phase kubeconfig all (or name another one than {})",
                path.display()
            )),
            Self::Request { .. } if self.is_unauthorized() => {
                Some("the certificate in the kubeconfig has expired or is of another cluster".to_owned())
            }
            Self::Request { .. } if self.is_forbidden() => {
                Some("these credentials may not do that; admin.conf may".to_owned())
            }
            Self::Request { source, .. } if !matches!(**source, kube::Error::Api(_)) => {
                Some("is the API server running? usernetes-rs status".to_owned())
            }
            Self::TokenExists { id } => Some(format!("remove it first: usernetes-rs token delete {id}")),
            Self::NoSuchToken { .. } => Some("usernetes-rs token list shows those that there are".to_owned()),
            _ => None,
        }
    }
}
