//! Why a cluster was not discovered.

use super::TrustError;
use jiff::SignedDuration;
use std::time::Duration;
use usernetes_pki::{Endpoint, EndpointSyntaxError};

/// Why no endpoint led to a trusted cluster.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The list of endpoints is empty.
    #[error("no API endpoint was given")]
    NoEndpoint,
    /// The server named in `cluster-info` is not a valid endpoint.
    #[error("cluster-info names an invalid server")]
    Endpoint(#[from] EndpointSyntaxError),
    /// The name is unknown, or there is no route to the address.
    #[error("cannot reach {endpoint}")]
    Unreachable {
        /// The endpoint.
        endpoint: Endpoint,
        /// Underlying error.
        source: Box<kube::Error>,
    },
    /// The host refuses connections.
    #[error("{endpoint} refuses connections: no API server runs there")]
    Refused {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// There is no answer.
    #[error("{endpoint} did not answer within {waited:?}")]
    TimedOut {
        /// The endpoint.
        endpoint: Endpoint,
        /// The limit.
        waited: Duration,
    },
    /// The server is not an API server.
    #[error("{endpoint} is not a Kubernetes API server: {what}")]
    NotKubernetes {
        /// The endpoint.
        endpoint: Endpoint,
        /// What it does instead.
        what: String,
    },
    /// An API server that refuses anonymous requests for `cluster-info`, or has none.
    #[error("{endpoint} does not provide cluster-info: {what}")]
    NoClusterInfo {
        /// The endpoint.
        endpoint: Endpoint,
        /// Status and message of the answer.
        what: String,
    },
    /// The certificate is not valid at this time, because one of the two clocks is wrong.
    #[error("the certificate of {endpoint} is not valid at this host's time ({})", describe_clock(*clock_ahead))]
    ClockSkew {
        /// The endpoint.
        endpoint: Endpoint,
        /// How far this host's clock is ahead of the server's.
        clock_ahead: Option<SignedDuration>,
    },
    /// The certificate has expired, and the clocks agree.
    #[error("the certificate of {endpoint} has expired")]
    CertificateExpired {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// The certificate of the server is not of the CA in `cluster-info`.
    #[error(
        "cannot verify {endpoint} by the CA in cluster-info: another server answers, or the connection is intercepted"
    )]
    Tls {
        /// The endpoint.
        endpoint: Endpoint,
        /// Underlying error.
        source: Box<rustls::Error>,
    },
    /// `cluster-info` is not of the cluster of the token.
    #[error("{endpoint} is not trusted")]
    Trust {
        /// The endpoint.
        endpoint: Endpoint,
        /// Underlying error.
        source: TrustError,
    },
    /// No client can be created for the endpoint.
    #[error("cannot create a client for {endpoint}")]
    Client {
        /// The endpoint.
        endpoint: Endpoint,
        /// Underlying error.
        source: Box<kube::Error>,
    },
}

impl DiscoveryError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoEndpoint | Self::Endpoint(_) => "pass HOST:PORT of the control plane".to_owned(),
            Self::Unreachable { endpoint, .. } => format!("check the name and the route: `ip route get {}`", endpoint.host),
            Self::Refused { endpoint } => {
                format!("start the control plane on {} (`usernetes-rs start`), or pass its port", endpoint.host)
            }
            Self::TimedOut { endpoint, .. } => {
                format!("allow TCP port {} in the firewalls between this host and {}", endpoint.port, endpoint.host)
            }
            Self::NotKubernetes { .. } => "pass the port of the API server, 6443 by default".to_owned(),
            Self::NoClusterInfo { .. } => {
                "run `usernetes-rs init phase bootstrap-token` on the control plane; the API server must allow anonymous requests".to_owned()
            }
            Self::ClockSkew { .. } => "synchronize both clocks: `timedatectl set-ntp true`".to_owned(),
            Self::CertificateExpired { .. } => "run `usernetes-rs certs renew all` on the control plane".to_owned(),
            Self::Trust { source: TrustError::NotSigned { .. } | TrustError::Signature { .. }, .. } => {
                "create a token on the control plane: `usernetes-rs token create`".to_owned()
            }
            Self::Trust { source: TrustError::Pin { .. }, .. } => {
                "copy the join token, or the pin of --discovery-token-ca-cert-hash, from the control plane again; if it still fails, do not trust this network".to_owned()
            }
            Self::Tls { .. } | Self::Trust { .. } => {
                "copy the join token from the control plane again; if it still fails, do not trust this network".to_owned()
            }
            Self::Client { .. } => "report this as a bug".to_owned(),
        })
    }

    pub(super) fn untrusted(endpoint: &Endpoint, source: TrustError) -> Self {
        Self::Trust { endpoint: endpoint.clone(), source }
    }

    /// Of the errors of several endpoints the one of greatest weight is returned: distrust before silence.
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

fn describe_clock(clock_ahead: Option<SignedDuration>) -> String {
    match clock_ahead {
        None => "the server sent no date".to_owned(),
        Some(by) if by.is_negative() => format!("this host's clock is {:#} behind the server's", by.abs()),
        Some(by) => format!("this host's clock is {by:#} ahead of the server's"),
    }
}
