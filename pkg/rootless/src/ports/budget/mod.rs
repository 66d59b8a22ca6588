//! Limits of open connections: in all, of each port, and of each client of a port.
//!
//! A connection above a limit replaces the oldest one of that limit on which no byte was sent yet, else the one that was
//! idle longest, if that is long. If there is none, the new connection is closed. So idle connections, however many, take a
//! port from no client. Users of the host share its addresses, so beyond a few connections each user counts as a client.
//! No connection is left in the accept queue: its client is known only once it is accepted, and one client's would block
//! those of all others.

mod limits;
mod table;
#[cfg(test)]
mod tests;
mod users;

use crate::sync::IgnorePoison as _;
use limits::Limits;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use table::{Client, Scope, Table};
use tokio::sync::Notify;
use tokio::time::Instant;
use users::Users;
pub(crate) use users::open_users_socket;

/// Interval at which silent connections are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// Connections of one address of a port before its further ones are counted by user.
const FEW: usize = 64;
/// Shortest pause between two warnings about full ports.
const WARNING_PAUSE: Duration = Duration::from_mins(1);

/// All open connections of published ports. Cheap to clone.
#[derive(Clone)]
pub(super) struct Budget(Arc<Shared>);

struct Shared {
    table: Mutex<Table>,
    read_limits: fn(usize) -> Limits,
    times: Times,
    users: Option<Users>,
}

/// How long connections may be idle.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// Longest time from accept to the first byte, from the client or from the server.
    first_byte: Duration,
    /// A connection that was used may be replaced once it was idle for this long.
    idle: Duration,
}

const TIMES: Times = Times { first_byte: Duration::from_secs(30), idle: Duration::from_mins(1) };

/// What one connection has done.
#[derive(Debug)]
struct Activity {
    started: Instant,
    /// Milliseconds from the start to the last byte.
    last: AtomicU64,
    spoke: AtomicBool,
    replaced: Notify,
}

impl Activity {
    fn last_used(&self) -> Instant {
        self.started + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

impl Budget {
    /// Users of the host are told apart by a socket of [`open_users_socket`], if there is one.
    pub(super) fn new(users: Option<OwnedFd>) -> Self {
        Self::with_limits(Limits::current, TIMES, users.map(Users::new))
    }

    fn with_limits(read_limits: fn(usize) -> Limits, times: Times, users: Option<Users>) -> Self {
        Self(Arc::new(Shared { table: Mutex::default(), read_limits, times, users }))
    }

    /// Counts a published port, which has a descriptor of its own.
    pub(super) fn open_port(&self) -> PortBudget {
        let mut table = self.lock_table();
        table.other_descriptors += 1;
        PortBudget { budget: self.clone(), number: table.next_number() }
    }

    /// Closes connections whose first byte is overdue, for as long as the process lives.
    pub(super) async fn close_silent(self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            self.lock_table().close_silent(self.0.times.first_byte);
        }
    }

    fn lock_table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().ignore_poison()
    }
}

/// One published port.
pub(super) struct PortBudget {
    budget: Budget,
    number: u64,
}

impl PortBudget {
    /// Counts a new connection between these addresses; `None` if it has to be closed.
    pub(super) fn admit(&self, client: SocketAddr, server: SocketAddr) -> Option<Permit> {
        let mut table = self.budget.lock_table();
        let client = self.identify_client(&table, client, server);
        let limits = (self.budget.0.read_limits)(table.other_descriptors);
        let mut replaces = false;
        for scope in scopes(self.number, client) {
            let limit = limits.of(scope);
            while table.count(scope) >= limit {
                warn_full(&mut table, scope, limit, client);
                table.replace_one(scope, self.budget.0.times.idle)?;
                replaces = true;
            }
        }
        let activity = Arc::new(Activity {
            started: Instant::now(),
            last: AtomicU64::new(0),
            spoke: AtomicBool::new(false),
            replaced: Notify::new(),
        });
        let number = table.insert(self.number, client, Arc::clone(&activity));
        Some(Permit { budget: self.budget.clone(), number, activity, replaces })
    }

    /// Counts a UDP session, which has one descriptor; `None` if there is none left.
    pub(super) fn admit_session(&self) -> Option<SessionPermit> {
        let mut table = self.budget.lock_table();
        let limits = (self.budget.0.read_limits)(table.other_descriptors);
        if table.count(Scope::All) >= limits.of(Scope::All) {
            return None;
        }
        table.other_descriptors += 1;
        Some(SessionPermit(self.budget.clone()))
    }
}

impl PortBudget {
    /// The address of the client, or, if it has many connections and is the host's own, the user of the connection.
    fn identify_client(&self, table: &Table, client: SocketAddr, server: SocketAddr) -> Client {
        let address = Client::Address(client_network(client.ip()));
        if table.count(Scope::Client(self.number, address)) < FEW {
            return address;
        }
        let user = self.budget.0.users.as_ref().and_then(|users| users.find_user(client, server));
        user.map_or(address, Client::User)
    }
}

impl Drop for PortBudget {
    fn drop(&mut self) {
        self.budget.lock_table().other_descriptors -= 1;
    }
}

/// A counted connection.
pub(super) struct Permit {
    budget: Budget,
    number: u64,
    activity: Arc<Activity>,
    /// Whether another connection has to close for this one.
    pub(super) replaces: bool,
}

impl Permit {
    /// Call it when bytes were copied, in either direction.
    pub(super) fn note_activity(&self) {
        let since = self.activity.started.elapsed().as_millis();
        self.activity.last.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        if !self.activity.spoke.swap(true, Ordering::Relaxed) {
            self.budget.lock_table().mark_spoken(self.number);
        }
    }

    /// Returns when the connection has to close.
    pub(super) async fn wait_replaced(&self) {
        self.activity.replaced.notified().await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.lock_table().remove(self.number);
    }
}

/// A counted UDP session.
pub(super) struct SessionPermit(Budget);

impl Drop for SessionPermit {
    fn drop(&mut self) {
        self.0.lock_table().other_descriptors -= 1;
    }
}

fn scopes(port: u64, client: Client) -> [Scope; 3] {
    [Scope::Client(port, client), Scope::Port(port), Scope::All]
}

/// The addresses that count as one client: all of loopback, and all of an IPv6 network, whose hosts choose theirs.
fn client_network(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = !(u64::MAX as u128);
    match address.to_canonical() {
        IpAddr::V4(v4) if v4.is_loopback() => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & NETWORK).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn warn_full(table: &mut Table, scope: Scope, limit: usize, client: Client) {
    if table.warned.is_none_or(|warned| warned.elapsed() >= WARNING_PAUSE) {
        table.warned = Some(Instant::now());
        tracing::warn!(%scope, limit, ?client, "too many connections; idle ones are closed for new ones");
    }
}
