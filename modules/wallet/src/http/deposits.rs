//! Deposits: asked for by users, decided by staff.

use actix_web::web::Data;
use emporium_database::{Db, audit, refuse};
use emporium_kernel::{
    Answer, Confirmed, Idempotent, Money, NewestFirst, Page, Path, PositiveMoney, Problem, Query, Routes, ServedPage,
    Staff, Timestamp,
};
use emporium_wallet_api::{TransferId, WalletError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Because, Requests};
use crate::Ledger;
use crate::deposit::{self, Deposit, DepositId, DepositStatus};
use crate::request::{Decision, Filter};
use crate::settings::Deposits;

pub(super) fn routes() -> Routes {
    Routes::new("wallet")
        .post("/v1/wallet/deposits", ask, "Says that money comes in; it is credited once it is confirmed.")
        .get("/v1/wallet/deposits", list, "The caller's deposits, newest first.")
        .get("/v1/wallet/deposits/{id}", show, "One of the caller's deposits.")
        .get("/v1/admin/deposits", list_all, "Deposits of everybody, newest first.")
        .post("/v1/admin/deposits/{id}/confirm", confirm, "Credits a deposit.")
        .post("/v1/admin/deposits/{id}/reject", reject, "Ends a deposit without crediting it.")
}

/// A deposit as its user sees it.
#[derive(Debug, Serialize, JsonSchema)]
struct DepositView {
    id: DepositId,
    status: DepositStatus,
    amount: Money,
    /// What staff wrote when they decided.
    reason: Option<String>,
    created_at: Timestamp,
    decided_at: Option<Timestamp>,
}

impl From<Deposit> for DepositView {
    fn from(deposit: Deposit) -> Self {
        let Deposit { id, amount, status, reason, created_at, decided_at, .. } = deposit;
        Self { id, status, amount, reason, created_at, decided_at }
    }
}

/// A deposit as staff see it.
#[derive(Debug, Serialize, JsonSchema)]
struct StaffDeposit {
    user: String,
    decided_by: Option<String>,
    #[serde(flatten)]
    deposit: DepositView,
}

impl From<Deposit> for StaffDeposit {
    fn from(deposit: Deposit) -> Self {
        Self { user: deposit.user.clone(), decided_by: deposit.decided_by.clone(), deposit: deposit.into() }
    }
}

/// A deposit to be noted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewDeposit {
    /// How much.
    amount: PositiveMoney,
}

async fn ask(
    access: Confirmed,
    ledger: Data<Ledger>,
    ask: Idempotent<NewDeposit>,
) -> Result<Answer<DepositView, 201>, Problem> {
    let (key, amount) = (ask.key(&access.caller), ledger.within_cap(ask.body.amount)?);
    let (user, now) = (access.caller.id.clone(), ledger.clock.now());
    let (id, transfer) = (DepositId::new(now, &ledger.random), TransferId::new(now, &ledger.random));
    let at_once = ledger.settings.deposits == Deposits::Instant;
    let by = Decision { actor: "instant".to_owned(), reason: None, at: now };
    let stored = ledger.once(key, 201, move |db| {
        let pending = deposit::ask(db, &id, &user, amount, now)?;
        let deposit = if at_once { deposit::confirm(db, &id, &transfer, &by)? } else { pending };
        Ok(DepositView::from(deposit))
    });
    stored.await?.into_answer()
}

async fn list(
    access: Confirmed,
    ledger: Data<Ledger>,
    window: Query<NewestFirst>,
) -> Result<ServedPage<DepositView>, Problem> {
    let user = Some(access.caller.id.clone());
    let filter = Filter { user, status: None, limit: window.0.limit, after: window.0.after.map(|cursor| cursor.0) };
    Ok(Answer::new(page(&ledger, filter).await?.map(DepositView::from)))
}

async fn list_all(
    _: Staff,
    ledger: Data<Ledger>,
    query: Query<Requests<DepositStatus>>,
) -> Result<ServedPage<StaffDeposit>, Problem> {
    Ok(Answer::new(page(&ledger, query.0.into()).await?.map(StaffDeposit::from)))
}

async fn page(ledger: &Ledger, filter: Filter<DepositStatus>) -> Result<Page<Deposit>, WalletError> {
    let limit = filter.limit;
    let rows = ledger.database().read(move |db| deposit::list(db, &filter)).await?;
    Ok(Page::of(rows, limit, |row| (row.created_at.micros(), row.id.clone())))
}

async fn show(access: Confirmed, ledger: Data<Ledger>, id: Path<DepositId>) -> Result<Answer<DepositView>, Problem> {
    let user = access.caller.id.clone();
    let read = ledger.database().read(move |db| match deposit::find(db, &id.0)? {
        own if own.user == user => Ok(own),
        _ => refuse(WalletError::NotFound),
    });
    Ok(Answer::new(read.await?.into()))
}

async fn confirm(
    access: Staff,
    ledger: Data<Ledger>,
    id: Path<DepositId>,
    ask: Idempotent<Because>,
) -> Result<Answer<StaffDeposit>, Problem> {
    let (key, by) = (ask.key(&access.caller), decision(&access, &ledger, ask.body));
    let transfer = TransferId::new(by.at, &ledger.random);
    let entry = ledger.entry(&access.call, "deposit.confirmed", id.0.as_str(), &json!({}));
    let effect = move |db: &mut Db| {
        let decided = deposit::confirm(db, &id.0, &transfer, &by)?;
        audit::write(db, &entry)?;
        Ok(StaffDeposit::from(decided))
    };
    ledger.once(key, 200, effect).await?.into_answer()
}

async fn reject(
    access: Staff,
    ledger: Data<Ledger>,
    id: Path<DepositId>,
    ask: Idempotent<Because>,
) -> Result<Answer<StaffDeposit>, Problem> {
    let (key, by) = (ask.key(&access.caller), decision(&access, &ledger, ask.body));
    let entry = ledger.entry(&access.call, "deposit.rejected", id.0.as_str(), &json!({}));
    let effect = move |db: &mut Db| {
        let decided = deposit::reject(db, &id.0, &by)?;
        audit::write(db, &entry)?;
        Ok(StaffDeposit::from(decided))
    };
    ledger.once(key, 200, effect).await?.into_answer()
}

fn decision(access: &Staff, ledger: &Ledger, because: Because) -> Decision {
    Decision { actor: access.caller.id.clone(), reason: because.into_text(), at: ledger.clock.now() }
}
