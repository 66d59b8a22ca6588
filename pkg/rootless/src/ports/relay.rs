//! UDP in one direction: datagrams of admitted addresses go to the node, from one socket, without any memory of who
//! sent them.
//!
//! For VXLAN, which varies its source port per flow and answers by the other host's own published port: a table
//! of clients would hold a thousand sockets for nothing. VXLAN has no authentication, so whoever reaches the port could
//! put packets into the pod network: the relay takes them from the other hosts alone, and from nobody until it is told
//! who they are.
//!
//! Datagrams of one size travel together (UDP_SEGMENT): half of the work for a stream between pods.

use super::upstream::connected;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmsg};
use std::collections::BTreeSet;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Whose datagrams relays take, nobody's at first; and how many found no room inside.
#[derive(Clone, Debug, Default)]
pub(super) struct Senders(Arc<(RwLock<BTreeSet<IpAddr>>, AtomicU64)>);

impl Senders {
    pub(super) fn set(&self, addresses: BTreeSet<IpAddr>) {
        *self.0.0.write().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    fn has(&self, sender: SocketAddr) -> bool {
        self.0.0.read().unwrap_or_else(PoisonError::into_inner).contains(&sender.ip().to_canonical())
    }

    pub(super) fn lost(&self) -> u64 {
        self.0.1.load(Ordering::Relaxed)
    }

    fn lose(&self, datagrams: usize) {
        self.0.1.fetch_add(datagrams as u64, Ordering::Relaxed);
    }
}

/// Datagrams moved by one system call, and before other tasks have their turn.
const BATCH: usize = 64;
/// The largest datagram. Memory of a place is taken only as far as datagrams have reached into it.
const DATAGRAM: usize = 64 * 1024;
/// What IPv4 and UDP leave of the largest packet.
const LONGEST_TRAIN: usize = 65_507;

/// The socket inside.
pub(super) fn open(node: SocketAddr) -> io::Result<UdpSocket> {
    connected(node)
}

/// Serves the port until it is dropped.
pub(super) async fn serve(outside: UdpSocket, inside: UdpSocket, senders: Senders) {
    let mut batch = Batch::new();
    while outside.readable().await.is_ok() {
        // An error here belongs to an earlier datagram; the next one may come.
        let _ = outside.try_io(Interest::READABLE, || batch.receive(&outside, &senders));
        senders.lose(batch.send(&inside));
        tokio::task::yield_now().await;
    }
}

struct Batch {
    places: Vec<u8>,
    /// Place and length of each datagram that may pass.
    passing: Vec<(usize, usize)>,
}

impl Batch {
    fn new() -> Self {
        Self { places: vec![0; BATCH * DATAGRAM], passing: Vec::with_capacity(BATCH) }
    }

    /// Takes what is there, and sorts out strangers.
    fn receive(&mut self, outside: &UdpSocket, senders: &Senders) -> io::Result<()> {
        self.passing.clear();
        let mut places: Vec<_> = self.places.chunks_mut(DATAGRAM).map(|place| [IoSliceMut::new(place)]).collect();
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        let received = recvmmsg(outside.as_raw_fd(), &mut headers, places.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
        let known = |sender: Option<SockaddrStorage>| sender.as_ref().and_then(address).is_some_and(|a| senders.has(a));
        let passing = received.enumerate().filter(|(_, datagram)| known(datagram.address));
        self.passing.extend(passing.map(|(place, datagram)| (place, datagram.bytes)));
        Ok(())
    }

    /// A full queue inside drops what does not fit, as a wire would. Says how many.
    fn send(&self, inside: &UdpSocket) -> usize {
        let (mut left, mut lost) = (&self.passing[..], 0);
        while !left.is_empty() {
            let (train, rest) = left.split_at(train(left));
            lost += match self.send_together(inside, train) {
                Ok(_) => 0,
                Err(Errno::EAGAIN) => train.len(),
                // Where the kernel does not cut for us.
                Err(_) => train.iter().filter(|one| self.send_together(inside, slice::from_ref(one)).is_err()).count(),
            };
            left = rest;
        }
        lost
    }

    /// Goes through the kernel as one and is cut to datagrams at the other end.
    fn send_together(&self, inside: &UdpSocket, train: &[(usize, usize)]) -> nix::Result<usize> {
        let slice = |&(place, length): &(usize, usize)| IoSlice::new(&self.places[place * DATAGRAM..][..length]);
        let slices: Vec<_> = train.iter().map(slice).collect();
        let size = u16::try_from(train[0].1).unwrap_or(u16::MAX);
        let cut = [ControlMessage::UdpGsoSegments(&size)];
        let cut = if train.len() > 1 { &cut[..] } else { &[] };
        let send = || sendmsg::<()>(inside.as_raw_fd(), &slices, cut, MsgFlags::MSG_DONTWAIT, None);
        match send() {
            // About an earlier datagram, and told once: this one has not been sent.
            Err(Errno::ECONNREFUSED) => send(),
            sent => sent,
        }
    }
}

/// How many datagrams can go together: of one length, but for the last, which may be shorter.
fn train(datagrams: &[(usize, usize)]) -> usize {
    let (mut total, mut cars, first) = (0, 0, datagrams[0].1);
    for &(_, length) in datagrams {
        total += length;
        if length > first || length == 0 || total > LONGEST_TRAIN {
            break;
        }
        cars += 1;
        if length < first {
            break;
        }
    }
    cars.max(1)
}

fn address(sender: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = sender.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
    v4.or_else(|| sender.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trains() {
        let of = |lengths: &[usize]| train(&lengths.iter().copied().enumerate().collect::<Vec<_>>());
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
        let (port, inside) = (outside.local_addr()?, open(node.local_addr()?)?);
        let senders = Senders::default();
        senders.set([member.local_addr()?.ip()].into());
        // Trains of all kinds: shorter last ones, and longer ones behind.
        let datagram = |number: usize| vec![u8::try_from(number).expect("small"); [90, 90, 90, 70, 0][number % 5]];
        for number in 0..MANY {
            member.send_to(&datagram(number), port).await?;
        }
        tokio::spawn(serve(outside, inside, senders.clone()));
        let mut buffer = vec![0; DATAGRAM];
        for number in 0..MANY {
            let length = node.recv(&mut buffer).await?;
            assert_eq!(buffer[..length], datagram(number));
        }
        assert_eq!(senders.lost(), 0);
        Ok(())
    }

    #[tokio::test]
    async fn nobody_inside_for_a_while() -> io::Result<()> {
        let (outside, member) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        let node = UdpSocket::bind("127.0.0.1:0").await?;
        let (port, later) = (outside.local_addr()?, node.local_addr()?);
        let inside = open(later)?;
        drop(node);
        let senders = Senders::default();
        senders.set([member.local_addr()?.ip()].into());
        tokio::spawn(serve(outside, inside, senders));
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
