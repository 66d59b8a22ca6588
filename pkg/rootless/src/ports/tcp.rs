//! TCP: accepts outside, connects inside, copies in both directions; an end and a reset are forwarded as such.

use super::budget::{Permit, PortBudget};
use super::upstream::Upstream;
use rustix::net::sockopt::{set_socket_keepalive, set_socket_linger, set_tcp_nodelay};
use rustix::net::{RecvFlags, Shutdown, recv};
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Bytes of one read.
const CHUNK: usize = 64 * 1024;
/// Pause when the process has no free descriptor: the pending connection would be reported again at once.
const EXHAUSTED: Duration = Duration::from_millis(50);

thread_local! {
    /// One for all connections, so that idle ones need no buffer.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into_boxed_slice());
}

/// Accepts until it is dropped; `stop` ends the connections.
pub(super) async fn serve(listener: TcpListener, upstream: Upstream, stop: CancellationToken, budget: PortBudget) {
    let mut exhausted = false;
    loop {
        match listener.accept().await {
            Ok((client, address)) => {
                exhausted = false;
                let server = client.local_addr().unwrap_or(address);
                let Some(permit) = budget.admit(address, server) else {
                    reset_on_close(&client);
                    continue;
                };
                let replaces = permit.replaces;
                let connection = forward_connection(client, address, upstream.clone(), permit);
                let stop = stop.clone();
                tokio::spawn(async move { stop.run_until_cancelled(connection).await });
                if replaces {
                    // The replaced connection closes its descriptors before the next one is accepted.
                    tokio::task::yield_now().await;
                }
            }
            Err(error) => {
                if !exhausted {
                    tracing::warn!(%error, "cannot accept connections");
                }
                exhausted = true;
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

async fn forward_connection(client: TcpStream, address: SocketAddr, upstream: Upstream, permit: Permit) {
    let connected = tokio::select! {
        connected = upstream.connect(address) => connected,
        () = permit.wait_replaced() => return reset_on_close(&client),
    };
    let server = match connected {
        Ok(server) => server,
        Err(error) => {
            tracing::debug!(?upstream, %error, "cannot connect inside");
            return reset_on_close(&client);
        }
    };
    for stream in [&client, &server] {
        // Both are optimizations, so failures are ignored.
        let _ = set_tcp_nodelay(stream, true);
        let _ = set_socket_keepalive(stream, true);
    }
    let ended_in_order = tokio::select! {
        both = copy_both(&client, &server, &permit) => both.is_ok(),
        () = permit.wait_replaced() => {
            tracing::debug!(client = %address, "idle connection closed");
            false
        }
    };
    if !ended_in_order {
        // An orderly end would keep the inner port for a minute, and a flood would use up all of them.
        reset_on_close(&client);
        reset_on_close(&server);
    }
}

async fn copy_both(client: &TcpStream, server: &TcpStream, permit: &Permit) -> io::Result<()> {
    tokio::try_join!(copy_direction(client, server, permit), copy_direction(server, client, permit))?;
    Ok(())
}

/// Makes the peer see a reset instead of an end, so that it does not take a broken transfer for a complete one.
fn reset_on_close(stream: &TcpStream) {
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
}

/// Copies one direction until its end and forwards the end; the other direction may go on.
async fn copy_direction(from: &TcpStream, to: &TcpStream, permit: &Permit) -> io::Result<()> {
    loop {
        from.readable().await?;
        match BUFFER.with_borrow_mut(|buffer| move_chunk(from, to, buffer)) {
            Ok(Chunk::End) => return shut_down_write(to),
            Ok(Chunk::Moved) => permit.note_activity(),
            Ok(Chunk::Blocked) => to.writable().await?,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
}

enum Chunk {
    /// End of the stream.
    End,
    /// Some bytes were written.
    Moved,
    /// The receiver takes none now.
    Blocked,
}

/// Leaves in the kernel what cannot be written, so that a slow receiver takes no memory here: bytes are read without being
/// consumed, written, and then those that were written are consumed.
fn move_chunk(from: &TcpStream, to: &TcpStream, buffer: &mut [u8]) -> io::Result<Chunk> {
    let read = from.try_io(Interest::READABLE, || Ok(recv(from, &mut *buffer, RecvFlags::PEEK)?.0))?;
    if read == 0 {
        return Ok(Chunk::End);
    }
    match to.try_write(&buffer[..read]) {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(Chunk::Blocked),
        written => {
            // With this flag, TCP consumes as many bytes as the buffer has and copies none.
            recv(from, &mut buffer[..written?], RecvFlags::TRUNC)?;
            Ok(Chunk::Moved)
        }
    }
}

fn shut_down_write(stream: &TcpStream) -> io::Result<()> {
    match rustix::net::shutdown(stream, Shutdown::Write) {
        // The peer has closed both directions.
        Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
