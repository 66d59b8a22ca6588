//! How many connections may be open, by the descriptors of this process.

use super::table::Scope;
use nix::sys::resource::{Resource, getrlimit};

/// Descriptors that no connection uses: for components that are started, logs, probes and the control socket.
const KEPT_ASIDE: usize = 256;
/// Descriptors of one connection: the client's socket and the one inside.
const OF_ONE: usize = 2;
/// Most connections, whatever the limit of descriptors: an idle one takes 3.5 KiB of memory.
const MOST: usize = 20_000;
/// Fewest, where the limit of descriptors is very low.
const FEWEST: usize = 16;

/// Most connections of each scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    total: usize,
}

impl Limits {
    /// The limits now: the payload may raise the soft limit of descriptors. `others` are in use by ports and sessions.
    pub(super) fn current(others: usize) -> Self {
        let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
        Self::from_descriptors(usize::try_from(soft).unwrap_or(usize::MAX), others)
    }

    pub(super) fn from_descriptors(descriptors: usize, others: usize) -> Self {
        let free = descriptors.saturating_sub(KEPT_ASIDE).saturating_sub(others);
        Self { total: (free / OF_ONE).clamp(FEWEST, MOST) }
    }

    pub(super) fn of(self, scope: Scope) -> usize {
        match scope {
            Scope::All => self.total,
            Scope::Port(_) => self.total / 4 * 3,
            Scope::Client(..) => self.total / 2,
        }
    }
}
