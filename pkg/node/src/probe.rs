//! Readiness of a component: a socket that accepts or a health endpoint that answers 200.

use std::net::SocketAddr;
use std::path::PathBuf;

/// How to see that a component is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// The unix socket accepts.
    Unix(PathBuf),
    /// `GET path` answers 200.
    Http {
        /// Where.
        address: SocketAddr,
        /// `/readyz`.
        path: &'static str,
    },
    /// `GET path` over TLS answers 200.
    Https {
        /// Where.
        address: SocketAddr,
        /// `/readyz`.
        path: &'static str,
        /// Whom to believe.
        trust: Trust,
    },
}

/// Whom to believe at a TLS endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A server certificate of this CA; the client shows its own.
    Ca {
        /// CA certificate.
        ca: PathBuf,
        /// Client certificate, so that the probe works with `--anonymous-auth=false`.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// Anyone: a certificate which the component made in memory, on loopback of the node's own network.
    SelfSigned,
}
