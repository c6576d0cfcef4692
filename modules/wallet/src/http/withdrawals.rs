//! Withdrawals: asked for by users, decided by staff.

use actix_web::web::Data;
use emporium_database::{Db, audit, refuse};
use emporium_kernel::{
    Answer, Confirmed, Idempotent, Money, NewestFirst, Page, Path, PositiveMoney, Problem, Query, Routes, ServedPage,
    Staff, Timestamp,
};
use emporium_wallet_api::{HoldId, TransferId, WalletError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Because, Requests};
use crate::Ledger;
use crate::request::{Decision, Filter};
use crate::withdrawal::{self, Asked, Withdrawal, WithdrawalId, WithdrawalStatus};

pub(super) fn routes() -> Routes {
    Routes::new("wallet")
        .post("/v1/wallet/withdrawals", ask, "Sets money aside to be paid out.")
        .refuses(&[402])
        .get("/v1/wallet/withdrawals", list, "The caller's withdrawals, newest first.")
        .get("/v1/wallet/withdrawals/{id}", show, "One of the caller's withdrawals.")
        .get("/v1/admin/withdrawals", list_all, "Withdrawals of everybody, newest first.")
        .post("/v1/admin/withdrawals/{id}/pay", pay, "Pays a withdrawal from what was set aside.")
        .post("/v1/admin/withdrawals/{id}/reject", reject, "Gives what was set aside free again.")
}

/// A withdrawal as its user sees it.
#[derive(Debug, Serialize, JsonSchema)]
struct WithdrawalView {
    id: WithdrawalId,
    status: WithdrawalStatus,
    amount: Money,
    /// What staff wrote when they decided.
    reason: Option<String>,
    created_at: Timestamp,
    decided_at: Option<Timestamp>,
}

impl From<Withdrawal> for WithdrawalView {
    fn from(withdrawal: Withdrawal) -> Self {
        let Withdrawal { id, amount, status, reason, created_at, decided_at, .. } = withdrawal;
        Self { id, status, amount, reason, created_at, decided_at }
    }
}

/// A withdrawal as staff see it.
#[derive(Debug, Serialize, JsonSchema)]
struct StaffWithdrawal {
    user: String,
    decided_by: Option<String>,
    #[serde(flatten)]
    withdrawal: WithdrawalView,
}

impl From<Withdrawal> for StaffWithdrawal {
    fn from(withdrawal: Withdrawal) -> Self {
        Self { user: withdrawal.user.clone(), decided_by: withdrawal.decided_by.clone(), withdrawal: withdrawal.into() }
    }
}

/// A withdrawal to be set aside.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewWithdrawal {
    /// How much.
    amount: PositiveMoney,
}

async fn ask(
    access: Confirmed,
    ledger: Data<Ledger>,
    ask: Idempotent<NewWithdrawal>,
) -> Result<Answer<WithdrawalView, 201>, Problem> {
    let (key, amount) = (ask.key(&access.caller), ledger.within_cap(ask.body.amount)?);
    let (user, at) = (access.caller.id.clone(), ledger.clock.now());
    let (id, hold) = (WithdrawalId::new(at, &ledger.random), HoldId::new(at, &ledger.random));
    let asked = Asked { id, hold, user, amount, at };
    let stored = ledger.once(key, 201, move |db| Ok(WithdrawalView::from(withdrawal::ask(db, &asked)?)));
    stored.await?.into_answer()
}

async fn list(
    access: Confirmed,
    ledger: Data<Ledger>,
    window: Query<NewestFirst>,
) -> Result<ServedPage<WithdrawalView>, Problem> {
    let user = Some(access.caller.id.clone());
    let filter = Filter { user, status: None, limit: window.0.limit, after: window.0.after.map(|cursor| cursor.0) };
    Ok(Answer::new(page(&ledger, filter).await?.map(WithdrawalView::from)))
}

async fn list_all(
    _: Staff,
    ledger: Data<Ledger>,
    query: Query<Requests<WithdrawalStatus>>,
) -> Result<ServedPage<StaffWithdrawal>, Problem> {
    Ok(Answer::new(page(&ledger, query.0.into()).await?.map(StaffWithdrawal::from)))
}

async fn page(ledger: &Ledger, filter: Filter<WithdrawalStatus>) -> Result<Page<Withdrawal>, WalletError> {
    let limit = filter.limit;
    let rows = ledger.database().read(move |db| withdrawal::list(db, &filter)).await?;
    Ok(Page::of(rows, limit, |row| (row.created_at.micros(), row.id.clone())))
}

async fn show(
    access: Confirmed,
    ledger: Data<Ledger>,
    id: Path<WithdrawalId>,
) -> Result<Answer<WithdrawalView>, Problem> {
    let user = access.caller.id.clone();
    let read = ledger.database().read(move |db| match withdrawal::find(db, &id.0)? {
        own if own.user == user => Ok(own),
        _ => refuse(WalletError::NotFound),
    });
    Ok(Answer::new(read.await?.into()))
}

async fn pay(
    access: Staff,
    ledger: Data<Ledger>,
    id: Path<WithdrawalId>,
    ask: Idempotent<Because>,
) -> Result<Answer<StaffWithdrawal>, Problem> {
    let (key, by) = (ask.key(&access.caller), decision(&access, &ledger, ask.body));
    let transfer = TransferId::new(by.at, &ledger.random);
    let entry = ledger.entry(&access.call, "withdrawal.paid", id.0.as_str(), &json!({}));
    let effect = move |db: &mut Db| {
        let decided = withdrawal::pay(db, &id.0, &transfer, &by)?;
        audit::write(db, &entry)?;
        Ok(StaffWithdrawal::from(decided))
    };
    ledger.once(key, 200, effect).await?.into_answer()
}

async fn reject(
    access: Staff,
    ledger: Data<Ledger>,
    id: Path<WithdrawalId>,
    ask: Idempotent<Because>,
) -> Result<Answer<StaffWithdrawal>, Problem> {
    let (key, by) = (ask.key(&access.caller), decision(&access, &ledger, ask.body));
    let transfer = TransferId::new(by.at, &ledger.random);
    let entry = ledger.entry(&access.call, "withdrawal.rejected", id.0.as_str(), &json!({}));
    let effect = move |db: &mut Db| {
        let decided = withdrawal::reject(db, &id.0, &transfer, &by)?;
        audit::write(db, &entry)?;
        Ok(StaffWithdrawal::from(decided))
    };
    ledger.once(key, 200, effect).await?.into_answer()
}

fn decision(access: &Staff, ledger: &Ledger, because: Because) -> Decision {
    Decision { actor: access.caller.id.clone(), reason: because.into_text(), at: ledger.clock.now() }
}
