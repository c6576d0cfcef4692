//! Holds: money set aside, which resolves at most once: captured, voided or expired.

use std::time::Duration;

use emporium_database::prelude::*;
use emporium_database::{Db, Failure, refuse};
use emporium_kernel::{Money, Timestamp, Verdict};
use emporium_wallet_api::lifecycle::Request;
use emporium_wallet_api::{HoldId, HoldState, HoldStatus, WalletError};
use sha2::{Digest, Sha256};

use crate::account::{self, Account};
use crate::schema::{hold, resolution};
use crate::stored::Word;
use crate::transfer::{self, Kind, Reason, Transfer};
use crate::{Done, stored};

/// How long a hold may arrive after its void and still be refused.
pub(crate) const TOMBSTONES_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What became of a command: its answer or its refusal, both of which are stored.
pub(crate) type Outcome = Result<HoldStatus, WalletError>;

/// Money to be set aside.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) id: &'a HoldId,
    pub(crate) from: &'a Account,
    /// Who gets it, when that is known from the start.
    pub(crate) to: Option<&'a Account>,
    pub(crate) amount: Money,
    pub(crate) reason: Reason,
    pub(crate) reference: &'a str,
    /// `None` keeps it until somebody decides.
    pub(crate) expires_in: Option<Duration>,
    pub(crate) actor: &'a str,
    pub(crate) at: Timestamp,
}

/// A hold as it is stored.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = hold)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) account_id: String,
    pub(crate) payee_account: Option<String>,
    amount: i64,
    currency: String,
    state: String,
    reason: String,
    pub(crate) reference: String,
    refusal: Option<String>,
    fingerprint: String,
}

impl Row {
    pub(crate) fn amount(&self) -> Done<Money> {
        stored::money(self.amount, &self.currency)
    }

    pub(crate) fn reason(&self) -> Done<Reason> {
        Reason::read(&self.reason)
    }

    pub(crate) fn state(&self) -> Done<HoldState> {
        read_state(&self.state)
    }

    pub(crate) fn status(&self) -> Done<HoldStatus> {
        let (id, state) = (HoldId::stored(self.id.clone()), self.state()?);
        let amount = if state == HoldState::Tombstone { None } else { Some(self.amount()?) };
        Ok(HoldStatus { id, state, amount })
    }
}

/// Sets money aside for an order and stores the outcome, refusals included. A repetition gets the stored outcome.
pub(crate) fn ask(db: &mut Db, wanted: &Wanted<'_>) -> Done<Outcome> {
    if let Some(row) = find(db, wanted.id)? {
        return repeat(&row, wanted);
    }
    match account::hold(db, wanted.from, wanted.amount.amount()) {
        Ok(()) => {
            insert(db, wanted, None)?;
            let (id, amount) = (wanted.id.clone(), Some(wanted.amount));
            Ok(Ok(HoldStatus { id, state: HoldState::Held, amount }))
        }
        Err(Failure::Refused(refusal)) => {
            insert(db, wanted, Some(&refusal))?;
            Ok(Err(refusal))
        }
        Err(failure) => Err(failure),
    }
}

fn repeat(row: &Row, wanted: &Wanted<'_>) -> Done<Outcome> {
    let state = row.state()?;
    if state != HoldState::Tombstone && row.fingerprint != fingerprint(wanted) {
        return refuse(WalletError::IdReused);
    }
    Ok(match HoldState::verdict(Some(state), Request::Hold) {
        Verdict::Stays(HoldState::Refused) => {
            let refusal = row.refusal.as_deref().unwrap_or_default();
            Err(serde_json::from_str(refusal).map_err(Failure::corrupt)?)
        }
        Verdict::Becomes(_) | Verdict::Stays(_) => Ok(row.status()?),
        Verdict::Ended(state) => Err(WalletError::HoldEnded { state }),
        Verdict::Unknown => Err(WalletError::UnknownHold),
    })
}

/// Sets money aside or changes nothing.
pub(crate) fn take(db: &mut Db, wanted: &Wanted<'_>) -> Done<()> {
    account::hold(db, wanted.from, wanted.amount.amount())?;
    if let Some(payee) = wanted.to {
        account::expect(db, payee, wanted.amount.amount(), wanted.at)?;
    }
    insert(db, wanted, None)
}

fn insert(db: &mut Db, wanted: &Wanted<'_>, refusal: Option<&WalletError>) -> Done<()> {
    let state = if refusal.is_none() { HoldState::Held } else { HoldState::Refused };
    let payee = wanted.to.map(|payee| payee.id.as_str());
    let expires_at = wanted.expires_in.map(|patience| wanted.at.plus(patience).micros());
    let refusal_text = refusal.map(serde_json::to_string).transpose().map_err(Failure::corrupt)?;
    let row = (
        hold::id.eq(wanted.id.as_str()),
        hold::account_id.eq(wanted.from.id.as_str()),
        hold::payee_account.eq(payee),
        hold::amount.eq(wanted.amount.amount()),
        hold::currency.eq(wanted.amount.currency().code()),
        hold::state.eq(state_text(state)),
        hold::reason.eq(wanted.reason.text()),
        hold::reference.eq(wanted.reference),
        hold::refusal.eq(refusal_text),
        hold::fingerprint.eq(fingerprint(wanted)),
        hold::expires_at.eq(expires_at),
        hold::created_at.eq(wanted.at.micros()),
    );
    diesel::insert_into(hold::table).values(row).execute(db)?;
    let transfer = Transfer {
        id: wanted.id.as_str(),
        kind: Kind::Hold,
        debit: wanted.from.id.as_str(),
        credit: payee,
        amount: wanted.amount,
        pending: None,
        reason: wanted.reason,
        reference: Some(wanted.reference),
        note: None,
        actor: wanted.actor,
        at: wanted.at,
    };
    transfer::insert(db, &transfer, refusal)
}

