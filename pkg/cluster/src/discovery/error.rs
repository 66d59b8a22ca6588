//! Why a cluster was not found, or not trusted.

use super::TrustError;
use jiff::SignedDuration;
use std::time::Duration;
use usernetes_pki::{Endpoint, EndpointError};

/// Why there is no cluster to join.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// An empty list.
    #[error("no API endpoint was given")]
    NoEndpoint,
    /// The server named in `cluster-info` is no endpoint.
    #[error("cluster-info names a wrong server")]
    Endpoint(#[from] EndpointError),
    /// The name is unknown, or no route leads there.
    #[error("cannot reach {endpoint}")]
    Unreachable {
        /// Whom we asked.
        endpoint: Endpoint,
        /// Why.
        source: Box<kube::Error>,
    },
    /// The host answers that nobody listens.
    #[error("{endpoint} refuses connections: no API server runs there")]
    Refused {
        /// Whom we asked.
        endpoint: Endpoint,
    },
    /// Nothing comes back.
    #[error("{endpoint} did not answer within {waited:?}")]
    TimedOut {
        /// Whom we asked.
        endpoint: Endpoint,
        /// For how long.
        waited: Duration,
    },
    /// Something listens, but not an API server.
    #[error("{endpoint} is not a Kubernetes API server: {what}")]
    NotKubernetes {
        /// Whom we asked.
        endpoint: Endpoint,
        /// What it is or does instead.
        what: String,
    },
    /// An API server that shows strangers nothing, or has nothing to show.
    #[error("{endpoint} does not show cluster-info: {what}")]
    NoClusterInfo {
        /// Whom we asked.
        endpoint: Endpoint,
        /// The server's words.
        what: String,
    },
    /// The certificate is valid, but not now: one of the two clocks is wrong.
    #[error("the certificate of {endpoint} is not valid at this host's time ({})", ahead(*clock_ahead))]
    ClockSkew {
        /// Whom we asked.
        endpoint: Endpoint,
        /// What our clock is ahead of the server's.
        clock_ahead: Option<SignedDuration>,
    },
    /// The certificate is past its time, and the clocks agree.
    #[error("the certificate of {endpoint} has expired")]
    CertificateExpired {
        /// Whom we asked.
        endpoint: Endpoint,
    },
    /// TLS against the CA that was found did not come about.
    #[error("cannot verify {endpoint} by the CA in cluster-info: another server, or somebody in between")]
    Tls {
        /// Whom we asked.
        endpoint: Endpoint,
        /// Why.
        source: Box<rustls::Error>,
    },
    /// Not the cluster of the token.
    #[error("{endpoint} is not trusted")]
    Trust {
        /// Whom we asked.
        endpoint: Endpoint,
        /// Why.
        source: TrustError,
    },
    /// A client could not be made.
    #[error("cannot make a client for {endpoint}")]
    Client {
        /// For whom.
        endpoint: Endpoint,
        /// Why.
        source: Box<kube::Error>,
    },
}

impl DiscoverError {
    /// What a person does about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoEndpoint | Self::Endpoint(_) => "give HOST:PORT of the control plane".to_owned(),
            Self::Unreachable { endpoint, .. } => format!("check the name and the route: ip route get {}", endpoint.host),
            Self::Refused { endpoint } => {
                format!("start the cluster on {} (usernetes-rs start), or give its right port", endpoint.host)
            }
            Self::TimedOut { endpoint, .. } => {
                format!("let TCP port {} through the firewalls between this host and {}", endpoint.port, endpoint.host)
            }
            Self::NotKubernetes { .. } => "give the port of the API server, 6443 unless configured".to_owned(),
            Self::NoClusterInfo { .. } => {
                "on the control plane: usernetes-rs init phase bootstrap-token; the API server must allow anonymous requests".to_owned()
            }
            Self::ClockSkew { .. } => "set both clocks: timedatectl set-ntp true".to_owned(),
            Self::CertificateExpired { .. } => "on the control plane: usernetes-rs certs renew all".to_owned(),
            Self::Trust { source: TrustError::NotSigned { .. } | TrustError::Signature { .. }, .. } => {
                "make a new token on the control plane: usernetes-rs token create".to_owned()
            }
            Self::Trust { source: TrustError::Pin { .. }, .. } => {
                "copy the join token, or the pin of --discovery-token-ca-cert-hash, from the control plane again; if it still fails, do not trust this network".to_owned()
            }
            Self::Tls { .. } | Self::Trust { .. } => {
                "copy the join token from the control plane again; if it still fails, do not trust this network".to_owned()
            }
            Self::Client { .. } => "report this as a bug".to_owned(),
        }
    }

    /// Of several endpoints' errors the weightiest is told: mistrust before silence.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::NoEndpoint => 0,
            Self::Endpoint(_) | Self::Client { .. } => 1,
            Self::Unreachable { .. } => 2,
            Self::TimedOut { .. } => 3,
            Self::Refused { .. } => 4,
            Self::NotKubernetes { .. } | Self::NoClusterInfo { .. } => 5,
            Self::ClockSkew { .. } | Self::CertificateExpired { .. } => 6,
            Self::Tls { .. } | Self::Trust { .. } => 7,
        }
    }
}

fn ahead(clock_ahead: Option<SignedDuration>) -> String {
    match clock_ahead {
        None => "the server told no time".to_owned(),
        Some(by) if by.is_negative() => format!("this host's clock is {:#} behind the server's", by.abs()),
        Some(by) => format!("this host's clock is {by:#} ahead of the server's"),
    }
}
