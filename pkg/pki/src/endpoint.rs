//! `HOST:PORT` of an API server.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use usernetes_api::constants::API_SERVER_PORT;

/// Host and port of an API server; the port is 6443 where none is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IP address or DNS name, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Text that is no endpoint.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not an API endpoint such as 198.51.100.11:6443, [2001:db8::1]:6443 or api.example.org")]
pub struct EndpointSyntaxError(pub String);

impl Endpoint {
    /// An address and a port.
    pub fn new(address: IpAddr, port: u16) -> Self {
        Self { host: address.to_string(), port }
    }

    /// Reads one that may leave out its port.
    pub fn parse_or(text: &str, port: u16) -> Result<Self, EndpointSyntaxError> {
        let wrong = || EndpointSyntaxError(text.to_owned());
        let bare = text.strip_prefix("https://").unwrap_or(text);
        let (host, written) = split_port(bare).ok_or_else(wrong)?;
        let port = match written {
            None => port,
            Some(written) => written.parse().ok().filter(|&p| p != 0).ok_or_else(wrong)?,
        };
        match host.parse::<IpAddr>() {
            // One spelling an address: names in certificates are compared as text.
            Ok(address) => Ok(Self::new(address, port)),
            Err(_) if is_dns_name(host) => Ok(Self { host: host.to_owned(), port }),
            Err(_) => Err(wrong()),
        }
    }

    /// The host, if it is an address.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// `https://HOST:PORT`, as in kubeconfigs.
    pub fn url(&self) -> String {
        format!("https://{self}")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointSyntaxError;

    fn from_str(text: &str) -> Result<Self, EndpointSyntaxError> {
        Self::parse_or(text, API_SERVER_PORT)
    }
}

/// Host and port of `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`.
fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return if rest.is_empty() { Some((host, None)) } else { Some((host, Some(rest.strip_prefix(':')?))) };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Some((text, None)),
        Some((host, port)) => Some((host, Some(port))),
        None => Some((text, None)),
    }
}

/// RFC 1123 subdomain in lower case, Kubernetes' rule for names in certificates.
pub(crate) fn is_dns_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_label)
}

fn is_dns_label(label: &str) -> bool {
    let valid = label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    valid && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms() {
        let shown = |s: &str| s.parse::<Endpoint>().map(|e| e.to_string());
        assert_eq!(shown("198.51.100.11"), Ok("198.51.100.11:6443".into()));
        assert_eq!(shown("https://198.51.100.11:7443"), Ok("198.51.100.11:7443".into()));
        assert_eq!(shown("2001:DB8:0::1"), Ok("[2001:db8::1]:6443".into()));
        assert_eq!(shown("[2001:db8::1]:1"), Ok("[2001:db8::1]:1".into()));
        assert_eq!(shown("api.example.org:8443"), Ok("api.example.org:8443".into()));
        for wrong in
            ["", ":6443", "a:", "a:0", "a:65536", "[a]:1", "[::1", "[::1]6443", "a b", "-a", "A.example", "a/b"]
        {
            assert!(shown(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(address: IpAddr, port in 1..=u16::MAX) {
            let endpoint = Endpoint::new(address, port);
            prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint.clone()));
            prop_assert_eq!(endpoint.url().parse(), Ok(endpoint));
        }

        #[test]
        fn never_panics(text: String) {
            let _ = text.parse::<Endpoint>();
        }
    }
}