/// What makes a repetition the same. How long it is kept is not part of it: a setting may change between the two.
fn fingerprint(wanted: &Wanted<'_>) -> String {
    let (amount, currency) = (wanted.amount.amount(), wanted.amount.currency());
    let text = format!("{}\n{}\n{}\n{amount}\n{currency}", wanted.reason.text(), wanted.reference, wanted.from.id);
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn find(db: &mut Db, id: &HoldId) -> Done<Option<Row>> {
    Ok(hold::table.filter(hold::id.eq(id.as_str())).select(Row::columns()).first(db).optional()?)
}

/// The hold of an order; those of withdrawals are nobody else's business.
pub(crate) fn of_order(db: &mut Db, id: &HoldId) -> Done<Option<Row>> {
    match find(db, id)? {
        Some(row) if row.reason != Reason::Order.text() => refuse(WalletError::UnknownHold),
        found => Ok(found),
    }
}

/// Where holds of orders stand, in the order of their ids.
pub(crate) fn of_orders(db: &mut Db, ids: &[HoldId]) -> Done<Vec<HoldStatus>> {
    let mut all = Vec::new();
    for some in ids.chunks(500) {
        let rows: Vec<Row> = hold::table
            .filter(hold::id.eq_any(some.iter().map(HoldId::as_str)).and(hold::reason.eq(Reason::Order.text())))
            .select(Row::columns())
            .order(hold::id)
            .load(db)?;
        for row in rows {
            all.push(row.status()?);
        }
    }
    Ok(all)
}

/// Ends a hold that is still held: the compare-and-set, and the row that the database takes once only. `false` when
/// somebody else ended it first.
pub(crate) fn resolve(db: &mut Db, row: &Row, to: HoldState, transfer: &str) -> Done<bool> {
    let held = hold::table.filter(hold::id.eq(&row.id).and(hold::state.eq(state_text(HoldState::Held))));
    if diesel::update(held).set(hold::state.eq(state_text(to))).execute(db)? != 1 {
        return Ok(false);
    }
    let resolved = (resolution::pending_id.eq(&row.id), resolution::transfer_id.eq(transfer));
    diesel::insert_into(resolution::table).values(resolved).execute(db)?;
    Ok(true)
}

/// Makes whoever asks for this hold later be refused.
pub(crate) fn bury(db: &mut Db, id: &HoldId, now: Timestamp) -> Done<HoldStatus> {
    let row = (
        hold::id.eq(id.as_str()),
        hold::account_id.eq(""),
        hold::amount.eq(0),
        hold::currency.eq(""),
        hold::state.eq(state_text(HoldState::Tombstone)),
        hold::reason.eq(Reason::Order.text()),
        hold::reference.eq(""),
        hold::fingerprint.eq(""),
        hold::expires_at.eq(now.plus(TOMBSTONES_KEPT).micros()),
        hold::created_at.eq(now.micros()),
    );
    diesel::insert_into(hold::table).values(row).execute(db)?;
    Ok(HoldStatus { id: id.clone(), state: HoldState::Tombstone, amount: None })
}

/// Rows in this state whose time is over, the oldest first.
pub(crate) fn overdue(db: &mut Db, state: HoldState, now: Timestamp, limit: i64) -> Done<Vec<Row>> {
    Ok(hold::table
        .filter(hold::state.eq(state_text(state)).and(hold::expires_at.le(now.micros())))
        .select(Row::columns())
        .order(hold::expires_at)
        .limit(limit)
        .load(db)?)
}

/// Forgets a tombstone whose time is over.
pub(crate) fn forget(db: &mut Db, row: &Row, now: Timestamp) -> Done<()> {
    let tombstone = hold::id.eq(&row.id).and(hold::state.eq(state_text(HoldState::Tombstone)));
    diesel::delete(hold::table.filter(tombstone.and(hold::expires_at.le(now.micros())))).execute(db)?;
    Ok(())
}

/// The word for a state in the database.
pub(crate) const fn state_text(state: HoldState) -> &'static str {
    match state {
        HoldState::Held => "held",
        HoldState::Captured => "captured",
        HoldState::Voided => "voided",
        HoldState::Expired => "expired",
        HoldState::Refused => "refused",
        HoldState::Tombstone => "tombstone",
    }
}

/// Reads the word for a state.
pub(crate) fn read_state(text: &str) -> Done<HoldState> {
    use HoldState::{Captured, Expired, Held, Refused, Tombstone, Voided};
    [Held, Captured, Voided, Expired, Refused, Tombstone]
        .into_iter()
        .find(|state| state_text(*state) == text)
        .ok_or_else(|| Failure::corrupt(text))
}
