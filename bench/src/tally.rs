//! What came of many requests: how many of which status, and how long they took in microseconds.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest latency told apart: two minutes.
const LONGEST_MICROS: u64 = 120_000_000;
const DIGITS: u8 = 3;

/// Counts and latencies.
#[derive(Clone)]
pub struct Tally {
    /// Latencies of answers that tell of something done: 200 to 299 but 202, which only promises it.
    pub good: Histogram<u64>,
    /// Latencies of answers that tell the client to come back: 429 and 503.
    pub refused: Histogram<u64>,
    /// All answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer, or with one that tells to come back but not when.
    pub failed: u64,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new() -> anyhow::Result<Self> {
        let empty = Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS)?;
        Ok(Self { good: empty.clone(), refused: empty, statuses: BTreeMap::new(), failed: 0 })
    }

    /// Counts one outcome: the status, or that there was no answer.
    pub fn count(&mut self, outcome: Option<u16>, took: Duration) {
        let Some(status) = outcome else {
            self.failed += 1;
            return;
        };
        *self.statuses.entry(status).or_default() += 1;
        let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST_MICROS).max(1);
        match status {
            done if is_done(done) => self.good.saturating_record(micros),
            429 | 503 => self.refused.saturating_record(micros),
            _ => {}
        }
    }

    /// Adds what another counted.
    pub fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.good.add(&other.good)?;
        self.refused.add(&other.refused)?;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.failed += other.failed;
        Ok(())
    }

    /// How many answers had this status.
    pub fn of(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }
}

/// Whether an answer of this status tells of something done; 202 only promises it.
pub fn is_done(status: u16) -> bool {
    status != 202 && (200..300).contains(&status)
}

/// Asks for less than everything: 0.99 is the latency that one in a hundred exceeds, in microseconds.
pub fn quantile(latencies: &Histogram<u64>, share: f64) -> u64 {
    latencies.value_at_quantile(share)
}
