//! UDP in both directions: each client has a socket of its own inside, closed when it is idle.

use super::budget::{PortBudget, SessionPermit};
use super::upstream::Upstream;
use crate::sync::IgnorePoison as _;
use rustix::io::Errno;
use rustix::net::{SendFlags, sendto};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Limits of the table of clients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Idle time after which a client is removed.
    idle: Duration,
    /// Most sessions of one port; a further one replaces the one that was idle longest.
    most: usize,
    /// Most sessions of one address; a further one replaces the one of that address that was idle longest.
    most_of_one: usize,
}

pub(super) const LIMITS: Limits = Limits { idle: Duration::from_secs(90), most: 1024, most_of_one: 512 };

/// Largest datagram in bytes.
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
    _permit: SessionPermit,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Table = Arc<Mutex<HashMap<SocketAddr, Entry>>>;

/// Serves the port until it is dropped.
pub(super) async fn serve(outside: UdpSocket, upstream: Upstream, limits: Limits, budget: PortBudget) {
    let port = Port { outside: Arc::new(outside), upstream, limits, budget, table: Table::default() };
    loop {
        if port.outside.readable().await.is_err() {
            return;
        }
        // An error here is about an earlier datagram to a client that could not be delivered.
        let _ = BUFFER.with_borrow_mut(|buffer| {
            let (length, client) = port.outside.try_recv_from(buffer)?;
            port.find_or_open_session(client)?.send_datagram(&buffer[..length])
        });
    }
}

struct Port {
    outside: Arc<UdpSocket>,
    upstream: Upstream,
    limits: Limits,
    budget: PortBudget,
    table: Table,
}

impl Port {
    /// Returns the client's session; opens one if there is none.
    fn find_or_open_session(&self, client: SocketAddr) -> io::Result<Arc<Session>> {
        let mut entries = self.table.lock().ignore_poison();
        if let Some(entry) = entries.get(&client) {
            return Ok(Arc::clone(&entry.session));
        }
        if entries.keys().filter(|other| other.ip() == client.ip()).count() >= self.limits.most_of_one {
            remove_oldest(&mut entries, |other| other.ip() == client.ip());
        } else if entries.len() >= self.limits.most {
            remove_oldest(&mut entries, |_| true);
        }
        let permit = self.budget.admit_session().or_else(|| {
            remove_oldest(&mut entries, |_| true);
            self.budget.admit_session()
        });
        let permit = permit.ok_or(Errno::MFILE)?;
        let session =
            Arc::new(Session { inside: self.upstream.open_datagrams(client)?, used: Mutex::new(Instant::now()) });
        let task = self.spawn_reply_task(Arc::clone(&session), client);
        entries.insert(client, Entry { session: Arc::clone(&session), task, _permit: permit });
        Ok(session)
    }

    /// Spawns the task that forwards replies; it removes the client when it is idle.
    fn spawn_reply_task(&self, session: Arc<Session>, client: SocketAddr) -> AbortHandle {
        // Weak, so that the port is free as soon as it is no longer served.
        let outside = Arc::downgrade(&self.outside);
        let idle = self.limits.idle;
        let table = Arc::downgrade(&self.table);
        let task = tokio::spawn(async move {
            forward_replies(&session, &outside, client, idle).await;
            // A session that was replaced has been aborted, so the entry is this one.
            if let Some(table) = table.upgrade() {
                table.lock().ignore_poison().remove(&client);
            }
        });
        task.abort_handle()
    }
}

/// Removes the session that was idle longest, of those that `may_go`.
fn remove_oldest(entries: &mut HashMap<SocketAddr, Entry>, may_go: impl Fn(&SocketAddr) -> bool) {
    let candidates = entries.iter().filter(|(client, _)| may_go(client));
    if let Some(oldest) = candidates.min_by_key(|(_, entry)| entry.session.last_used()).map(|(client, _)| *client) {
        entries.remove(&oldest);
    }
}

/// Forwards replies until the session is idle.
async fn forward_replies(session: &Session, outside: &Weak<UdpSocket>, client: SocketAddr, idle: Duration) {
    loop {
        let deadline = session.last_used() + idle;
        match tokio::time::timeout_at(deadline, session.inside.readable()).await {
            Err(_) if session.last_used() + idle <= Instant::now() => return,
            Err(_) => continue,
            Ok(_) => {}
        }
        let Some(outside) = outside.upgrade() else { return };
        // An error here is about a datagram that could not be delivered inside; the next one may succeed.
        let _ = BUFFER.with_borrow_mut(|buffer| {
            let length = session.inside.try_recv(buffer)?;
            session.mark_used();
            // Not by tokio: if the socket is not writable now, the datagram is dropped.
            Ok::<_, io::Error>(sendto(&*outside, &buffer[..length], SendFlags::DONTWAIT, &client)?)
        });
    }
}

impl Session {
    fn send_datagram(&self, datagram: &[u8]) -> io::Result<()> {
        self.mark_used();
        // Not by tokio: it has not polled a new socket yet and would refuse the first datagram.
        rustix::net::send(&self.inside, datagram, SendFlags::DONTWAIT)?;
        Ok(())
    }

    fn mark_used(&self) {
        *self.used.lock().ignore_poison() = Instant::now();
    }

    fn last_used(&self) -> Instant {
        *self.used.lock().ignore_poison()
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::Budget;
    use super::*;

    /// Source address that the server inside sees for this client.
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
        let upstream = Upstream::as_node(node, Arc::new([]));
        tokio::spawn(serve(outside, upstream, limits, Budget::new(None).open_port()));
        (port, server)
    }

    #[tokio::test]
    async fn the_client_that_was_idle_longest_is_replaced() {
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
    async fn an_idle_client_is_removed() {
        let idle = Duration::from_millis(20);
        let (port, server) = port(Limits { idle, ..LIMITS }).await;
        let client = any().await;
        let first = seen(port, &server, &client).await;
        tokio::time::sleep(idle * 5).await;
        assert_ne!(seen(port, &server, &client).await, first);
    }
}
