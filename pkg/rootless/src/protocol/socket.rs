//! Typed messages over a `SOCK_SEQPACKET` pair: one JSON value a packet, open files beside it.

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram as StdDatagram;
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// A packet larger than this is refused: the kernel's default send buffer must hold it.
const MAX: usize = 128 * 1024;
/// Files beside one message.
const MAX_FDS: usize = 2;

/// A message that could not be sent, received or understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The other process has ended.
    #[error("the other side has closed the connection")]
    Closed,
    /// The kernel refused.
    #[error("cannot {action} a message")]
    Io {
        /// `send` or `receive`.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Longer than a packet may be.
    #[error("a message of {0} bytes is longer than {MAX}")]
    TooLong(usize),
    /// Not one of our messages.
    #[error("a message is not understood")]
    Malformed(#[from] serde_json::Error),
    /// One of our messages, at the wrong time.
    #[error("expected {expected}, got {got}")]
    Unexpected {
        /// What the protocol has at this step.
        expected: &'static str,
        /// What came.
        got: String,
    },
}

/// One end, blocking.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

/// Both ends; close-on-exec.
pub(crate) fn pair() -> io::Result<(Socket, OwnedFd)> {
    let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((Socket(a), b))
}

impl Socket {
    /// Takes over one end.
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Sends one message.
    pub(crate) fn send<T: Serialize>(&self, message: &T, fds: &[BorrowedFd<'_>]) -> Result<(), WireError> {
        send(&self.0, &encode(message)?, fds).map_err(sending)
    }

    /// Waits for one message.
    pub(crate) fn recv<T: DeserializeOwned>(&self) -> Result<(T, Vec<OwnedFd>), WireError> {
        let (bytes, fds) = recv(&self.0).map_err(receiving)?;
        decode(&bytes).map(|message| (message, fds))
    }

    /// A second handle of this end, for a process to be started.
    pub(crate) fn try_clone(&self) -> io::Result<OwnedFd> {
        self.0.try_clone()
    }

    /// Goes on in a tokio runtime.
    pub(crate) fn into_async(self) -> io::Result<AsyncSocket> {
        let socket = StdDatagram::from(self.0);
        socket.set_nonblocking(true)?;
        Ok(AsyncSocket(UnixDatagram::from_std(socket)?))
    }
}

/// One end in a tokio runtime.
///
/// The standard library has no type for our kind of socket; the one for datagrams is used for readiness only.
#[derive(Debug)]
pub(crate) struct AsyncSocket(UnixDatagram);

impl AsyncSocket {
    /// Sends one message.
    pub(crate) async fn send<T: Serialize>(&self, message: &T, fds: &[BorrowedFd<'_>]) -> Result<(), WireError> {
        let bytes = encode(message)?;
        self.0.async_io(Interest::WRITABLE, || send(&self.0, &bytes, fds)).await.map_err(sending)
    }

    /// Waits for one message. Nothing is lost when the future is dropped.
    pub(crate) async fn recv<T: DeserializeOwned>(&self) -> Result<(T, Vec<OwnedFd>), WireError> {
        let (bytes, fds) = self.0.async_io(Interest::READABLE, || recv(&self.0)).await.map_err(receiving)?;
        decode(&bytes).map(|message| (message, fds))
    }
}

fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, WireError> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > MAX { Err(WireError::TooLong(bytes.len())) } else { Ok(bytes) }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    // Every message is a non-empty JSON text, so an empty packet is the end.
    if bytes.is_empty() { Err(WireError::Closed) } else { Ok(serde_json::from_slice(bytes)?) }
}

fn sending(source: io::Error) -> WireError {
    match source.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => WireError::Closed,
        _ => WireError::Io { action: "send", source },
    }
}

fn receiving(source: io::Error) -> WireError {
    match source.kind() {
        io::ErrorKind::ConnectionReset => WireError::Closed,
        _ => WireError::Io { action: "receive", source },
    }
}

fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::TOOBIG.into());
    }
    rustix::io::retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

fn recv(socket: impl AsFd) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(Errno::MSGSIZE.into());
    }
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    bytes.truncate(received.bytes);
    Ok((bytes, fds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_whole_with_its_file() {
        let (a, b) = pair().expect("pair");
        let file = std::fs::File::open("/dev/null").expect("open");
        a.send(&"x".repeat(100_000), &[file.as_fd()]).expect("send");
        let (text, fds) = Socket::new(b).recv::<String>().expect("receive");
        assert_eq!((text.len(), fds.len()), (100_000, 1));
    }

    #[test]
    fn the_end_a_long_message_and_a_foreign_one_are_told_apart() {
        let (a, b) = pair().expect("pair");
        assert!(matches!(a.send(&"x".repeat(MAX), &[]), Err(WireError::TooLong(_))));
        a.send(&"text", &[]).expect("send");
        let b = Socket::new(b);
        assert!(matches!(b.recv::<u32>(), Err(WireError::Malformed(_))));
        drop(a);
        assert!(matches!(b.recv::<u32>(), Err(WireError::Closed)));
        assert!(matches!(b.send(&1, &[]), Err(WireError::Closed)));
    }
}
