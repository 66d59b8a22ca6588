//! TCP: accept outside, connect inside, copy both ways; ends and resets are passed on as such.

use super::upstream::Upstream;
use rustix::net::Shutdown;
use rustix::net::sockopt::{set_socket_keepalive, set_socket_linger, set_tcp_nodelay};
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Bytes moved by one read.
const CHUNK: usize = 64 * 1024;
/// Pause when the process has no more descriptors: the pending connection would be offered again at once.
const EXHAUSTED: Duration = Duration::from_millis(50);

thread_local! {
    /// One for all connections: idle ones need no memory of ours.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into_boxed_slice());
}

/// Accepts until it is dropped; `stop` ends the connections.
pub(super) async fn serve(listener: TcpListener, inside: Upstream, stop: CancellationToken) {
    loop {
        match listener.accept().await {
            Ok((client, address)) => {
                let stop = stop.clone();
                tokio::spawn(async move { stop.run_until_cancelled(carry(client, address, inside)).await });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

async fn carry(client: TcpStream, address: SocketAddr, inside: Upstream) {
    let server = match inside.connect(address).await {
        Ok(server) => server,
        Err(error) => {
            tracing::debug!(?inside, %error, "nobody answers inside");
            return reset(&client);
        }
    };
    for stream in [&client, &server] {
        // Without effect on what is carried; so neither can stop it.
        let _ = (set_tcp_nodelay(stream, true), set_socket_keepalive(stream, true));
    }
    let both = tokio::try_join!(pump(&client, &server), pump(&server, &client));
    if both.is_err() {
        reset(&client);
        reset(&server);
    }
}

/// The peer sees a reset instead of an end: it must not take a broken exchange for a whole one.
fn reset(stream: &TcpStream) {
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
}

/// Copies until the end of one direction and passes that end on; the other direction may go on.
async fn pump(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    loop {
        from.readable().await?;
        let rest = match BUFFER.with_borrow_mut(|buffer| move_chunk(from, to, buffer)) {
            Ok(Moved::End) => return end(to),
            Ok(Moved::Some { rest }) => rest,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
            Err(e) => return Err(e),
        };
        write_all(to, &rest).await?;
    }
}

enum Moved {
    /// There will be nothing more.
    End,
    /// What was read, and could not be written at once.
    Some { rest: Vec<u8> },
}

fn move_chunk(from: &TcpStream, to: &TcpStream, buffer: &mut [u8]) -> io::Result<Moved> {
    let read = from.try_read(buffer)?;
    if read == 0 {
        return Ok(Moved::End);
    }
    let written = match to.try_write(&buffer[..read]) {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
        written => written?,
    };
    Ok(Moved::Some { rest: buffer[written..read].to_vec() })
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

fn end(stream: &TcpStream) -> io::Result<()> {
    match rustix::net::shutdown(stream, Shutdown::Write) {
        // The peer has closed altogether, which is an end as well.
        Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
