//! UDP with a way back: every client has a socket of its own inside, closed when nothing passes for a while.

use super::upstream::Upstream;
use rustix::net::{SendFlags, sendto};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How many clients are remembered, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// A client that is silent for so long is forgotten.
    idle: Duration,
    /// Clients of one port; a new one beyond that replaces the one that was silent longest.
    most: usize,
}

pub(super) const LIMITS: Limits = Limits { idle: Duration::from_secs(90), most: 1024 };

/// The largest datagram.
const DATAGRAM: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; DATAGRAM].into_boxed_slice());
}

struct Session {
    inside: UdpSocket,
    used: Mutex<Instant>,
}

struct Entry {
    session: Arc<Session>,
    task: AbortHandle,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Table = Arc<Mutex<HashMap<SocketAddr, Entry>>>;

/// Serves the port until it is dropped.
pub(super) async fn serve(outside: UdpSocket, inside: Upstream, limits: Limits) {
    let port = Port { outside: Arc::new(outside), inside, limits, table: Table::default() };
    loop {
        if port.outside.readable().await.is_err() {
            return;
        }
        // An error here belongs to an earlier datagram of ours that could not be delivered.
        let _ = BUFFER.with_borrow_mut(|buffer| {
            let (length, client) = port.outside.try_recv_from(buffer)?;
            port.session(client)?.send(&buffer[..length])
        });
    }
}

struct Port {
    outside: Arc<UdpSocket>,
    inside: Upstream,
    limits: Limits,
    table: Table,
}

impl Port {
    /// The client's session, made if there is none.
    fn session(&self, client: SocketAddr) -> io::Result<Arc<Session>> {
        let mut entries = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(&client) {
            return Ok(Arc::clone(&entry.session));
        }
        if entries.len() >= self.limits.most {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.session.used()).map(|(client, _)| *client);
            oldest.map(|oldest| entries.remove(&oldest));
        }
        let session = Arc::new(Session { inside: self.inside.datagrams(client)?, used: Mutex::new(Instant::now()) });
        let task = self.answer(Arc::clone(&session), client);
        entries.insert(client, Entry { session: Arc::clone(&session), task });
        Ok(session)
    }

    /// Starts passing answers back; forgets the client when it was idle.
    fn answer(&self, session: Arc<Session>, client: SocketAddr) -> AbortHandle {
        // Weak, so that the port is free as soon as it is no longer served.
        let (outside, idle) = (Arc::downgrade(&self.outside), self.limits.idle);
        let table = Arc::downgrade(&self.table);
        let task = tokio::spawn(async move {
            answers(&session, &outside, client, idle).await;
            // A session that was replaced has been aborted, so the entry is this one.
            if let Some(table) = table.upgrade() {
                table.lock().unwrap_or_else(PoisonError::into_inner).remove(&client);
            }
        });
        task.abort_handle()
    }
}

/// Passes answers back until the session is idle.
async fn answers(session: &Session, outside: &Weak<UdpSocket>, client: SocketAddr, idle: Duration) {
    loop {
        let deadline = session.used() + idle;
        match tokio::time::timeout_at(deadline, session.inside.readable()).await {
            Err(_) if session.used() + idle <= Instant::now() => return,
            Err(_) => continue,
            Ok(_) => {}
        }
        let Some(outside) = outside.upgrade() else { return };
        // A datagram that could not be delivered inside is reported here; the next one may be.
        let _ = BUFFER.with_borrow_mut(|buffer| {
            let length = session.inside.try_recv(buffer)?;
            session.touch();
            // Not by tokio: a socket that cannot be written to now drops, as a wire would.
            Ok::<_, io::Error>(sendto(&*outside, &buffer[..length], SendFlags::DONTWAIT, &client)?)
        });
    }
}

impl Session {
    fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.touch();
        // Not by tokio: it knows nothing yet about a socket made just now, and would refuse the first datagram.
        rustix::net::send(&self.inside, datagram, SendFlags::DONTWAIT)?;
        Ok(())
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whom the server inside sees, for datagrams of these clients.
    async fn seen(outside: SocketAddr, server: &UdpSocket, client: &UdpSocket) -> SocketAddr {
        client.send_to(b"x", outside).await.expect("send");
        server.recv_from(&mut [0; 9]).await.expect("receive").1
    }

    async fn any() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").await.expect("bind")
    }

    /// A port and the server behind it.
    async fn port(limits: Limits) -> (SocketAddr, UdpSocket) {
        let (server, outside) = (any().await, any().await);
        let (node, port) = (server.local_addr().expect("address"), outside.local_addr().expect("address"));
        tokio::spawn(serve(outside, Upstream::plain(node), limits));
        (port, server)
    }

    #[tokio::test]
    async fn the_client_that_was_silent_longest_makes_room() {
        let (port, server) = port(Limits { most: 2, ..LIMITS }).await;
        let (a, b, c) = (any().await, any().await, any().await);
        let (first_a, first_b) = (seen(port, &server, &a).await, seen(port, &server, &b).await);
        assert_ne!(first_a, first_b);
        assert_eq!(seen(port, &server, &a).await, first_a);
        seen(port, &server, &c).await;
        assert_eq!(seen(port, &server, &a).await, first_a);
        assert_ne!(seen(port, &server, &b).await, first_b);
    }

    #[tokio::test]
    async fn an_idle_client_is_forgotten() {
        let idle = Duration::from_millis(20);
        let (port, server) = port(Limits { idle, ..LIMITS }).await;
        let client = any().await;
        let first = seen(port, &server, &client).await;
        tokio::time::sleep(idle * 5).await;
        assert_ne!(seen(port, &server, &client).await, first);
    }
}
