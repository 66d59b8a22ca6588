//! Locks that ignore poisoning.

use std::sync::{LockResult, PoisonError};

/// A poisoned lock is taken all the same: no code in this crate leaves data inconsistent when it panics.
pub(crate) trait IgnorePoison {
    /// Guard of the lock.
    type Guard;

    /// Returns the guard, also of a poisoned lock.
    fn ignore_poison(self) -> Self::Guard;
}

impl<G> IgnorePoison for LockResult<G> {
    type Guard = G;

    fn ignore_poison(self) -> G {
        self.unwrap_or_else(PoisonError::into_inner)
    }
}
