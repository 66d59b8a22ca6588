//! Connections to servers inside, from the node's address or from the client's own.

use ipnet::IpNet;
use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

/// Time limit of a connection inside: a policy may drop its packets without a reply, while the client's connection is open
/// already.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Server that a port leads to.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    node: SocketAddr,
    as_client: bool,
    /// Networks that exist inside only.
    inside: Arc<[IpNet]>,
}

impl Upstream {
    /// Connects from the node's address.
    pub(super) fn as_node(node: SocketAddr, inside: Arc<[IpNet]>) -> Self {
        Self { node, as_client: false, inside }
    }

    /// Connects from the client's address, where that is possible.
    pub(super) fn as_client(node: SocketAddr, inside: Arc<[IpNet]>) -> Self {
        Self { node, as_client: true, inside }
    }

    /// Connects for a client.
    pub(super) async fn connect(&self, client: SocketAddr) -> io::Result<TcpStream> {
        timeout(CONNECT_LIMIT, self.connect_unlimited(client)).await?
    }

    async fn connect_unlimited(&self, client: SocketAddr) -> io::Result<TcpStream> {
        let Some(source) = self.client_source(client) else { return TcpStream::connect(self.node).await };
        let socket = TcpSocket::new_v4()?;
        make_transparent(&socket)?;
        socket.bind((source, 0).into())?;
        socket.connect(self.node).await
    }

    /// Opens a UDP socket for a client, connected to the server.
    ///
    /// Refuses addresses of networks inside: the source of a datagram can be forged.
    pub(super) fn open_datagrams(&self, client: SocketAddr) -> io::Result<UdpSocket> {
        if self.is_inside(client.ip().to_canonical()) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let Some(source) = self.client_source(client) else { return connect_udp(self.node) };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
        make_transparent(&socket)?;
        rustix::net::bind(&socket, &SocketAddr::from((source, 0)))?;
        rustix::net::connect(&socket, &self.node)?;
        UdpSocket::from_std(socket.into())
    }

    /// `None` for clients on the host itself: they have the node's address, which is the source of its own connections
    /// anyway, or a loopback address, which belongs to the node inside. `None` also for addresses of networks inside, as
    /// which no client may appear.
    fn client_source(&self, client: SocketAddr) -> Option<Ipv4Addr> {
        match (self.as_client, self.node, client.ip().to_canonical()) {
            (true, SocketAddr::V4(node), IpAddr::V4(client))
                if !client.is_loopback() && client != *node.ip() && !self.is_inside(client.into()) =>
            {
                Some(client)
            }
            _ => None,
        }
    }

    fn is_inside(&self, address: IpAddr) -> bool {
        self.inside.iter().any(|network| network.contains(&address))
    }
}

/// The kernel chooses the source port at connect, so that each pair of addresses has the whole range of ports.
fn make_transparent(socket: &impl AsFd) -> io::Result<()> {
    setsockopt(socket, sockopt::IpTransparent, &true)?;
    Ok(setsockopt(socket, sockopt::IpBindAddressNoPort, &true)?)
}

/// Opens a UDP socket that is connected to `node`.
pub(super) fn connect_udp(node: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if node.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    socket.connect(node)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_the_host_keep_the_source_of_the_node() -> Result<(), std::net::AddrParseError> {
        let node: SocketAddr = "198.51.100.11:80".parse()?;
        let pods: Arc<[IpNet]> = Arc::new(["10.244.0.0/16".parse().expect("a network")]);
        let of = |upstream: Upstream, client: &str| {
            Ok(upstream.client_source(client.parse()?).map(|source| source.to_string()))
        };
        for (client, source) in [
            ("127.0.0.1:7", None),
            ("127.0.0.9:7", None),
            ("198.51.100.11:7", None),
            ("198.51.100.12:7", Some("198.51.100.12")),
            ("[::ffff:198.51.100.12]:7", Some("198.51.100.12")),
            ("[2001:db8::1]:7", None),
            ("10.244.1.7:7", None),
        ] {
            assert_eq!(of(Upstream::as_client(node, Arc::clone(&pods)), client)?.as_deref(), source, "{client}");
            assert_eq!(of(Upstream::as_node(node, Arc::clone(&pods)), client)?, None, "{client}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_datagram_from_a_network_inside_is_forged() {
        let node = "127.0.0.1:7".parse().expect("an address");
        let upstream = Upstream::as_node(node, Arc::new(["10.96.0.0/12".parse().expect("a network")]));
        let refused = |client: &str| upstream.open_datagrams(client.parse().expect("an address")).is_err();
        assert!(refused("10.96.0.10:53") && refused("[::ffff:10.96.0.10]:53"));
        assert!(!refused("198.51.100.7:53"));
    }
}
