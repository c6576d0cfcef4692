//! Deposits: money that a user says comes in, credited once it is confirmed.

use emporium_database::prelude::*;
use emporium_database::{Db, is, overtaken, pair, refuse};
use emporium_kernel::{Money, PositiveMoney, Timestamp, id};
use emporium_wallet_api::{TransferId, WalletError};

use crate::account::{Account, Kind as AccountKind};
use crate::request::{Decision, Filter};
use crate::schema::deposit;
use crate::stored::{Word, words};
use crate::transfer::{self, Movement, Reason};
use crate::{Done, stored};

id!(
    /// Names a deposit.
    DepositId = "dep"
);

words! {
    /// Where a deposit stands.
    pub enum DepositStatus {
        /// Not credited yet.
        Pending = "pending",
        /// Credited.
        Confirmed = "confirmed",
        /// Never to be credited.
        Rejected = "rejected",
    }
}

/// A deposit.
#[derive(Clone, Debug)]
pub(crate) struct Deposit {
    pub(crate) id: DepositId,
    pub(crate) user: String,
    pub(crate) amount: Money,
    pub(crate) status: DepositStatus,
    pub(crate) reason: Option<String>,
    pub(crate) decided_by: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) decided_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = deposit)]
struct Row {
    id: String,
    user_id: String,
    amount: i64,
    currency: String,
    state: String,
    reason: Option<String>,
    decided_by: Option<String>,
    created_at: i64,
    decided_at: Option<i64>,
}

fn read(row: Row) -> Done<Deposit> {
    Ok(Deposit {
        id: DepositId::stored(row.id),
        user: row.user_id,
        amount: stored::money(row.amount, &row.currency)?,
        status: DepositStatus::read(&row.state)?,
        reason: row.reason,
        decided_by: row.decided_by,
        created_at: Timestamp::from_micros(row.created_at),
        decided_at: row.decided_at.map(Timestamp::from_micros),
    })
}

/// Notes a deposit that waits for its confirmation.
pub(crate) fn ask(db: &mut Db, id: &DepositId, user: &str, amount: PositiveMoney, at: Timestamp) -> Done<Deposit> {
    let amount = amount.get();
    let row = (
        deposit::id.eq(id.as_str()),
        deposit::user_id.eq(user),
        deposit::amount.eq(amount.amount()),
        deposit::currency.eq(amount.currency().code()),
        deposit::state.eq(DepositStatus::Pending.text()),
        deposit::created_at.eq(at.micros()),
    );
    diesel::insert_into(deposit::table).values(row).execute(db)?;
    find(db, id)
}

/// Credits a deposit. Confirming twice changes nothing; a rejected one is refused.
pub(crate) fn confirm(db: &mut Db, id: &DepositId, transfer: &TransferId, by: &Decision) -> Done<Deposit> {
    if !close(db, id, DepositStatus::Confirmed, Some(transfer.as_str()), by)? {
        return decided(db, id, DepositStatus::Confirmed);
    }
    let confirmed = find(db, id)?;
    let currency = confirmed.amount.currency();
    let movement = Movement {
        id: transfer.as_str(),
        from: &Account::of_store(AccountKind::CashIn, currency),
        to: &Account::of_user(&confirmed.user, currency),
        amount: confirmed.amount,
        reason: Reason::Deposit,
        reference: Some(id.as_str()),
        note: None,
        actor: &by.actor,
        at: by.at,
    };
    transfer::carry_out(db, &movement)?;
    Ok(confirmed)
}

/// Ends a deposit without crediting it. Rejecting twice changes nothing; a confirmed one is refused.
pub(crate) fn reject(db: &mut Db, id: &DepositId, by: &Decision) -> Done<Deposit> {
    if close(db, id, DepositStatus::Rejected, None, by)? {
        find(db, id)
    } else {
        decided(db, id, DepositStatus::Rejected)
    }
}

fn close(db: &mut Db, id: &DepositId, to: DepositStatus, transfer: Option<&str>, by: &Decision) -> Done<bool> {
    let pending =
        deposit::table.filter(deposit::id.eq(id.as_str()).and(deposit::state.eq(DepositStatus::Pending.text())));
    let set = (
        deposit::state.eq(to.text()),
        deposit::transfer_id.eq(transfer),
        deposit::reason.eq(&by.reason),
        deposit::decided_by.eq(&by.actor),
        deposit::decided_at.eq(by.at.micros()),
    );
    Ok(diesel::update(pending).set(set).execute(db)? == 1)
}

/// Why it could not be decided: it is not there, or was decided before; the same way is no refusal.
fn decided(db: &mut Db, id: &DepositId, wanted: DepositStatus) -> Done<Deposit> {
    let found = find(db, id)?;
    if found.status == wanted {
        return Ok(found);
    }
    if found.status == DepositStatus::Pending {
        return overtaken();
    }
    refuse(WalletError::AlreadyDecided { state: found.status.text().to_owned() })
}

pub(crate) fn find(db: &mut Db, id: &DepositId) -> Done<Deposit> {
    let row: Option<Row> =
        deposit::table.filter(deposit::id.eq(id.as_str())).select(Row::columns()).first(db).optional()?;
    row.map_or_else(|| refuse(WalletError::NotFound), read)
}

/// Deposits, newest first, one more than a page shows.
pub(crate) fn list(db: &mut Db, filter: &Filter<DepositStatus>) -> Done<Vec<Deposit>> {
    let mut query = deposit::table.select(Row::columns()).into_boxed();
    if let Some(user) = &filter.user {
        query = query.filter(is(deposit::user_id, user)).order(deposit::user_id.desc());
    }
    if let Some(state) = filter.status.map(Word::text) {
        query = query.filter(is(deposit::state, state)).then_order_by(deposit::state.desc());
    }
    if let Some((at, id)) = &filter.after {
        query = query.filter(pair(deposit::created_at, deposit::id).lt((*at, id)));
    }
    let newest = query.then_order_by((deposit::created_at.desc(), deposit::id.desc())).limit(filter.limit.probe());
    diesel::RunQueryDsl::load(newest, db)?.into_iter().map(read).collect()
}
