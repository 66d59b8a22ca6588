//! What is behind a failed request: kube, hyper and rustls wrap it several times.

use std::error::Error as StdError;
use std::io;

/// The first thing that a person would want to know.
#[derive(Debug)]
pub(crate) enum Cause {
    /// Nobody listens.
    Refused,
    /// No answer in time.
    TimedOut,
    /// The name is unknown, or there is no way to the address.
    Unreachable,
    /// The peer hung up.
    Reset,
    /// TLS did not come about.
    Tls(rustls::Error),
    /// The peer speaks, but not what we do.
    Other,
}

/// Looks through the whole chain; the innermost that we know decides.
pub(crate) fn of(error: &(dyn StdError + 'static)) -> Cause {
    let mut cause = Cause::Other;
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Cause::Tls(tls.clone());
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            // An io::Error with something inside gives that thing's source as its own, so the thing itself is skipped.
            if let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                return Cause::Tls(tls.clone());
            }
            cause = of_kind(io.kind(), cause);
        }
        next = error.source();
    }
    cause
}

fn of_kind(kind: io::ErrorKind, before: Cause) -> Cause {
    use io::ErrorKind as Kind;
    match kind {
        Kind::ConnectionRefused => Cause::Refused,
        Kind::TimedOut => Cause::TimedOut,
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => Cause::Unreachable,
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::UnexpectedEof => Cause::Reset,
        _ => before,
    }
}
