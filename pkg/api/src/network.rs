//! Ports and what follows from the service range.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Transport protocol of a published port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            _ => Err(format!("protocol {s:?} is not tcp or udp")),
        }
    }
}

/// The loopback address of the family of `address`.
pub fn loopback_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

/// A port published on the host: traffic to `host` reaches `node` inside the namespaces.
///
/// Written `HOST_IP:PORT:NODE_IP:PORT/PROTOCOL`, RootlessKit's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortSpec {
    /// Transport.
    pub protocol: Protocol,
    /// Address and port bound on the host.
    pub host: SocketAddr,
    /// Address and port connected to inside the node.
    pub node: SocketAddr,
}

impl fmt::Display for PortSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.node, self.protocol)
    }
}

impl FromStr for PortSpec {
    type Err = String;

    /// The full form; short ones need a default address: [`PortSpec::parse`].
    fn from_str(s: &str) -> Result<Self, String> {
        Self::parse_with(s, None)
    }
}

impl PortSpec {
    /// Reads `[[IP:]PORT:][NODE_IP:]PORT[/tcp|/udp]`: what is left out is `host_ip`, the node's port and `tcp`.
    pub fn parse(s: &str, host_ip: IpAddr) -> Result<Self, String> {
        Self::parse_with(s, Some(host_ip))
    }

    fn parse_with(s: &str, default: Option<IpAddr>) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{s:?} is not a port such as 8080, 8080:80, IP:8080:80 or IP:8080:NODE_IP:80, each with /tcp or /udp behind it"
            )
        };
        let (addresses, protocol) = match s.rsplit_once('/') {
            Some((addresses, protocol)) => (addresses, protocol.parse()?),
            None => (s, Protocol::Tcp),
        };
        let fields = split_at_colons(addresses).ok_or_else(wrong)?;
        let ip = |s: &str| s.parse::<IpAddr>().map_err(|_| wrong());
        let port = |s: &str| crate::names::port_number(s).ok_or_else(wrong);
        let own = || default.ok_or_else(|| format!("{s:?} names no address"));
        let (host, node) = match fields[..] {
            [both] => ((own()?, port(both)?), (own()?, port(both)?)),
            [host, node] => ((own()?, port(host)?), (own()?, port(node)?)),
            [first, host, node] if ip(first).is_ok() => ((ip(first)?, port(host)?), (own()?, port(node)?)),
            [host, address, node] => ((own()?, port(host)?), (ip(address)?, port(node)?)),
            [first, host, second, node] => ((ip(first)?, port(host)?), (ip(second)?, port(node)?)),
            _ => return Err(wrong()),
        };
        Ok(Self { protocol, host: host.into(), node: node.into() })
    }
}

/// Cuts at colons outside of brackets, and takes the brackets off.
fn split_at_colons(s: &str) -> Option<Vec<&str>> {
    let (mut fields, mut rest) = (Vec::new(), s);
    loop {
        let (field, tail) = match rest.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']')?,
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        fields.push(field);
        match tail.strip_prefix(':') {
            Some(tail) => rest = tail,
            None if tail.is_empty() => return Some(fields),
            None => return None,
        }
    }
}

/// Addresses inside the service range that have a fixed meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceNetwork(pub IpNet);

impl ServiceNetwork {
    /// The `kubernetes` Service: the first address.
    pub fn api_server(&self) -> IpAddr {
        self.nth_address(1)
    }

    /// The `kube-dns` Service: the tenth address.
    pub fn dns(&self) -> IpAddr {
        self.nth_address(10)
    }

    fn nth_address(&self, n: u32) -> IpAddr {
        match self.0.network() {
            IpAddr::V4(a) => IpAddr::V4((u32::from(a) + n).into()),
            IpAddr::V6(a) => IpAddr::V6((u128::from(a) + u128::from(n)).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 11));

    #[test]
    fn short_forms_take_the_hosts_address() {
        let full = |s: &str| PortSpec::parse(s, HOST).map(|p| p.to_string());
        let right = [
            ("8080", "198.51.100.11:8080:198.51.100.11:8080/tcp"),
            ("8080:80", "198.51.100.11:8080:198.51.100.11:80/tcp"),
            ("53/udp", "198.51.100.11:53:198.51.100.11:53/udp"),
            ("127.0.0.1:8080:80/tcp", "127.0.0.1:8080:198.51.100.11:80/tcp"),
            ("8080:10.0.2.100:80", "198.51.100.11:8080:10.0.2.100:80/tcp"),
            ("[::1]:8080:80", "[::1]:8080:198.51.100.11:80/tcp"),
            ("[::1]:1:[fd00::2]:2/udp", "[::1]:1:[fd00::2]:2/udp"),
        ];
        for (short, long) in right {
            assert_eq!(full(short).as_deref(), Ok(long), "{short}");
        }
        for wrong in [
            "",
            "0",
            "65536",
            "80:",
            ":80",
            "80/sctp",
            "80/TCP",
            "+80",
            "a:80",
            "1:2:3",
            "::1:80:80",
            "[::1:80",
            "1.2.3.4:80",
            "1.2.3.4:1:1.2.3.4:2:3",
        ] {
            assert!(full(wrong).is_err(), "{wrong}");
        }
        assert!("8080".parse::<PortSpec>().is_err(), "no address is known");
    }

    #[test]
    fn fixed_service_addresses() {
        let network = ServiceNetwork("10.96.0.0/12".parse().expect("a range"));
        assert_eq!(network.api_server().to_string(), "10.96.0.1");
        assert_eq!(network.dns().to_string(), "10.96.0.10");
    }

    proptest! {
        #[test]
        fn written_and_read_again_is_the_same(host: IpAddr, node: IpAddr, ports in (1u16.., 1u16..), udp: bool) {
            let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
            let spec = PortSpec { protocol, host: (host, ports.0).into(), node: (node, ports.1).into() };
            prop_assert_eq!(spec.to_string().parse(), Ok(spec));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9.:\\[\\]/a-f]{0,40}") {
            let _ = PortSpec::parse(&text, HOST);
        }
    }
}
