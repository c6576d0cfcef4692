//! What wallet offers to its neighbours: money that can be held for an order, captured and given free.

pub mod lifecycle;

use emporium_kernel::{Audit, Fault, Money, Outage, PositiveMoney, contract, id};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

id!(
    /// Names a ledger account.
    AccountId = "acc"
);
id!(
    /// Names a transfer.
    TransferId = "trf"
);
id!(
    /// Names a hold; derived from order, step and attempt.
    HoldId = "hld"
);

/// Holds money of a buyer for an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The same for every repetition.
    pub id: HoldId,
    /// The order it is for.
    pub order: String,
    /// The user who pays.
    pub buyer: String,
    /// How much.
    pub amount: PositiveMoney,
    /// How long it is kept unless it is captured first.
    pub expires_in_secs: u32,
}

/// Pays what was held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// The hold.
    pub hold: HoldId,
    /// Who gets how much; the amounts sum to the hold.
    pub payees: Vec<Share>,
}

/// One payee's part of a capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Who.
    pub payee: Payee,
    /// How much.
    pub amount: Money,
}

/// Who can be paid for an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payee {
    /// The supplier with this user id.
    Supplier(String),
    /// The store itself.
    Store,
}

/// Names the hold to void.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfHold {
    /// The hold.
    pub hold: HoldId,
}

/// Asks for holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskHolds {
    /// Any number.
    pub ids: Vec<HoldId>,
}

/// Where a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// Counted as held: not available to the buyer, not yet paid.
    Held,
    /// Paid to the payees.
    Captured,
    /// Given free.
    Voided,
    /// Given free because nobody captured it in time.
    Expired,
    /// Refused when it was asked for; nothing was held.
    Refused,
    /// Voided before it arrived; whoever asks for it later is refused.
    Tombstone,
}

/// A hold as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldStatus {
    /// Its id.
    pub id: HoldId,
    /// Where it stands.
    pub state: HoldState,
    /// How much was held; `None` for a tombstone.
    pub amount: Option<Money>,
}

/// Why wallet refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum WalletError {
    /// Too little is there that is not held.
    #[error("the wallet has {available} minor units of {currency} to spend")]
    InsufficientFunds {
        /// What can be spent, in minor units.
        available: i64,
        /// Of which currency.
        currency: String,
    },
    /// New debits are stopped.
    #[error("this wallet is frozen")]
    Frozen,
    /// The hold was voided, expired or refused.
    #[error("the hold is {state:?}")]
    HoldEnded {
        /// How it ended.
        state: HoldState,
    },
    /// There is no such hold.
    #[error("there is no such hold")]
    UnknownHold,
    /// The shares do not sum to the hold, or are in another currency.
    #[error("the shares do not sum to the hold")]
    SharesDiffer,
    /// The same id came before with other content.
    #[error("this id was used for something else")]
    IdReused,
    /// There is no such user to pay.
    #[error("there is no such user")]
    UnknownRecipient,
    /// Money cannot be sent to oneself.
    #[error("choose somebody else to send money to")]
    SelfTransfer,
    /// A balance would be larger than can be counted.
    #[error("the balance would be too large")]
    BalanceTooLarge,
    /// There is nothing of that id.
    #[error("there is nothing here for you")]
    NotFound,
    /// A deposit or withdrawal was decided before, the other way.
    #[error("this was already {state}")]
    AlreadyDecided {
        /// How.
        state: String,
    },
    /// The machinery failed.
    #[error(transparent)]
    #[serde(untagged)]
    Outage(#[from] Outage),
}

impl Fault for WalletError {
    fn status(&self) -> actix_web::http::StatusCode {
        use actix_web::http::StatusCode;
        match self {
            WalletError::InsufficientFunds { .. } => StatusCode::PAYMENT_REQUIRED,
            WalletError::UnknownHold | WalletError::UnknownRecipient | WalletError::NotFound => StatusCode::NOT_FOUND,
            WalletError::Frozen
            | WalletError::HoldEnded { .. }
            | WalletError::IdReused
            | WalletError::AlreadyDecided { .. } => StatusCode::CONFLICT,
            WalletError::SharesDiffer | WalletError::SelfTransfer | WalletError::BalanceTooLarge => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            WalletError::Outage(outage) => outage.status(),
        }
    }

    fn outage(&self) -> Option<Outage> {
        match self {
            WalletError::Outage(outage) => Some(*outage),
            _ => None,
        }
    }
}

/// Asks for a part of everything that is known of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskPersonal {
    /// The user id.
    pub user: String,
    /// `next` of the part before.
    pub after: Option<String>,
}

/// A part of everything that is known of a user, for the user to read. All but the transactions are in the first part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Personal {
    /// What the user has, by currency.
    pub balances: Vec<serde_json::Value>,
    /// The newest deposits.
    pub deposits: Vec<serde_json::Value>,
    /// The newest withdrawals.
    pub withdrawals: Vec<serde_json::Value>,
    /// Some of the history, newest first.
    pub transactions: Vec<serde_json::Value>,
    /// How the next part is asked for; `None` at the end.
    pub next: Option<String>,
}

contract! {
    /// Money that can be held for an order, captured, and given free.
    pub trait Wallet at "/internal/wallet" failing WalletError {
        /// Holds money. The outcome is stored, refusals included, and a repeated call gets it again.
        async fn hold(&self, Hold) -> HoldStatus;
        /// Pays what was held: one debit and a credit for each payee. Capturing twice changes nothing; an ended hold is
        /// refused.
        async fn capture(&self, Capture) -> HoldStatus;
        /// Gives held money free. An unknown id becomes a tombstone; a captured hold is refused. Voiding twice changes
        /// nothing.
        async fn void(&self, OfHold) -> HoldStatus;
        /// Where holds stand; unknown ones are left out.
        async fn holds(&self, AskHolds) -> Vec<HoldStatus>, repeatable;
        /// Everything that the wallet knows of a user, in parts.
        async fn personal(&self, AskPersonal) -> Personal, repeatable;
        /// Checks every invariant of the ledger.
        async fn verify(&self, ()) -> Audit, repeatable;
    }
}
