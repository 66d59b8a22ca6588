//! Failed requests as errors of discovery: which of network, clock, certificate or server is at fault.

use super::DiscoveryError;
use super::client::DiscoveryClient;
use crate::cause::Cause;
use jiff::SignedDuration;
use rustls::CertificateError;

/// A difference of clocks within the leeway of certificates.
const SMALL_SKEW: SignedDuration = SignedDuration::from_mins(5);

impl DiscoveryClient {
    pub(super) fn explain(&self, error: kube::Error) -> DiscoveryError {
        let endpoint = self.endpoint.clone();
        match Cause::find(&error) {
            Cause::Refused => DiscoveryError::Refused { endpoint },
            Cause::TimedOut => self.timed_out(),
            Cause::Unreachable => DiscoveryError::Unreachable { endpoint, source: Box::new(error) },
            Cause::Reset => self.not_kubernetes("it closes the connection".to_owned()),
            Cause::Tls(tls) => self.explain_tls(tls),
            // Failed name resolution has no io::Error of its own; any other error of hyper's means that this is not HTTP.
            Cause::Other if is_dns_error(&error) => DiscoveryError::Unreachable { endpoint, source: Box::new(error) },
            Cause::Other => self.not_kubernetes("it does not speak HTTP".to_owned()),
        }
    }

    fn explain_tls(&self, tls: rustls::Error) -> DiscoveryError {
        let endpoint = self.endpoint.clone();
        match tls {
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            ) => DiscoveryError::ClockSkew { endpoint, clock_ahead: self.clock_ahead },
            rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
                match self.clock_ahead {
                    Some(by) if by > SMALL_SKEW => DiscoveryError::ClockSkew { endpoint, clock_ahead: Some(by) },
                    _ => DiscoveryError::CertificateExpired { endpoint },
                }
            }
            tls @ rustls::Error::InvalidCertificate(_) => DiscoveryError::Tls { endpoint, source: Box::new(tls) },
            other => self.not_kubernetes(format!("it does not speak TLS as expected ({other})")),
        }
    }
}

fn is_dns_error(error: &kube::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.to_string().contains("dns error") {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::Error::InvalidCertificate;
    use std::time::Duration;
    use usernetes_pki::Endpoint;

    /// Message of a failed handshake, with a clock so many minutes ahead of the server's.
    fn explained(error: rustls::Error, minutes_ahead: i64) -> String {
        let endpoint = Endpoint { host: "198.51.100.11".to_owned(), port: 6443 };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _guard = runtime.enter();
        let mut client = DiscoveryClient::unverified(&endpoint, Duration::ZERO).expect("a client");
        client.clock_ahead = Some(SignedDuration::from_mins(minutes_ahead));
        client.explain_tls(error).to_string()
    }

    #[test]
    fn clocks_and_certificates() {
        let early = InvalidCertificate(CertificateError::NotValidYet);
        let late = || InvalidCertificate(CertificateError::Expired);
        insta::assert_snapshot!(explained(early, -25 * 60), @"the certificate of 198.51.100.11:6443 is not valid at this host's time (this host's clock is 25h behind the server's)");
        insta::assert_snapshot!(explained(late(), 400 * 24 * 60), @"the certificate of 198.51.100.11:6443 is not valid at this host's time (this host's clock is 9600h ahead of the server's)");
        insta::assert_snapshot!(explained(late(), 1), @"the certificate of 198.51.100.11:6443 has expired");
        insta::assert_snapshot!(explained(InvalidCertificate(CertificateError::UnknownIssuer), 0), @"cannot verify 198.51.100.11:6443 by the CA in cluster-info: another server answers, or the connection is intercepted");
    }
}
