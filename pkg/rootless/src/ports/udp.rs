//! UDP with a way back: every client has a socket of its own inside, closed when nothing passes for a while.

use rustix::net::{SendFlags, sendto};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// A client that is silent for so long is forgotten.
const IDLE: Duration = Duration::from_secs(90);
/// Clients of one port; a new one beyond that replaces the one that was silent longest.
const MOST: usize = 1024;
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
pub(super) async fn serve(outside: UdpSocket, node: SocketAddr) {
    let (outside, table) = (Arc::new(outside), Table::default());
    loop {
        if outside.readable().await.is_err() {
            return;
        }
        // An error here belongs to an earlier datagram of ours that could not be delivered.
        let _ = BUFFER.with_borrow_mut(|buffer| {
            let (length, client) = outside.try_recv_from(buffer)?;
            session(&table, &outside, client, node)?.send(&buffer[..length])
        });
    }
}

/// The client's session, made if there is none.
fn session(table: &Table, outside: &Arc<UdpSocket>, client: SocketAddr, node: SocketAddr) -> io::Result<Arc<Session>> {
    let mut entries = table.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(entry) = entries.get(&client) {
        return Ok(Arc::clone(&entry.session));
    }
    if entries.len() >= MOST {
        let oldest = entries.iter().min_by_key(|(_, entry)| entry.session.used()).map(|(client, _)| *client);
        oldest.map(|oldest| entries.remove(&oldest));
    }
    let session = Arc::new(Session { inside: connected(node)?, used: Mutex::new(Instant::now()) });
    let answers = answers(Arc::clone(&session), Arc::clone(outside), client);
    let (table, weak) = (Arc::downgrade(table), Arc::downgrade(&session));
    let task = tokio::spawn(async move {
        answers.await;
        // Not the session of a later life of the same client.
        if let Some(table) = table.upgrade() {
            let mut entries = table.lock().unwrap_or_else(PoisonError::into_inner);
            if entries.get(&client).is_some_and(|e| Arc::downgrade(&e.session).ptr_eq(&weak)) {
                entries.remove(&client);
            }
        }
    });
    entries.insert(client, Entry { session: Arc::clone(&session), task: task.abort_handle() });
    Ok(session)
}

/// Passes answers back until the session is idle.
async fn answers(session: Arc<Session>, outside: Arc<UdpSocket>, client: SocketAddr) {
    loop {
        let deadline = session.used() + IDLE;
        match tokio::time::timeout_at(deadline, session.inside.readable()).await {
            Err(_) if session.used() + IDLE <= Instant::now() => return,
            Err(_) => continue,
            Ok(_) => {}
        }
        // A datagram that could not be delivered inside is reported here; the next one may be.
        let _ = BUFFER.with_borrow_mut(|buffer| {
            let length = session.inside.try_recv(buffer)?;
            session.touch();
            // Not by tokio: a socket that cannot be written to now drops, as a wire would.
            Ok::<_, io::Error>(sendto(&outside, &buffer[..length], SendFlags::DONTWAIT, &client)?)
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

/// A socket that talks with `node` only.
pub(super) fn connected(node: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if node.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    socket.connect(node)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}
