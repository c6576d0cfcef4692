//! What can be set about stock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The settings of the inventory module.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Seconds between two sweeps. A sweep expires reservations that nobody committed in time and forgets old events.
    pub sweep_every_secs: u64,
    /// Reservations that one transaction of a sweep expires at most.
    pub expire_at_once: u16,
    /// When the clock moved this many seconds more or less than the time that passed between two sweeps, reservations
    /// are not expired in that sweep. 0 expires them always.
    pub clock_jump_secs: u64,
    /// Live streams of stock changes open at once; one more is answered 503.
    pub most_streams: u16,
    /// Seconds after which a live stream ends, so that its reader shows a fresh token.
    pub stream_secs: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sweep_every_secs: 5, expire_at_once: 100, clock_jump_secs: 60, most_streams: 100, stream_secs: 900 }
    }
}

impl Settings {
    /// The time between two sweeps.
    pub fn sweep_every(&self) -> Duration {
        Duration::from_secs(self.sweep_every_secs.max(1))
    }
}
