//! VXLAN in one direction: relays datagrams of peers to the node, from one socket and without sessions.
//!
//! VXLAN varies its source port per flow and replies to the published port of the other host: a table of clients would hold
//! a thousand sockets without use. It has no authentication, so any host that reaches the port could inject packets into the
//! pod network: the relay accepts datagrams of [`RelayPeers`] only, and there are none at first.
//!
//! Datagrams of one size are sent together (UDP_SEGMENT), which halves the work for a stream between pods.

use super::relay_peers::{RelayPeers, RelayState};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmsg};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::slice;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Datagrams of one system call, and before other tasks run.
const BATCH: usize = 64;
/// Largest datagram in bytes. The kernel allocates memory of a slot only as far as datagrams have filled it.
const DATAGRAM: usize = 64 * 1024;
/// Largest packet without the headers of IPv4 and UDP, in bytes.
const LONGEST_TRAIN: usize = 65_507;

/// Serves the port until it is dropped.
pub(super) async fn serve(outside: UdpSocket, inside: UdpSocket, state: RelayState) {
    let mut batch = Batch::new();
    while outside.readable().await.is_ok() {
        // An error here is about an earlier datagram; the next one may succeed.
        let _ = outside.try_io(Interest::READABLE, || batch.receive_batch(&outside, &state.peers()));
        state.count_lost(batch.send_batch(&inside));
        tokio::task::yield_now().await;
    }
}

struct Batch {
    slots: Vec<u8>,
    /// Slot and length of each accepted datagram.
    accepted: Vec<(usize, usize)>,
}

impl Batch {
    fn new() -> Self {
        Self { slots: vec![0; BATCH * DATAGRAM], accepted: Vec::with_capacity(BATCH) }
    }

