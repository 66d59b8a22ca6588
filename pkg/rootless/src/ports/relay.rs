//! UDP in one direction: relays datagrams of admitted addresses to the node, from one socket and without sessions.
//!
//! For VXLAN, which varies its source port per flow and replies to the published port of the other host: a table of
//! clients would hold a thousand sockets without use. VXLAN has no authentication, so any host that reaches the port
//! could inject packets into the pod network: the relay accepts datagrams of admitted addresses only, and there are none
//! at first.
//!
//! Datagrams of one size are sent together (UDP_SEGMENT), which halves the work for a stream between pods.

use crate::sync::IgnorePoison as _;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmsg};
use std::collections::BTreeSet;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Addresses whose datagrams relays accept, none at first; and the number of datagrams lost inside.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowedSources(Arc<(RwLock<BTreeSet<IpAddr>>, AtomicU64)>);

impl AllowedSources {
    pub(super) fn set(&self, addresses: BTreeSet<IpAddr>) {
        *self.0.0.write().ignore_poison() = addresses;
    }

    fn is_allowed(&self, sender: SocketAddr) -> bool {
        self.0.0.read().ignore_poison().contains(&sender.ip().to_canonical())
    }

    pub(super) fn lost_datagrams(&self) -> u64 {
        self.0.1.load(Ordering::Relaxed)
    }

    fn count_lost(&self, datagrams: usize) {
        self.0.1.fetch_add(datagrams as u64, Ordering::Relaxed);
    }
}

/// Datagrams of one system call, and before other tasks run.
const BATCH: usize = 64;
/// Largest datagram in bytes. The kernel allocates memory of a slot only as far as datagrams have filled it.
const DATAGRAM: usize = 64 * 1024;
/// Largest packet without the headers of IPv4 and UDP, in bytes.
const LONGEST_TRAIN: usize = 65_507;

/// Serves the port until it is dropped.
pub(super) async fn serve(outside: UdpSocket, inside: UdpSocket, sources: AllowedSources) {
    let mut batch = Batch::new();
    while outside.readable().await.is_ok() {
        // An error here is about an earlier datagram; the next one may succeed.
        let _ = outside.try_io(Interest::READABLE, || batch.receive_batch(&outside, &sources));
        sources.count_lost(batch.send_batch(&inside));
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

    /// Receives waiting datagrams and keeps those of allowed sources.
    fn receive_batch(&mut self, outside: &UdpSocket, sources: &AllowedSources) -> io::Result<()> {
        self.accepted.clear();
        let mut slots: Vec<_> = self.slots.chunks_mut(DATAGRAM).map(|slot| [IoSliceMut::new(slot)]).collect();
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        let received = recvmmsg(outside.as_raw_fd(), &mut headers, slots.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
        for (slot, datagram) in received.enumerate() {
            let sender = datagram.address.as_ref().and_then(socket_address);
            if sender.is_some_and(|sender| sources.is_allowed(sender)) {
                self.accepted.push((slot, datagram.bytes));
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
    use super::super::upstream::connect_udp;
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

    #[tokio::test]
    async fn several_batches_arrive_whole() -> io::Result<()> {
        const MANY: usize = 3 * BATCH;
        let (outside, node) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        let member = UdpSocket::bind("127.0.0.1:0").await?;
        let (port, inside) = (outside.local_addr()?, connect_udp(node.local_addr()?)?);
        let sources = AllowedSources::default();
        sources.set([member.local_addr()?.ip()].into());
        // Trains of all kinds: shorter last ones, and longer ones behind.
        let datagram = |number: usize| vec![u8::try_from(number).expect("small"); [90, 90, 90, 70, 0][number % 5]];
        for number in 0..MANY {
            member.send_to(&datagram(number), port).await?;
        }
        tokio::spawn(serve(outside, inside, sources.clone()));
        let mut buffer = vec![0; DATAGRAM];
        for number in 0..MANY {
            let length = node.recv(&mut buffer).await?;
            assert_eq!(buffer[..length], datagram(number));
        }
        assert_eq!(sources.lost_datagrams(), 0);
        Ok(())
    }

    #[tokio::test]
    async fn no_server_inside_for_a_while() -> io::Result<()> {
        let (outside, member) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        let node = UdpSocket::bind("127.0.0.1:0").await?;
        let (port, later) = (outside.local_addr()?, node.local_addr()?);
        let inside = connect_udp(later)?;
        drop(node);
        let sources = AllowedSources::default();
        sources.set([member.local_addr()?.ip()].into());
        tokio::spawn(serve(outside, inside, sources));
        member.send_to(b"lost", port).await?;
        tokio::task::yield_now().await;
        let node = UdpSocket::bind(later).await?;
        let mut buffer = [0; 9];
        member.send_to(b"found", port).await?;
        // The lost one may not be lost if it is late.
        loop {
            let length = node.recv(&mut buffer).await?;
            if &buffer[..length] == b"found" {
                return Ok(());
            }
        }
    }

    #[tokio::test]
    async fn unknown_sources_are_dropped() -> io::Result<()> {
        let (stranger, member) = (UdpSocket::bind("127.0.0.2:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        let (outside, node) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        let (port, inside) = (outside.local_addr()?, connect_udp(node.local_addr()?)?);
        let sources = AllowedSources::default();
        tokio::spawn(serve(outside, inside, sources.clone()));
        let mut buffer = [0; 9];
        for round in [b"1", b"2"] {
            stranger.send_to(b"no", port).await?;
            sources.set([member.local_addr()?.ip()].into());
            stranger.send_to(b"no", port).await?;
            member.send_to(round, port).await?;
            let length = node.recv(&mut buffer).await?;
            assert_eq!(&buffer[..length], round);
            sources.set(BTreeSet::new());
        }
        Ok(())
    }
}
