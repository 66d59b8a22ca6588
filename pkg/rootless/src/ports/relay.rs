//! UDP in one direction: every datagram goes to the node, from one socket, without any memory of who sent it.
//!
//! For VXLAN, which varies its source port per flow and answers by the other host's own published port: a table
//! of clients would hold a thousand sockets for nothing.

use super::udp::connected;
use rustix::net::SendFlags;
use std::io;
use std::net::SocketAddr;
use tokio::net::UdpSocket;

/// Datagrams moved before other tasks have their turn.
const BATCH: usize = 64;
/// The largest datagram.
const DATAGRAM: usize = 64 * 1024;

/// The socket inside.
pub(super) fn open(node: SocketAddr) -> io::Result<UdpSocket> {
    connected(node)
}

/// Serves the port until it is dropped.
pub(super) async fn serve(outside: UdpSocket, inside: UdpSocket) {
    let mut buffer = vec![0; DATAGRAM];
    while outside.readable().await.is_ok() {
        for _ in 0..BATCH {
            match outside.try_recv_from(&mut buffer) {
                // A full queue inside drops, as a wire would.
                Ok((length, _)) => drop(rustix::net::send(&inside, &buffer[..length], SendFlags::DONTWAIT)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {}
            }
        }
        tokio::task::yield_now().await;
    }
}
