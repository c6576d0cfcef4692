//! What can be set for the wallet.

use serde::Deserialize;

/// The section of the wallet.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// When a deposit is credited: `pending` waits until a payment provider or staff confirms it, `instant` credits
    /// it at once and is for demonstrations only.
    pub deposits: Deposits,
    /// The largest amount of one deposit, withdrawal, transfer, credit or debit, in minor units.
    pub max_amount_minor: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { deposits: Deposits::Pending, max_amount_minor: 1_000_000_000_000 }
    }
}

/// When a deposit is credited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deposits {
    /// When it is confirmed.
    Pending,
    /// At once.
    Instant,
}
