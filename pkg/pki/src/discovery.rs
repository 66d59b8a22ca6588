//! What a joining node believes of a cluster it has never seen: `cluster-info`, its signature and the CA's pin.
//!
//! Mirrors `cmd/kubeadm/app/discovery/token/token.go`. Order for the caller: fetch anonymously without verifying TLS,
//! [`verify`], fetch again over TLS verified by [`ClusterInfo::ca_pem`], [`confirm`]. No secret is sent before.

use crate::BootstrapToken;
use crate::kubeconfig::{Kubeconfig, KubeconfigError};
use crate::load::Chain;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub use crate::jws::{sign, signature_is_valid};

/// Name of the ConfigMap in `kube-public`.
pub const CLUSTER_INFO: &str = "cluster-info";
/// Its key with the kubeconfig.
pub const KUBECONFIG_KEY: &str = "kubeconfig";

/// Last line of a certificate in PEM form.
const END: &str = "-----END CERTIFICATE-----";

/// SHA-256 of a CA's SubjectPublicKeyInfo: a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaCertHash(pub [u8; 32]);

/// Why a `cluster-info` is not believed, or a pin not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TrustError {
    /// The ConfigMap has no `kubeconfig`.
    #[error("ConfigMap cluster-info has no kubeconfig")]
    NoKubeconfig,
    /// No signature by that token: deleted, expired, or not yet signed.
    #[error(
        "cluster-info is not signed with token id {id}: the token has expired, was deleted or is of another cluster"
    )]
    NotSigned {
        /// The token's id.
        id: String,
    },
    /// A signature that the token did not make.
    #[error("the signature of cluster-info was not made with token id {id}: wrong secret, or a man in the middle")]
    Signature {
        /// The token's id.
        id: String,
    },
    /// No pin matches.
    #[error(
        "the CA of {server} has the pin {found}, which was not expected: this is another cluster, or a man in the middle"
    )]
    Pin {
        /// URL of the server.
        server: String,
        /// The CA's pin.
        found: String,
    },
    /// The kubeconfig in it cannot be used.
    #[error("the kubeconfig in cluster-info {0}")]
    Kubeconfig(&'static str),
    /// Two fetches differ.
    #[error("cluster-info fetched over verified TLS differs from the one fetched before: a man in the middle")]
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
    /// PEM of the CA: the pinned certificates alone.
    pub ca_pem: String,
}

impl CaCertHash {
    /// Of the first certificate of a PEM text.
    pub fn of_pem(pem: &str) -> Result<Self, TrustError> {
        let chain = Chain::parse(pem).ok_or(TrustError::Certificate)?;
        Ok(Self(Sha256::digest(chain.spki()).into()))
    }
}

impl fmt::Display for CaCertHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for CaCertHash {
    type Err = TrustError;

    fn from_str(text: &str) -> Result<Self, TrustError> {
        let wrong = || TrustError::PinSyntax(text.to_owned());
        let hex = text
            .strip_prefix("sha256:")
            .filter(|h| h.len() == 64 && h.bytes().all(|b| b.is_ascii_hexdigit()))
            .ok_or_else(wrong)?;
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
    Kubeconfig::anonymous("", server, ca_pem).to_yaml()
}

/// Verifies the data of a fetched `cluster-info`. `pins` empty means that any CA is believed, which the user must have asked for.
pub fn verify(
    data: &BTreeMap<String, String>,
    token: &BootstrapToken,
    pins: &[CaCertHash],
) -> Result<ClusterInfo, TrustError> {
    let kubeconfig = data.get(KUBECONFIG_KEY).filter(|text| !text.is_empty()).ok_or(TrustError::NoKubeconfig)?;
    let signature =
        data.get(&signature_key(token.id())).ok_or_else(|| TrustError::NotSigned { id: token.id().to_owned() })?;
    if !signature_is_valid(signature, kubeconfig, token) {
        return Err(TrustError::Signature { id: token.id().to_owned() });
    }
    ClusterInfo::parse(kubeconfig)?.pinned(pins)
}

impl ClusterInfo {
    /// Reads a `cluster-info` that is trusted for another reason, such as a discovery file.
    pub fn parse(kubeconfig: &str) -> Result<Self, TrustError> {
        let wrong = |what| move |_: KubeconfigError| TrustError::Kubeconfig(what);
        let config = Kubeconfig::parse(kubeconfig).map_err(wrong("is not a kubeconfig"))?;
        let cluster = config.cluster().map_err(wrong("has no cluster"))?;
        let ca_pem = cluster.ca_pem().map_err(wrong("has a CA that cannot be decoded"))?;
        let ca_pem = ca_pem.ok_or(TrustError::Kubeconfig("has no CA inside"))?;
        if cluster.server.is_empty() {
            return Err(TrustError::Kubeconfig("names no server"));
        }
        Ok(Self { kubeconfig: kubeconfig.to_owned(), server: cluster.server.clone(), ca_pem })
    }

    /// Keeps the pinned certificates of the CA; there must be one. Without a pin all are believed.
    ///
    /// kubeadm is content with one that matches and then trusts its neighbours too, so that the holder of a token could
    /// smuggle in a CA beside the true one.
    pub fn pinned(mut self, pins: &[CaCertHash]) -> Result<Self, TrustError> {
        if pins.is_empty() {
            return Ok(self);
        }
        let each: Vec<_> = self.ca_pem.split_inclusive(END).filter(|text| text.contains(END)).collect();
        let hashes: Vec<_> = each.iter().map(|text| CaCertHash::of_pem(text)).collect::<Result<_, _>>()?;
        let good: String = each
            .iter()
            .zip(&hashes)
            .filter(|(_, h)| pins.contains(h))
            .map(|(text, _)| text.trim())
            .fold(String::new(), |all, text| all + text + "\n");
        if good.is_empty() {
            let found = hashes.first().map(ToString::to_string).ok_or(TrustError::Certificate)?;
            return Err(TrustError::Pin { server: self.server, found });
        }
        self.ca_pem = good;
        Ok(self)
    }
}

/// Compares with the text fetched over verified TLS.
pub fn confirm(info: &ClusterInfo, again: &str) -> Result<(), TrustError> {
    if info.kubeconfig == again { Ok(()) } else { Err(TrustError::Changed) }
}
