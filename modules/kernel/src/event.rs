//! Event feeds: what others must learn of, pulled from the module where it happened, at least once and in order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Timestamp;

/// Something that happened in a module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its place in the feed; given after the commit, without order between feeds.
    pub number: i64,
    /// What kind of thing happened, as in `stock.changed`.
    pub topic: String,
    /// What it happened to.
    pub subject: String,
    /// What a consumer needs to know of it.
    pub body: Value,
    /// When.
    pub at: Timestamp,
}

/// Asks for the events after a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The last number seen; 0 for the beginning.
    pub number: i64,
    /// At most so many, 1 to 500.
    pub limit: u16,
}

/// Events in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// The events; fewer than asked for at the end of the feed.
    pub events: Vec<Event>,
}
