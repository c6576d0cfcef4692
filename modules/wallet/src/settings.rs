//! What can be set for the wallet.

use serde::{Deserialize, Serialize};

/// The section of the wallet.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// When a deposit is credited. Set by `payments.deposits`, which goes for every way of paying in.
    #[serde(skip)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deposits {
    /// When it is confirmed.
    #[default]
    Pending,
    /// At once.
    Instant,
}
