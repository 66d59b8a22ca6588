//! TCP: accepts outside, connects inside, copies in both directions; an end and a reset are forwarded as such.

use super::upstream::Upstream;
use rustix::net::Shutdown;
use rustix::net::sockopt::{set_socket_keepalive, set_socket_linger, set_tcp_nodelay};
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
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
pub(super) async fn serve(listener: TcpListener, upstream: Upstream, stop: CancellationToken) {
    loop {
        match listener.accept().await {
            Ok((client, address)) => {
                let stop = stop.clone();
                tokio::spawn(
                    async move { stop.run_until_cancelled(forward_connection(client, address, upstream)).await },
                );
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

async fn forward_connection(client: TcpStream, address: SocketAddr, upstream: Upstream) {
    let server = match upstream.connect(address).await {
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
    let both = tokio::try_join!(copy_direction(&client, &server), copy_direction(&server, &client));
    if both.is_err() {
        reset_on_close(&client);
        reset_on_close(&server);
    }
}

/// Makes the peer see a reset instead of an end, so that it does not take a broken transfer for a complete one.
fn reset_on_close(stream: &TcpStream) {
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
}

/// Copies one direction until its end and forwards the end; the other direction may go on.
async fn copy_direction(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    loop {
        from.readable().await?;
        let rest = match BUFFER.with_borrow_mut(|buffer| move_chunk(from, to, buffer)) {
            Ok(Chunk::End) => return shut_down_write(to),
            Ok(Chunk::Some { rest }) => rest,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
            Err(e) => return Err(e),
        };
        write_all(to, &rest).await?;
    }
}

enum Chunk {
    /// End of the stream.
    End,
    /// Data that was read and could not be written at once.
    Some { rest: Vec<u8> },
}

fn move_chunk(from: &TcpStream, to: &TcpStream, buffer: &mut [u8]) -> io::Result<Chunk> {
    let read = from.try_read(buffer)?;
    if read == 0 {
        return Ok(Chunk::End);
    }
    let written = match to.try_write(&buffer[..read]) {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
        written => written?,
    };
    Ok(Chunk::Some { rest: buffer[written..read].to_vec() })
}

async fn write_all(to: &TcpStream, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        to.writable().await?;
        match to.try_write(rest) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            written => rest = &rest[written?..],
        }
    }
    Ok(())
}

fn shut_down_write(stream: &TcpStream) -> io::Result<()> {
    match rustix::net::shutdown(stream, Shutdown::Write) {
        // The peer has closed both directions.
        Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
