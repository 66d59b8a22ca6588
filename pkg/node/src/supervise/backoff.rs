//! Pause before a component is restarted.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// A process that ran this long resets the pause.
const GOOD: Duration = Duration::from_secs(10);

/// Doubling pauses, reset after a long run.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after a process that ran for `run`.
    pub(super) fn next_pause(&mut self, run: Duration) -> Duration {
        if run >= GOOD {
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
        let pauses: Vec<_> = (0..9).map(|_| backoff.next_pause(Duration::ZERO).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000]);
        assert_eq!(backoff.next_pause(GOOD), FIRST);
        assert_eq!(backoff.next_pause(Duration::from_secs(1)), FIRST * 2);
    }
}
