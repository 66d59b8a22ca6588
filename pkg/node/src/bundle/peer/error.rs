//! Why a bundle could not be taken from a peer, and with hints.

use crate::bundle::download::DownloadError;
use usernetes_pki::kubeconfig::KubeconfigError;

const OTHER_WAYS: &str =
    "or bring the bundle another way: usernetes-rs bundle import PATH, usernetes-rs bundle download";

/// Why a bundle could not be taken from a peer.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It did not arrive, could not be written, or is no good bundle.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The bootstrap kubeconfig cannot be read.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// The bootstrap kubeconfig refers to the CA by a path, or not at all.
    #[error("the bootstrap kubeconfig has no CA inside")]
    NoCa,
    /// The bootstrap kubeconfig refers to its credentials by paths, or has none.
    #[error("the bootstrap kubeconfig has neither a token nor a certificate inside")]
    NoCredentials,
    /// The cluster's CA, or our certificate, cannot be used.
    #[error("cannot set up HTTPS to the API server")]
    Client(#[source] reqwest::Error),
    /// The bearer token holds something that no header may.
    #[error("the bootstrap token is none")]
    Token,
    /// Another bundle than the join token or the cluster names.
    #[error(
        "the control plane's host serves another bundle than the one to join with: sha256 of bundle.yaml is {found}, not {expected}"
    )]
    Identity {
        /// According to the token or the cluster.
        expected: String,
        /// What was served.
        found: String,
    },
    /// A file that is not what the manifest says.
    #[error("{path} from the control plane's host is damaged: sha256 is {found}, bundle.yaml says {expected}")]
    Checksum {
        /// The file.
        path: String,
        /// According to the manifest.
        expected: String,
        /// What was served.
        found: String,
    },
}

impl PeerError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Download(DownloadError::Status { status, .. }) if matches!(status.as_u16(), 401 | 403) => format!(
                "the cluster does not let this token take the bundle: on the control-plane host usernetes-rs init phase \
                 bootstrap-token, then usernetes-rs token create; {OTHER_WAYS}"
            ),
            Self::Download(DownloadError::Status { .. }) => format!(
                "see on the control-plane host why it serves none: usernetes-rs status, journalctl or daemon.log; {OTHER_WAYS}"
            ),
            Self::Download(DownloadError::Transfer { .. }) => {
                format!("run the same command again: it goes on where it stopped; {OTHER_WAYS}")
            }
            Self::Download(error) => return error.hint(),
            Self::NoCredentials => "add --tls-bootstrap-token ID.SECRET".to_owned(),
            Self::Kubeconfig(_) | Self::NoCa | Self::Client(_) | Self::Token => return None,
            Self::Identity { .. } => {
                format!("make a new token on the control-plane host: usernetes-rs token create; {OTHER_WAYS}")
            }
            Self::Checksum { .. } => format!("on the control-plane host: usernetes-rs bundle verify; {OTHER_WAYS}"),
        })
    }
}
