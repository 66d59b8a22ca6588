//! What can be wrong with a configuration.

use crate::flags::with_flag;
use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong, with the field's path as in the document (`networking.podSubnet`);
/// shown beside the flag that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field.
    pub field: String,
    /// What is wrong with its value, and what would be right.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", with_flag(&self.field), self.message)
    }
}

/// Why a configuration cannot be used. Exit code 3.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not YAML, an unknown field, or a value of the wrong type.
    #[error("{}:{line}: {kind}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line in the file, from 1.
        line: usize,
        /// Kind of the document, or `YAML`.
        kind: String,
        /// What serde says.
        message: String,
    },
    /// A document of a kind that we do not know.
    #[error("{}:{line}: unknown document {api_version} {kind}; known are: {known}", path.display())]
    UnknownKind {
        /// The file.
        path: PathBuf,
        /// Line of the document's beginning.
        line: usize,
        /// Its apiVersion.
        api_version: String,
        /// Its kind.
        kind: String,
        /// What is known.
        known: String,
    },
    /// A document of a kubeadm that is older than v1beta4.
    #[error("{}:{line}: {api_version} {kind} is too old", path.display())]
    Outdated {
        /// The file.
        path: PathBuf,
        /// Line of the document's beginning.
        line: usize,
        /// Its apiVersion.
        api_version: String,
        /// Its kind.
        kind: String,
    },
    /// A document or a field of the node's state in a user's file.
    #[error("{}:{line}: {name} is state of a node, not configuration", path.display())]
    NodeState {
        /// The file.
        path: PathBuf,
        /// Line of the document's beginning or of the field.
        line: usize,
        /// Kind of the document or name of the field.
        name: String,
    },
    /// Two documents of one kind.
    #[error("{}:{line}: a second {kind} document; one file holds each kind once", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// Line of the second one.
        line: usize,
        /// Its kind.
        kind: String,
    },
    /// Values that cannot work, all of them.
    #[error("{}", join_errors(.0))]
    Invalid(Vec<FieldError>),
}

impl ConfigError {
    /// What to do about the error.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Outdated { path, .. } => {
                let path = path.display();
                Some(format!("kubeadm config migrate --old-config {path} rewrites it as kubeadm.k8s.io/v1beta4"))
            }
            Self::NodeState { path, name, .. } => {
                Some(format!("remove {name} from {}; the tool keeps it itself", path.display()))
            }
            Self::Parse { .. } | Self::UnknownKind { .. } | Self::Duplicate { .. } | Self::Invalid(_) => None,
        }
    }
}

fn join_errors(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
