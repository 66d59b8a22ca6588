//! UDP in one direction: datagrams of admitted addresses go to the node, from one socket, without any memory of who
//! sent them.
//!
//! For VXLAN, which varies its source port per flow and answers by the other host's own published port: a table
//! of clients would hold a thousand sockets for nothing. VXLAN has no authentication, so whoever reaches the port could
//! put packets into the pod network: the relay takes them from the other hosts alone, and from nobody until it is told
//! who they are.

use super::udp::connected;
use rustix::net::SendFlags;
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::net::UdpSocket;

/// Whose datagrams relays take; nobody's at first.
#[derive(Clone, Debug, Default)]
pub(super) struct Senders(Arc<RwLock<BTreeSet<IpAddr>>>);

impl Senders {
    pub(super) fn set(&self, addresses: BTreeSet<IpAddr>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    fn has(&self, sender: SocketAddr) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&sender.ip().to_canonical())
    }
}

/// Datagrams moved before other tasks have their turn.
const BATCH: usize = 64;
/// The largest datagram.
const DATAGRAM: usize = 64 * 1024;

/// The socket inside.
pub(super) fn open(node: SocketAddr) -> io::Result<UdpSocket> {
    connected(node)
}

/// Serves the port until it is dropped.
pub(super) async fn serve(outside: UdpSocket, inside: UdpSocket, senders: Senders) {
    let mut buffer = vec![0; DATAGRAM];
    while outside.readable().await.is_ok() {
        for _ in 0..BATCH {
            match outside.try_recv_from(&mut buffer) {
                // A full queue inside drops, as a wire would.
                Ok((length, sender)) if senders.has(sender) => {
                    let _ = rustix::net::send(&inside, &buffer[..length], SendFlags::DONTWAIT);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => {}
            }
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn strangers_are_not_heard() -> io::Result<()> {
        let (stranger, member) = (UdpSocket::bind("127.0.0.2:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        let (outside, node) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        let (port, inside) = (outside.local_addr()?, open(node.local_addr()?)?);
        let senders = Senders::default();
        tokio::spawn(serve(outside, inside, senders.clone()));
        let mut buffer = [0; 9];
        for round in [b"1", b"2"] {
            stranger.send_to(b"no", port).await?;
            senders.set([member.local_addr()?.ip()].into());
            stranger.send_to(b"no", port).await?;
            member.send_to(round, port).await?;
            let length = node.recv(&mut buffer).await?;
            assert_eq!(&buffer[..length], round);
            senders.set(BTreeSet::new());
        }
        Ok(())
    }
}
