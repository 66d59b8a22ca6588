//! What a joining node believes of a cluster it has never seen: `cluster-info`, its signature and the CA's pin.
//!
//! Mirrors `cmd/kubeadm/app/discovery/token/token.go`. Order for the caller: fetch anonymously without verifying TLS,
//! [`verify`], fetch again over TLS verified by [`ClusterInfo::ca_pem`], [`confirm`]. No secret is sent before.

use crate::BootstrapToken;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub use crate::jws::{sign, signature_is_valid};

/// Name of the ConfigMap in `kube-public`.
pub const CLUSTER_INFO: &str = "cluster-info";
/// Its key with the kubeconfig.
pub const KUBECONFIG_KEY: &str = "kubeconfig";

/// SHA-256 of a CA's SubjectPublicKeyInfo: a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaCertHash(pub [u8; 32]);

/// Why a `cluster-info` is not believed, or a pin not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DiscoveryError {
    /// The ConfigMap has no `kubeconfig`.
    #[error("ConfigMap cluster-info has no kubeconfig")]
    NoKubeconfig,
    /// No signature by that token: deleted, expired, or not yet signed.
    #[error("cluster-info is not signed with token id {id}: the token has expired, was deleted or is of another cluster")]
    NotSigned {
        /// The token's id.
        id: String,
    },
    /// A signature that the token did not make.
    #[error("the signature of cluster-info was not made with token id {id}: wrong secret, or somebody in between")]
    Signature {
        /// The token's id.
        id: String,
    },
    /// No pin matches.
    #[error("the CA of {server} has the pin {found}, which was not expected: this is another cluster, or somebody in between")]
    Pin {
        /// Whom we asked.
        server: String,
        /// The CA's pin.
        found: String,
    },
    /// The kubeconfig in it cannot be used.
    #[error("the kubeconfig in cluster-info {0}")]
    Kubeconfig(&'static str),
    /// Two fetches differ.
    #[error("cluster-info fetched over verified TLS differs from the one fetched before: somebody in between")]
    Changed,
    /// Not a pin.
    #[error("{0:?} is not a pin such as sha256:<64 hexadecimal digits>")]
    PinSyntax(String),
    /// Not a certificate.
    #[error("not a PEM certificate")]
    Certificate,
}

/// A `cluster-info` that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterInfo {
    /// The exact text, for [`confirm`].
    pub kubeconfig: String,
    /// URL of the API.
    pub server: String,
    /// PEM of the CA.
    pub ca_pem: String,
}

impl CaCertHash {
    /// Of the first certificate of a PEM text.
    pub fn of_pem(pem: &str) -> Result<Self, DiscoveryError> {
        let _ = pem;
        unimplemented!()
    }
}

impl fmt::Display for CaCertHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for CaCertHash {
    type Err = DiscoveryError;

    fn from_str(text: &str) -> Result<Self, DiscoveryError> {
        let wrong = || DiscoveryError::PinSyntax(text.to_owned());
        let hex = text.strip_prefix("sha256:").filter(|h| h.len() == 64 && h.is_ascii()).ok_or_else(wrong)?;
        let mut hash = [0; 32];
        for (i, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(hash))
    }
}

/// Key of a token's signature in the ConfigMap.
pub fn signature_key(token_id: &str) -> String {
    format!("jws-kubeconfig-{token_id}")
}

/// The kubeconfig of `cluster-info`: one cluster without a name, no user. The same input gives the same bytes.
pub fn render(server: &str, ca_pem: &str) -> String {
    let _ = (server, ca_pem);
    unimplemented!()
}

/// Verifies the data of a fetched `cluster-info`. `pins` empty means that any CA is believed, which the user must have asked for.
pub fn verify(
    data: &BTreeMap<String, String>,
    token: &BootstrapToken,
    pins: &[CaCertHash],
) -> Result<ClusterInfo, DiscoveryError> {
    let _ = (data, token, pins);
    unimplemented!()
}

/// Compares with the text fetched over verified TLS.
pub fn confirm(info: &ClusterInfo, again: &str) -> Result<(), DiscoveryError> {
    if info.kubeconfig == again { Ok(()) } else { Err(DiscoveryError::Changed) }
}
