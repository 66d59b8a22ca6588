//! Health probes of components: a socket that accepts connections, or an endpoint that responds with status 200.
//!
//! Readiness is probed at short intervals while a component starts, liveness at long ones afterwards.

mod http;
mod tls;

use crate::file_watch;
use crate::runtime_api::RuntimeClient;
use crate::shortage::is_shortage;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

/// Pause between two attempts.
const RETRY: Duration = Duration::from_millis(20);
/// Limit of one response.
const ANSWER: Duration = Duration::from_secs(5);

/// Whether a probe fails at a bad response or retries.
#[derive(Clone, Copy)]
enum Ask {
    Once,
    UntilGood,
}

/// A health probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Succeeds when the unix socket accepts a connection.
    Unix(PathBuf),
    /// Succeeds when the container runtime behind the unix socket answers: a hung one still accepts connections.
    Runtime(PathBuf),
    /// Succeeds when `GET path` has status 200.
    Http {
        /// Address of the endpoint.
        address: SocketAddr,
        /// Path of the endpoint, such as `/readyz`.
        path: &'static str,
    },
    /// Succeeds when `GET path` over TLS has status 200.
    Https {
        /// Address of the endpoint.
        address: SocketAddr,
        /// Path of the endpoint, such as `/readyz`.
        path: &'static str,
        /// How the server is verified.
        trust: Trust,
    },
}

/// How the server of a TLS endpoint is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The server certificate is signed by this CA, and the client sends a certificate.
    Ca {
        /// Path of the CA certificate.
        ca: PathBuf,
        /// Path of the client certificate, required with `--anonymous-auth=false`.
        certificate: PathBuf,
        /// Path of the key of the client certificate.
        key: PathBuf,
    },
    /// Any certificate is accepted: the component generates its own in memory and listens on the node's loopback.
    SelfSigned,
}

impl Probe {
    /// Probes until it succeeds.
    pub async fn wait_until_ready(&self) {
        while self.attempt(Ask::UntilGood).await.is_err() {
            sleep(RETRY).await;
        }
    }

    /// Probes once.
    ///
    /// # Errors
    /// The probe failed or took longer than `limit`.
    pub async fn alive(&self, limit: Duration) -> io::Result<()> {
        timeout(limit, self.attempt(Ask::Once)).await?
    }

    /// One connection. An error if the connection cannot be used any longer.
    async fn attempt(&self, ask: Ask) -> io::Result<()> {
        match self {
            Self::Unix(path) => {
                file_watch::wait_for_file(path).await?;
                UnixStream::connect(path).await.map(drop)
            }
            Self::Runtime(path) => {
                file_watch::wait_for_file(path).await?;
                let runtime = RuntimeClient::connect(path).await.map_err(io::Error::other)?;
                runtime.version().await.map_err(io::Error::other)
            }
            Self::Http { address, path } => {
                let stream = TcpStream::connect(address).await?;
                http::wait_for_ok(stream, *address, path, ask).await
            }
            Self::Https { address, path, trust } => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let stream = timeout(ANSWER, tls::connect_tls(stream, address.ip(), trust)).await??;
                http::wait_for_ok(stream, *address, path, ask).await
            }
        }
    }
}

/// Whether a probe failed because of this process: it lacked means, or could not read its own certificate.
pub(crate) fn is_own_failure(error: &io::Error) -> bool {
    is_shortage(error) || tls::is_config_error(error)
}

/// Whether a probe failed because the certificate of the component is expired or not yet valid.
pub(crate) fn is_outside_validity(error: &io::Error) -> bool {
    tls::is_period_error(error)
}

#[cfg(test)]
mod tests;
