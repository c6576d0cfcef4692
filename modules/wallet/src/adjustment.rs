//! Adjustments: what staff give to a wallet or take from it, against the account `adjustments`.

use emporium_auth_api::UserId;
use emporium_database::Db;
use emporium_database::audit::{self, Entry};
use emporium_kernel::{Call, Line, Money, PositiveMoney, Timestamp};
use emporium_wallet_api::{TransferId, WalletError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::account::{Account, Kind as AccountKind};
use crate::resolve::Step;
use crate::transfer::{self, Movement, Reason};
use crate::{Done, Ledger};

/// Gives or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Into the wallet.
    Credit,
    /// Out of the wallet.
    Debit,
}

/// A correction of a wallet.
#[derive(Clone, Debug)]
pub struct Adjust {
    /// Whose wallet.
    pub user: UserId,
    /// Into it or out of it.
    pub direction: Direction,
    /// How much.
    pub amount: PositiveMoney,
    /// Why; the user sees it.
    pub reason: Line<200>,
    /// Who does it: a user id, or `cli`.
    pub actor: String,
}

/// A correction that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Adjusted {
    /// The transfer that made it.
    pub id: TransferId,
    /// Whose wallet.
    pub user: UserId,
    /// How much.
    pub amount: Money,
    /// Into it or out of it.
    pub direction: Direction,
    /// Why.
    pub reason: String,
    /// When.
    pub created_at: Timestamp,
}

impl Ledger {
    /// Credits or debits a wallet. A credit takes a user who exists; a debit never goes below what is available.
    pub async fn adjust(&self, call: &Call, adjust: Adjust) -> Result<Adjusted, WalletError> {
        if adjust.direction == Direction::Credit {
            self.user(call, &adjust.user).await?;
        }
        let step = self.step(adjust.actor.clone());
        let entry = adjust.entry(self, call);
        let work = move |db: &mut Db| {
            let made = make(db, &adjust, &step)?;
            audit::write(db, &entry)?;
            Ok(made)
        };
        self.database().write(work).await
    }
}

impl Adjust {
    /// What is done, for the audit log.
    pub(crate) fn entry(&self, ledger: &Ledger, call: &Call) -> Entry {
        let action = match self.direction {
            Direction::Credit => "wallet.credited",
            Direction::Debit => "wallet.debited",
        };
        ledger.entry(call, action, self.user.as_str(), &json!({"amount": self.amount.get()}))
    }
}

impl Ledger {
    /// Refuses what [`Ledger::adjust`] would refuse by what is stored now, and changes nothing.
    pub async fn check_adjust(&self, call: &Call, adjust: &Adjust) -> Result<(), WalletError> {
        if adjust.direction == Direction::Credit {
            return self.user(call, &adjust.user).await.map(drop);
        }
        let wanted = adjust.amount.get();
        let balances = self.balances(adjust.user.as_str()).await?;
        let balance = balances.iter().find(|balance| balance.currency == wanted.currency());
        let available = balance.map_or(0, |balance| balance.available);
        if balance.is_some_and(|balance| balance.frozen) {
            return Err(WalletError::Frozen);
        }
        if available < wanted.amount() {
            return Err(WalletError::InsufficientFunds { available, currency: wanted.currency().to_string() });
        }
        Ok(())
    }
}

/// Makes a correction, once.
pub(crate) fn make(db: &mut Db, adjust: &Adjust, step: &Step) -> Done<Adjusted> {
    let amount = adjust.amount.get();
    let user = Account::of_user(adjust.user.as_str(), amount.currency());
    let store = Account::of_store(AccountKind::Adjustments, amount.currency());
    let (from, to, reason) = match adjust.direction {
        Direction::Credit => (&store, &user, Reason::Credit),
        Direction::Debit => (&user, &store, Reason::Debit),
    };
    let movement = Movement {
        id: &step.transfer,
        from,
        to,
        amount,
        reason,
        reference: None,
        note: Some(&adjust.reason),
        actor: &step.actor,
        at: step.at,
    };
    if !transfer::exists(db, &step.transfer)? {
        transfer::carry_out(db, &movement)?;
    }
    Ok(Adjusted {
        id: TransferId::stored(step.transfer.clone()),
        user: adjust.user.clone(),
        amount,
        direction: adjust.direction,
        reason: adjust.reason.to_string(),
        created_at: step.at,
    })
}
