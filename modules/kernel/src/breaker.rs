//! A circuit breaker: after failures in a row it refuses at once, then lets one call try.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Opens after `threshold` failures in a row, for `rest`; then one call at a time may try.
#[derive(Debug)]
pub struct Breaker {
    threshold: u32,
    rest: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(threshold: u32, rest: Duration) -> Self {
        Self { threshold, rest, state: Mutex::default() }
    }

    /// Whether a call may go out at `now`. When the rest is over, the one that asks is the trial, and the others
    /// wait for another rest.
    pub fn admits(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.open_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.open_until = Some(now + self.rest);
                true
            }
        }
    }

    /// Tells how a call ended: `answered` when the neighbour itself said anything at all, refusals included.
    pub fn record(&self, answered: bool, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            *state = State::default();
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= self.threshold {
            state.open_until = Some(now + self.rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a starting point for arithmetic")]
    fn it_opens_lets_one_try_and_closes() {
        let (breaker, start) = (Breaker::new(2, Duration::from_secs(5)), Instant::now());
        breaker.record(false, start);
        assert!(breaker.admits(start));
        breaker.record(false, start);
        assert!(!breaker.admits(start + Duration::from_secs(4)));
        let later = start + Duration::from_secs(5);
        assert!(breaker.admits(later), "the trial");
        assert!(!breaker.admits(later), "only one");
        breaker.record(true, later);
        assert!(breaker.admits(later));
    }
}