    /// Receives waiting datagrams and keeps those that are allowed.
    fn receive_batch(&mut self, outside: &UdpSocket, peers: &RelayPeers) -> io::Result<()> {
        self.accepted.clear();
        let mut slots: Vec<_> = self.slots.chunks_mut(DATAGRAM).map(|slot| [IoSliceMut::new(slot)]).collect();
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        let received = recvmmsg(outside.as_raw_fd(), &mut headers, slots.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
        let received: Vec<_> = received.map(|one| (one.address.as_ref().and_then(socket_address), one.bytes)).collect();
        for (slot, (sender, length)) in received.into_iter().enumerate() {
            let datagram = &self.slots[slot * DATAGRAM..][..length];
            if sender.is_some_and(|sender| peers.allow(sender, datagram)) {
                self.accepted.push((slot, length));
            } else {
                tracing::debug!(?sender, length, "VXLAN datagram refused");
            }
        }
        Ok(())
    }

    /// Sends the accepted datagrams. A full queue inside drops the rest; returns the number of lost datagrams.
    fn send_batch(&self, inside: &UdpSocket) -> usize {
        let mut left = &self.accepted[..];
        let mut lost = 0;
        while !left.is_empty() {
            let (train, rest) = left.split_at(train_length(left));
            lost += match self.send_together(inside, train) {
                Ok(_) => 0,
                Err(Errno::EAGAIN) => train.len(),
                // The kernel does not support segmentation here.
                Err(_) => train.iter().filter(|one| self.send_together(inside, slice::from_ref(one)).is_err()).count(),
            };
            left = rest;
        }
        lost
    }

    /// Sends datagrams as one buffer that the kernel segments.
    fn send_together(&self, inside: &UdpSocket, train: &[(usize, usize)]) -> nix::Result<usize> {
        let slices: Vec<_> =
            train.iter().map(|&(slot, length)| IoSlice::new(&self.slots[slot * DATAGRAM..][..length])).collect();
        let size = u16::try_from(train[0].1).unwrap_or(u16::MAX);
        let cut = [ControlMessage::UdpGsoSegments(&size)];
        let cut = if train.len() > 1 { &cut[..] } else { &[] };
        let send = || sendmsg::<()>(inside.as_raw_fd(), &slices, cut, MsgFlags::MSG_DONTWAIT, None);
        match send() {
            // Reports an earlier datagram, once; this one has not been sent.
            Err(Errno::ECONNREFUSED) => send(),
            sent => sent,
        }
    }
}

/// Number of datagrams that can be sent together: all of one length, but for the last, which may be shorter.
fn train_length(datagrams: &[(usize, usize)]) -> usize {
    let first = datagrams[0].1;
    let mut total = 0;
    let mut count = 0;
    for &(_, length) in datagrams {
        total += length;
        if length > first || length == 0 || total > LONGEST_TRAIN {
            break;
        }
        count += 1;
        if length < first {
            break;
        }
    }
    count.max(1)
}

fn socket_address(sender: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = sender.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
    v4.or_else(|| sender.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
}

#[cfg(test)]
mod tests {
    use super::super::relay_peers::tests::one_peer;
    use super::super::upstream::connect_udp;
    use super::super::vxlan::{self, Inner};
    use super::*;

    #[test]
    fn trains() {
        let of = |lengths: &[usize]| train_length(&lengths.iter().copied().enumerate().collect::<Vec<_>>());
        assert_eq!(of(&[1450, 1450, 1450]), 3);
        assert_eq!(of(&[1450, 1450, 90, 90]), 3);
        assert_eq!(of(&[90, 1450]), 1);
        assert_eq!(of(&[0, 0]), 1);
        assert_eq!(of(&[65_507, 65_507]), 1);
        assert_eq!(of(&[8950; BATCH]), 7);
    }

    /// A datagram of the peer, of this length, whose last byte is `mark`.
    fn datagram(length: usize, mark: u8) -> Vec<u8> {
        let inner = Inner { source: [10, 244, 1, 7].into(), destination: [10, 244, 0, 9].into() };
        vxlan::tests::datagram(inner, length, mark)
    }

    /// Accepts datagrams of the peer only.
    fn admit(peer: &UdpSocket) -> io::Result<RelayState> {
        let state = RelayState::default();
        state.set_peers(one_peer(peer.local_addr()?.ip()));
        Ok(state)
    }

    #[tokio::test]
    async fn several_batches_arrive_whole() -> io::Result<()> {
        const MANY: usize = 3 * BATCH;
        let (outside, node) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        let peer = UdpSocket::bind("127.0.0.1:0").await?;
        let (port, inside) = (outside.local_addr()?, connect_udp(node.local_addr()?)?);
        let state = admit(&peer)?;
        // Trains of all kinds: shorter last ones, and longer ones behind.
        let numbered = |n: usize| datagram([90, 90, 90, 70, 60][n % 5], u8::try_from(n).expect("small"));
        for number in 0..MANY {
            peer.send_to(&numbered(number), port).await?;
        }
        tokio::spawn(serve(outside, inside, state.clone()));
        let mut buffer = vec![0; DATAGRAM];
        for number in 0..MANY {
            let length = node.recv(&mut buffer).await?;
            assert_eq!(buffer[..length], numbered(number));
        }
        assert_eq!(state.lost_datagrams(), 0);
        Ok(())
    }

    #[tokio::test]
    async fn no_server_inside_for_a_while() -> io::Result<()> {
        let (outside, peer) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        let node = UdpSocket::bind("127.0.0.1:0").await?;
        let (port, later) = (outside.local_addr()?, node.local_addr()?);
        let inside = connect_udp(later)?;
        drop(node);
        tokio::spawn(serve(outside, inside, admit(&peer)?));
        peer.send_to(&datagram(60, 1), port).await?;
        tokio::task::yield_now().await;
        let node = UdpSocket::bind(later).await?;
        let mut buffer = [0; 99];
        peer.send_to(&datagram(60, 2), port).await?;
        // The lost one may not be lost if it is late.
        loop {
            let length = node.recv(&mut buffer).await?;
            if buffer[..length] == datagram(60, 2) {
                return Ok(());
            }
        }
    }

    #[tokio::test]
    async fn what_is_not_allowed_is_dropped() -> io::Result<()> {
        let (stranger, peer) = (UdpSocket::bind("127.0.0.2:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        let (outside, node) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        let (port, inside) = (outside.local_addr()?, connect_udp(node.local_addr()?)?);
        let state = RelayState::default();
        tokio::spawn(serve(outside, inside, state.clone()));
        let mut buffer = [0; 99];
        for round in [1, 2] {
            stranger.send_to(&datagram(60, 0), port).await?;
            state.set_peers(one_peer(peer.local_addr()?.ip()));
            stranger.send_to(&datagram(60, 0), port).await?;
            peer.send_to(b"no VXLAN", port).await?;
            peer.send_to(&datagram(60, round), port).await?;
            let length = node.recv(&mut buffer).await?;
            assert_eq!(buffer[..length], datagram(60, round));
            state.set_peers(RelayPeers::default());
        }
        Ok(())
    }
}
