//! A pause between attempts that grows.

use std::time::Duration;

/// Pauses that double up to a limit.
#[derive(Debug)]
pub(crate) struct Backoff {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts with the shortest pause.
    pub(crate) fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, next: shortest }
    }

    /// Begins again with the shortest pause.
    pub(crate) fn reset(&mut self) {
        self.next = self.shortest;
    }

    /// The pause before the next attempt; the one after it is twice as long.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit() {
        let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(5));
        let pauses = [backoff.next_pause(), backoff.next_pause(), backoff.next_pause()].map(|pause| pause.as_secs());
        assert_eq!(pauses, [2, 4, 5]);
        backoff.reset();
        assert_eq!(backoff.next_pause().as_secs(), 2);
    }
}
