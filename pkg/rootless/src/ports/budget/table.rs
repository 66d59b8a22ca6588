//! The table of open connections.

use super::{Activity, scopes};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    All,
    Port(u64),
    Client(u64, Client),
}

/// Client of a port, by what its connections have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    Address(IpAddr),
    /// User of the host.
    User(u32),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all ports",
            Self::Port(_) => "port",
            Self::Client(..) => "client of a port",
        })
    }
}

struct Connection {
    port: u64,
    client: Client,
    activity: Arc<Activity>,
}

/// Connections of a scope, by number: older ones have lower numbers.
#[derive(Default)]
struct Members {
    open: BTreeSet<u64>,
    /// Those without a byte yet.
    silent: BTreeSet<u64>,
    /// No used connection may be replaced before; spares a look at all of them for each new one.
    none_before: Option<Instant>,
}

#[derive(Default)]
pub(super) struct Table {
    last_number: u64,
    connections: BTreeMap<u64, Connection>,
    scopes: HashMap<Scope, Members>,
    /// Descriptors of published ports and UDP sessions.
    pub(super) other_descriptors: usize,
    /// Time of the last warning.
    pub(super) warned: Option<Instant>,
}

impl Table {
    /// A number that is higher than all before.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(super) fn count(&self, scope: Scope) -> usize {
        self.scopes.get(&scope).map_or(0, |members| members.open.len())
    }

    pub(super) fn insert(&mut self, port: u64, client: Client, activity: Arc<Activity>) -> u64 {
        let number = self.next_number();
        self.connections.insert(number, Connection { port, client, activity });
        for scope in scopes(port, client) {
            let members = self.scopes.entry(scope).or_default();
            members.open.insert(number);
            members.silent.insert(number);
        }
        number
    }

    pub(super) fn mark_spoken(&mut self, number: u64) {
        let Some(connection) = self.connections.get(&number) else { return };
        for scope in scopes(connection.port, connection.client) {
            if let Some(members) = self.scopes.get_mut(&scope) {
                members.silent.remove(&number);
            }
        }
    }

    /// Does nothing if the connection was replaced.
    pub(super) fn remove(&mut self, number: u64) -> Option<Arc<Activity>> {
        let Connection { port, client, activity } = self.connections.remove(&number)?;
        for scope in scopes(port, client) {
            let Some(members) = self.scopes.get_mut(&scope) else { continue };
            members.open.remove(&number);
            members.silent.remove(&number);
            if members.open.is_empty() {
                self.scopes.remove(&scope);
            }
        }
        Some(activity)
    }

    /// Closes one connection of the scope; `None` if all of them are in use.
    pub(super) fn replace_one(&mut self, scope: Scope, idle: Duration) -> Option<()> {
        let members = self.scopes.get(&scope)?;
        let number = members.silent.first().copied().or_else(|| self.find_idle(scope, idle))?;
        self.close(number);
        Some(())
    }

    /// The connection that was idle longest, if that is at least `idle`.
    fn find_idle(&mut self, scope: Scope, idle: Duration) -> Option<u64> {
        let now = Instant::now();
        let members = self.scopes.get_mut(&scope)?;
        if members.none_before.is_some_and(|moment| now < moment) {
            return None;
        }
        let used = |number: &u64| Some((self.connections.get(number)?.activity.last_used(), *number));
        let (last_used, number) = members.open.iter().filter_map(used).min()?;
        members.none_before = Some(last_used + idle);
        (now >= last_used + idle).then_some(number)
    }

    /// Closes connections that are older than `limit` and without a byte.
    pub(super) fn close_silent(&mut self, limit: Duration) {
        while let Some(number) = self.scopes.get(&Scope::All).and_then(|all| all.silent.first().copied()) {
            if self.connections.get(&number).is_some_and(|one| one.activity.started.elapsed() < limit) {
                return;
            }
            self.close(number);
        }
    }

    fn close(&mut self, number: u64) {
        if let Some(activity) = self.remove(number) {
            activity.replaced.notify_one();
        }
    }
}
