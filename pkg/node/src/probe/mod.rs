//! Health of a component: a socket that accepts or an endpoint that answers 200.
//!
//! Readiness is asked often, but only while a component starts; liveness afterwards, seldom.

mod http;
mod tls;

use crate::file_watch;
use crate::shortage::is_shortage;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

/// Pause between two questions.
const RETRY: Duration = Duration::from_millis(20);
/// An answer that takes longer is none: the server may have ended without a word.
const ANSWER: Duration = Duration::from_secs(5);

/// Whether a bad answer is the end of an attempt.
#[derive(Clone, Copy)]
enum Ask {
    Once,
    UntilGood,
}

/// How to see that a component is well.
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

impl Probe {
    /// Asks until the answer is good.
    pub async fn wait_until_ready(&self) {
        while self.attempt(Ask::UntilGood).await.is_err() {
            sleep(RETRY).await;
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// Why there was no good answer within `limit`.
    pub async fn alive(&self, limit: Duration) -> io::Result<()> {
        timeout(limit, self.attempt(Ask::Once)).await?
    }

    /// Comes back with success when the component is ready, with an error when the connection is of no more use.
    async fn attempt(&self, ask: Ask) -> io::Result<()> {
        match self {
            Self::Unix(path) => {
                file_watch::wait_for_file(path).await?;
                UnixStream::connect(path).await.map(drop)
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

#[cfg(test)]
mod tests;
