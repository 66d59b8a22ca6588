//! The cause of a failed request, which kube, hyper and rustls wrap several times.

use std::error::Error as StdError;
use std::io;

/// The kind of failure.
#[derive(Debug)]
pub(crate) enum Cause {
    /// The host refuses connections: nothing listens on the port.
    Refused,
    /// There is no answer in time.
    TimedOut,
    /// The name is unknown, or there is no route to the address.
    Unreachable,
    /// The server closed the connection.
    Reset,
    /// The TLS handshake failed.
    Tls(rustls::Error),
    /// The server answers, but not by HTTP.
    Other,
}

impl Cause {
    /// The innermost known cause in the chain of an error.
    pub(crate) fn find(error: &(dyn StdError + 'static)) -> Self {
        let mut cause = Self::Other;
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return Self::Tls(tls.clone());
            }
            if let Some(io) = error.downcast_ref::<io::Error>() {
                // An io::Error around another error returns that error's source as its own, and so skips the error itself.
                if let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                    return Self::Tls(tls.clone());
                }
                cause = Self::from_kind(io.kind()).unwrap_or(cause);
            }
            next = error.source();
        }
        cause
    }

    fn from_kind(kind: io::ErrorKind) -> Option<Self> {
        use io::ErrorKind as Kind;
        match kind {
            Kind::ConnectionRefused => Some(Self::Refused),
            Kind::TimedOut => Some(Self::TimedOut),
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => Some(Self::Unreachable),
            Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::UnexpectedEof => {
                Some(Self::Reset)
            }
            _ => None,
        }
    }
}
