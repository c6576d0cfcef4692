//! Payments: money that one user sends to another.

use emporium_auth_api::{Email, FindUser, UserId};
use emporium_database::Db;
use emporium_kernel::{Confirmed, Idempotency, Line, Money, PositiveMoney, Problem, Stored, Timestamp, invalid};
use emporium_wallet_api::{TransferId, WalletError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use crate::account::Account;
use crate::resolve::Step;
use crate::transfer::{self, Movement, Reason};
use crate::{Done, Ledger};

/// Money to be sent.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTransfer {
    /// E-mail address or user id.
    to: Recipient,
    /// How much.
    amount: PositiveMoney,
    /// What for; both sides see it.
    note: Option<Line<200>>,
}

/// Money that was sent.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Transferred {
    /// The transfer.
    id: TransferId,
    /// To whom, as it was asked for.
    to: Recipient,
    /// How much.
    amount: Money,
    /// What for.
    note: Option<Line<200>>,
    /// When.
    created_at: Timestamp,
}

/// Names the user who gets money.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Recipient {
    Id(UserId),
    Email(Email),
}

impl<'de> Deserialize<'de> for Recipient {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let id = UserId::parse(&text).map(Self::Id);
        id.or_else(|| Email::parse(&text).map(Self::Email))
            .ok_or_else(|| invalid("invalid_recipient", "write an e-mail address or a user id"))
    }
}

impl JsonSchema for Recipient {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Recipient".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "description": "E-mail address or user id", "maxLength": 254})
    }
}

impl Ledger {
    /// Sends money of the caller, once for the key. Who gets it is found out before anything is written.
    pub(crate) async fn send(&self, access: &Confirmed, key: Idempotency, ask: NewTransfer) -> Result<Stored, Problem> {
        self.within_cap(ask.amount)?;
        let recipient = match self.recipient(access, &ask.to).await {
            Ok(recipient) => recipient,
            Err(error) => return self.answered_before(key).await?.ok_or_else(|| error.into()),
        };
        let currency = ask.amount.get().currency();
        let from = Account::of_user(&access.caller.id, currency);
        let to = Account::of_user(recipient.as_str(), currency);
        let step = self.step(access.caller.id.clone());
        Ok(self.once(key, 201, move |db| carry_out(db, &from, &to, &ask, &step)).await?)
    }

    async fn recipient(&self, access: &Confirmed, to: &Recipient) -> Result<UserId, WalletError> {
        let ask = match to {
            Recipient::Id(id) => FindUser::Id(id.clone()),
            Recipient::Email(email) => FindUser::Email(email.clone()),
        };
        match self.find_user(&access.call, ask).await? {
            Some(user) if user.id.as_str() == access.caller.id => Err(WalletError::SelfTransfer),
            Some(user) if !user.disabled => Ok(user.id),
            _ => Err(WalletError::UnknownRecipient),
        }
    }
}

fn carry_out(db: &mut Db, from: &Account, to: &Account, ask: &NewTransfer, step: &Step) -> Done<Transferred> {
    let movement = Movement {
        id: &step.transfer,
        from,
        to,
        amount: ask.amount.get(),
        reason: Reason::Transfer,
        reference: None,
        note: ask.note.as_deref(),
        actor: &step.actor,
        at: step.at,
    };
    transfer::carry_out(db, &movement)?;
    Ok(Transferred {
        id: TransferId::stored(step.transfer.clone()),
        to: ask.to.clone(),
        amount: movement.amount,
        note: ask.note.clone(),
        created_at: step.at,
    })
}
