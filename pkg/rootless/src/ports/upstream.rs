//! Connections inside: from the node itself, or from the very address of the client.

use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long nobody may answer a client's own connection: a policy that drops packets says nothing, but this client's
/// connection is open already.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a port leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upstream {
    node: SocketAddr,
    as_client: bool,
}

impl Upstream {
    /// As the node itself.
    pub(super) fn plain(node: SocketAddr) -> Self {
        Self { node, as_client: false }
    }

    /// As the client, where its address can be had inside.
    pub(super) fn as_client(node: SocketAddr) -> Self {
        Self { node, as_client: true }
    }

    /// Connects for a client.
    pub(super) async fn connect(self, client: SocketAddr) -> io::Result<TcpStream> {
        let Some(source) = self.source(client) else { return TcpStream::connect(self.node).await };
        let socket = TcpSocket::new_v4()?;
        transparent(&socket)?;
        socket.bind((source, 0).into())?;
        timeout(PATIENCE, socket.connect(self.node)).await?
    }

    /// A socket that talks with the node only, for a client.
    pub(super) fn datagrams(self, client: SocketAddr) -> io::Result<UdpSocket> {
        let Some(source) = self.source(client) else { return connected(self.node) };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
        transparent(&socket)?;
        rustix::net::bind(&socket, &SocketAddr::from((source, 0)))?;
        rustix::net::connect(&socket, &self.node)?;
        UdpSocket::from_std(socket.into())
    }

    /// Clients on the host itself have the node's address, which is the source of its own connections anyway, or
    /// loopback's, which is somebody else inside.
    fn source(self, client: SocketAddr) -> Option<Ipv4Addr> {
        match (self.as_client, self.node, client.ip().to_canonical()) {
            (true, SocketAddr::V4(node), IpAddr::V4(client)) if !client.is_loopback() && client != *node.ip() => {
                Some(client)
            }
            _ => None,
        }
    }
}

/// The source port is found when the socket is connected: then as many can be had as there are pairs.
fn transparent(socket: &impl AsFd) -> io::Result<()> {
    setsockopt(socket, sockopt::IpTransparent, &true)?;
    Ok(setsockopt(socket, sockopt::IpBindAddressNoPort, &true)?)
}

/// A socket that talks with `node` only.
pub(super) fn connected(node: SocketAddr) -> io::Result<UdpSocket> {
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
        let of = |inside: Upstream, client: &str| Ok(inside.source(client.parse()?).map(|source| source.to_string()));
        for (client, source) in [
            ("127.0.0.1:7", None),
            ("127.0.0.9:7", None),
            ("198.51.100.11:7", None),
            ("198.51.100.12:7", Some("198.51.100.12")),
            ("[::ffff:198.51.100.12]:7", Some("198.51.100.12")),
            ("[2001:db8::1]:7", None),
        ] {
            assert_eq!(of(Upstream::as_client(node), client)?.as_deref(), source, "{client}");
            assert_eq!(of(Upstream::plain(node), client)?, None, "{client}");
        }
        Ok(())
    }
}
