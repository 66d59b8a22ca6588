//! The one string that a second host needs.

use crate::{BootstrapToken, CaCertHash, Endpoint, Secret};
use std::str::FromStr;
use usernetes_api::ClusterName;

/// What a join token carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    /// Where the API is reached, at least one.
    pub endpoints: Vec<Endpoint>,
    /// Pin of the cluster's CA.
    pub ca_cert_hash: CaCertHash,
    /// Bootstrap token.
    pub token: BootstrapToken,
    /// Name of the cluster.
    pub cluster: ClusterName,
    /// UDP port of VXLAN on every host.
    pub vxlan_port: u16,
    /// What the cluster runs.
    pub bundle: BundleIdentity,
}

/// Which bundle a cluster runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleIdentity {
    /// Version of Kubernetes, such as `v1.36.3`.
    pub kubernetes_version: String,
    /// SHA-256 of its `bundle.yaml`.
    pub sha256: [u8; 32],
}

/// Text that is no join token.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum JoinTokenError {
    /// Something else.
    #[error("not a join token: it would begin with u7s1.")]
    NotAToken,
    /// Made by a later version.
    #[error("a join token of version {0}, of which this program knows nothing")]
    UnknownVersion(String),
    /// Its end is missing.
    #[error("the join token is cut off: {found} of {wanted} characters")]
    Truncated {
        /// Characters that are there.
        found: usize,
        /// Characters that should be.
        wanted: usize,
    },
    /// A character was changed, added or lost.
    #[error("the join token is damaged: its checksum does not fit")]
    Checksum,
    /// The checksum fits, but a field cannot be.
    #[error("the join token holds a wrong {0}")]
    Content(&'static str),
}

impl JoinTokenError {
    /// What a person does about it.
    pub fn hint(&self) -> &'static str {
        ""
    }
}

impl JoinToken {
    /// The string; as secret as the bootstrap token in it.
    pub fn encode(&self) -> Secret {
        unimplemented!()
    }
}

impl FromStr for JoinToken {
    type Err = JoinTokenError;

    fn from_str(text: &str) -> Result<Self, JoinTokenError> {
        let _ = text;
        unimplemented!()
    }
}
