//! Withdrawals: money that a user takes out, set aside until it is paid or rejected.

use emporium_database::prelude::*;
use emporium_database::{Db, Failure, is, overtaken, pair, refuse};
use emporium_kernel::{Money, PositiveMoney, Timestamp, id};
use emporium_wallet_api::{HoldId, HoldState, TransferId, WalletError};

use crate::account::{Account, Kind as AccountKind};
use crate::hold::{self, Wanted};
use crate::request::{Decision, Filter};
use crate::resolve::{self, Step};
use crate::schema::withdrawal;
use crate::stored::{Word, words};
use crate::transfer::Reason;
use crate::{Done, stored};

id!(
    /// Names a withdrawal.
    WithdrawalId = "wdr"
);

words! {
    /// Where a withdrawal stands.
    pub enum WithdrawalStatus {
        /// Set aside, not paid yet.
        Pending = "pending",
        /// Paid out.
        Paid = "paid",
        /// Given back.
        Rejected = "rejected",
    }
}

/// A withdrawal.
#[derive(Clone, Debug)]
pub(crate) struct Withdrawal {
    pub(crate) id: WithdrawalId,
    pub(crate) user: String,
    pub(crate) amount: Money,
    pub(crate) status: WithdrawalStatus,
    pub(crate) reason: Option<String>,
    pub(crate) decided_by: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) decided_at: Option<Timestamp>,
}

/// A withdrawal that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) id: WithdrawalId,
    pub(crate) hold: HoldId,
    pub(crate) user: String,
    pub(crate) amount: PositiveMoney,
    pub(crate) at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = withdrawal)]
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

fn read(row: Row) -> Done<Withdrawal> {
    Ok(Withdrawal {
        id: WithdrawalId::stored(row.id),
        user: row.user_id,
        amount: stored::money(row.amount, &row.currency)?,
        status: WithdrawalStatus::read(&row.state)?,
        reason: row.reason,
        decided_by: row.decided_by,
        created_at: Timestamp::from_micros(row.created_at),
        decided_at: row.decided_at.map(Timestamp::from_micros),
    })
}

/// Notes a withdrawal and sets its money aside.
pub(crate) fn ask(db: &mut Db, asked: &Asked) -> Done<Withdrawal> {
    let amount = asked.amount.get();
    let wanted = Wanted {
        id: &asked.hold,
        from: &Account::of_user(&asked.user, amount.currency()),
        to: Some(&Account::of_store(AccountKind::CashOut, amount.currency())),
        amount,
        reason: Reason::Withdrawal,
        reference: asked.id.as_str(),
        expires_in: None,
        actor: &asked.user,
        at: asked.at,
    };
    hold::take(db, &wanted)?;
    let row = (
        withdrawal::id.eq(asked.id.as_str()),
        withdrawal::user_id.eq(&asked.user),
        withdrawal::amount.eq(amount.amount()),
        withdrawal::currency.eq(amount.currency().code()),
        withdrawal::state.eq(WithdrawalStatus::Pending.text()),
        withdrawal::hold_id.eq(asked.hold.as_str()),
        withdrawal::created_at.eq(asked.at.micros()),
    );
    diesel::insert_into(withdrawal::table).values(row).execute(db)?;
    find(db, &asked.id)
}

/// Pays from the money set aside. Paying twice changes nothing; a rejected withdrawal is refused.
pub(crate) fn pay(db: &mut Db, id: &WithdrawalId, transfer: &TransferId, by: &Decision) -> Done<Withdrawal> {
    decide(db, id, WithdrawalStatus::Paid, transfer, by, resolve::pay_out)
}

/// Gives the money free again. Rejecting twice changes nothing; a paid withdrawal is refused.
pub(crate) fn reject(db: &mut Db, id: &WithdrawalId, transfer: &TransferId, by: &Decision) -> Done<Withdrawal> {
    decide(db, id, WithdrawalStatus::Rejected, transfer, by, |db, row, step| {
        resolve::give_free(db, row, HoldState::Voided, step)
    })
}

/// Closes the withdrawal, then ends its hold, which a pending withdrawal always has.
fn decide(
    db: &mut Db,
    id: &WithdrawalId,
    to: WithdrawalStatus,
    transfer: &TransferId,
    by: &Decision,
    end: impl FnOnce(&mut Db, &hold::Row, &Step) -> Done<bool>,
) -> Done<Withdrawal> {
    if !close(db, id, to, transfer.as_str(), by)? {
        return decided(db, id, to);
    }
    let hold: String =
        withdrawal::table.filter(withdrawal::id.eq(id.as_str())).select(withdrawal::hold_id).first(db)?;
    let step = Step { transfer: transfer.to_string(), actor: by.actor.clone(), at: by.at };
    let ended = match hold::find(db, &HoldId::stored(hold))? {
        Some(row) => end(db, &row, &step)?,
        None => false,
    };
    if ended { find(db, id) } else { Err(Failure::corrupt(format!("{id} has nothing set aside"))) }
}

fn close(db: &mut Db, id: &WithdrawalId, to: WithdrawalStatus, transfer: &str, by: &Decision) -> Done<bool> {
    let pending = withdrawal::table
        .filter(withdrawal::id.eq(id.as_str()).and(withdrawal::state.eq(WithdrawalStatus::Pending.text())));
    let set = (
        withdrawal::state.eq(to.text()),
        withdrawal::transfer_id.eq(transfer),
        withdrawal::reason.eq(&by.reason),
        withdrawal::decided_by.eq(&by.actor),
        withdrawal::decided_at.eq(by.at.micros()),
    );
    Ok(diesel::update(pending).set(set).execute(db)? == 1)
}

/// Why it could not be decided: it is not there, or was decided before; the same way is no refusal.
fn decided(db: &mut Db, id: &WithdrawalId, wanted: WithdrawalStatus) -> Done<Withdrawal> {
    let found = find(db, id)?;
    if found.status == wanted {
        return Ok(found);
    }
    if found.status == WithdrawalStatus::Pending {
        return overtaken();
    }
    refuse(WalletError::AlreadyDecided { state: found.status.text().to_owned() })
}

pub(crate) fn find(db: &mut Db, id: &WithdrawalId) -> Done<Withdrawal> {
    let row: Option<Row> =
        withdrawal::table.filter(withdrawal::id.eq(id.as_str())).select(Row::columns()).first(db).optional()?;
    row.map_or_else(|| refuse(WalletError::NotFound), read)
}

/// Withdrawals, newest first, one more than a page shows.
pub(crate) fn list(db: &mut Db, filter: &Filter<WithdrawalStatus>) -> Done<Vec<Withdrawal>> {
    let mut query = withdrawal::table.select(Row::columns()).into_boxed();
    if let Some(user) = &filter.user {
        query = query.filter(is(withdrawal::user_id, user)).order(withdrawal::user_id.desc());
    }
    if let Some(state) = filter.status.map(Word::text) {
        query = query.filter(is(withdrawal::state, state)).then_order_by(withdrawal::state.desc());
    }
    if let Some((at, id)) = &filter.after {
        query = query.filter(pair(withdrawal::created_at, withdrawal::id).lt((*at, id)));
    }
    let newest =
        query.then_order_by((withdrawal::created_at.desc(), withdrawal::id.desc())).limit(filter.limit.probe());
    diesel::RunQueryDsl::load(newest, db)?.into_iter().map(read).collect()
}
