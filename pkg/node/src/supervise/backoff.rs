//! How long to wait before a component is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// A life of this length was a good one: the next failure is a new one.
const GOOD: Duration = Duration::from_secs(10);

/// Doubling pauses, short again after a good life.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after a life of this length.
    pub(super) fn after(&mut self, life: Duration) -> Duration {
        if life >= GOOD {
            self.failures = 0;
        }
        let pause = FIRST.saturating_mul(2u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures += 1;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_limit_and_forgets() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..9).map(|_| backoff.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000]);
        assert_eq!(backoff.after(GOOD), FIRST);
        assert_eq!(backoff.after(Duration::from_secs(1)), FIRST * 2);
    }
}
