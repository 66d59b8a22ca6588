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

/// Largest packet in bytes: the kernel's default send buffer must hold it.
const MAX: usize = 128 * 1024;
/// Most files that one message carries.
const MAX_FDS: usize = 2;

/// A message could not be sent, received or decoded.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The peer process has closed its end.
    #[error("the peer has closed the connection")]
    Closed,
    /// A system call failed.
    #[error("cannot {action} a message")]
    Io {
        /// `send` or `receive`.
        action: &'static str,
        /// Underlying error.
        source: io::Error,
    },
    /// The message is too long for a packet.
    #[error("a message of {0} bytes is longer than {MAX}")]
    TooLong(usize),
    /// The message is not valid.
    #[error("invalid message")]
    Malformed(#[from] serde_json::Error),
    /// A valid message at the wrong step.
    #[error("expected {expected}, got {got}")]
    Unexpected {
        /// Message that the protocol has at this step.
        expected: &'static str,
        /// Received message.
        got: String,
    },
}

/// One end of a socket pair, blocking.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

/// Both ends of a new socket pair; close-on-exec.
pub(crate) fn socket_pair() -> io::Result<(Socket, OwnedFd)> {
    let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((Socket(a), b))
}

impl Socket {
    /// Takes ownership of one end.
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Sends one message.
    pub(crate) fn send<T: Serialize>(&self, message: &T, fds: &[BorrowedFd<'_>]) -> Result<(), WireError> {
        send_packet(&self.0, &encode_message(message)?, fds).map_err(send_error)
    }

    /// Waits for one message.
    pub(crate) fn recv<T: DeserializeOwned>(&self) -> Result<(T, Vec<OwnedFd>), WireError> {
        let (bytes, fds) = receive_packet(&self.0).map_err(receive_error)?;
        decode_message(&bytes).map(|message| (message, fds))
    }

    /// A second handle of this end, for another process.
    pub(crate) fn try_clone(&self) -> io::Result<OwnedFd> {
        self.0.try_clone()
    }

    /// Registers the socket with the tokio runtime.
    pub(crate) fn into_async(self) -> io::Result<AsyncSocket> {
        let socket = StdDatagram::from(self.0);
        socket.set_nonblocking(true)?;
        Ok(AsyncSocket(UnixDatagram::from_std(socket)?))
    }
}

/// One end in a tokio runtime.
///
/// The standard library has no type for `SOCK_SEQPACKET`; the one for datagrams is used for readiness only.
#[derive(Debug)]
pub(crate) struct AsyncSocket(UnixDatagram);

impl AsyncSocket {
    /// Sends one message.
    pub(crate) async fn send<T: Serialize>(&self, message: &T, fds: &[BorrowedFd<'_>]) -> Result<(), WireError> {
        let bytes = encode_message(message)?;
        self.0.async_io(Interest::WRITABLE, || send_packet(&self.0, &bytes, fds)).await.map_err(send_error)
    }

    /// Waits for one message. No message is lost when the future is dropped.
    pub(crate) async fn recv<T: DeserializeOwned>(&self) -> Result<(T, Vec<OwnedFd>), WireError> {
        let (bytes, fds) =
            self.0.async_io(Interest::READABLE, || receive_packet(&self.0)).await.map_err(receive_error)?;
        decode_message(&bytes).map(|message| (message, fds))
    }
}

fn encode_message<T: Serialize>(message: &T) -> Result<Vec<u8>, WireError> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > MAX { Err(WireError::TooLong(bytes.len())) } else { Ok(bytes) }
}

fn decode_message<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    // Every message is a non-empty JSON text, so an empty packet is the end.
    if bytes.is_empty() { Err(WireError::Closed) } else { Ok(serde_json::from_slice(bytes)?) }
}

fn send_error(source: io::Error) -> WireError {
    match source.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => WireError::Closed,
        _ => WireError::Io { action: "send", source },
    }
}

fn receive_error(source: io::Error) -> WireError {
    match source.kind() {
        io::ErrorKind::ConnectionReset => WireError::Closed,
        _ => WireError::Io { action: "receive", source },
    }
}

fn send_packet(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::TOOBIG.into());
    }
    rustix::io::retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

fn receive_packet(socket: impl AsFd) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
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
        let (a, b) = socket_pair().expect("pair");
        let file = std::fs::File::open("/dev/null").expect("open");
        a.send(&"x".repeat(100_000), &[file.as_fd()]).expect("send");
        let (text, fds) = Socket::new(b).recv::<String>().expect("receive");
        assert_eq!((text.len(), fds.len()), (100_000, 1));
    }

    #[test]
    fn the_end_a_long_message_and_a_foreign_one_are_told_apart() {
        let (a, b) = socket_pair().expect("pair");
        assert!(matches!(a.send(&"x".repeat(MAX), &[]), Err(WireError::TooLong(_))));
        a.send(&"text", &[]).expect("send");
        let b = Socket::new(b);
        assert!(matches!(b.recv::<u32>(), Err(WireError::Malformed(_))));
        drop(a);
        assert!(matches!(b.recv::<u32>(), Err(WireError::Closed)));
        assert!(matches!(b.send(&1, &[]), Err(WireError::Closed)));
    }
}
