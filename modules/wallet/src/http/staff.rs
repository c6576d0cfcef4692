//! `/v1/admin/wallets`: what staff see and do.

use actix_web::web::Data;
use emporium_auth_api::UserId;
use emporium_database::{Db, audit};
use emporium_kernel::{Answer, Idempotent, Json, Line, Path, PositiveMoney, Problem, Routes, Staff};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Because;
use crate::adjustment::{self, Adjust, Adjusted, Direction};
use crate::{Balance, Ledger, balances, freeze as freezes};

pub(super) fn routes() -> Routes {
    Routes::new("wallet")
        .get("/v1/admin/wallets/{user}", show, "What a user has, and whether the wallet is frozen.")
        .post("/v1/admin/wallets/{user}/credit", credit, "Gives money to a user.")
        .post("/v1/admin/wallets/{user}/debit", debit, "Takes money from a user.")
        .refuses(&[402])
        .post("/v1/admin/wallets/{user}/freeze", freeze, "Stops new debits; credits and what is held go on.")
        .post("/v1/admin/wallets/{user}/unfreeze", unfreeze, "Lets a user spend again.")
}

/// A wallet as staff see it.
#[derive(Debug, Serialize, JsonSchema)]
struct StaffWallet {
    /// Whose.
    user: UserId,
    /// Whether new debits are stopped.
    frozen: bool,
    /// By currency.
    balances: Vec<Balance>,
}

async fn show(access: Staff, ledger: Data<Ledger>, user: Path<UserId>) -> Result<Answer<StaffWallet>, Problem> {
    let id = user.0.to_string();
    let read = move |db: &mut _| Ok((freezes::is_frozen(db, &id)?, balances(db, &id)?));
    let (frozen, balances) = ledger.database().read(read).await?;
    if balances.is_empty() {
        ledger.user(&access.call, &user.0).await?;
    }
    Ok(Answer::new(StaffWallet { user: user.0, frozen, balances }))
}

/// A correction to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Correction {
    /// How much.
    amount: PositiveMoney,
    /// Why; the user sees it.
    reason: Line<200>,
}

async fn credit(
    access: Staff,
    ledger: Data<Ledger>,
    user: Path<UserId>,
    ask: Idempotent<Correction>,
) -> Result<Answer<Adjusted, 201>, Problem> {
    if let Err(error) = ledger.user(&access.call, &user.0).await {
        return ledger.answered_before(ask.key(&access.caller)).await?.ok_or(error)?.into_answer();
    }
    adjust(access, ledger, Direction::Credit, user.0, ask).await
}

async fn debit(
    access: Staff,
    ledger: Data<Ledger>,
    user: Path<UserId>,
    ask: Idempotent<Correction>,
) -> Result<Answer<Adjusted, 201>, Problem> {
    adjust(access, ledger, Direction::Debit, user.0, ask).await
}

async fn adjust(
    access: Staff,
    ledger: Data<Ledger>,
    direction: Direction,
    user: UserId,
    ask: Idempotent<Correction>,
) -> Result<Answer<Adjusted, 201>, Problem> {
    let (key, amount) = (ask.key(&access.caller), ledger.within_cap(ask.body.amount)?);
    let (actor, reason) = (access.caller.id.clone(), ask.body.reason);
    let step = ledger.step(actor.clone());
    let adjust = Adjust { user, direction, amount, reason, actor };
    let entry = adjust.entry(&ledger, &access.call);
    let effect = move |db: &mut Db| {
        let made = adjustment::make(db, &adjust, &step)?;
        audit::write(db, &entry)?;
        Ok(made)
    };
    ledger.once(key, 201, effect).await?.into_answer()
}

async fn freeze(
    access: Staff,
    ledger: Data<Ledger>,
    user: Path<UserId>,
    because: Json<Because>,
) -> Result<Answer<(), 204>, Problem> {
    // Whoever has money here is known, also while nobody can ask auth.
    if ledger.balances(user.0.as_str()).await?.is_empty() {
        ledger.user(&access.call, &user.0).await?;
    }
    let (reason, actor, now) = (because.0.into_text(), access.caller.id.clone(), ledger.clock.now());
    let entry = ledger.entry(&access.call, "wallet.frozen", user.0.as_str(), &json!({}));
    let work = move |db: &mut Db| {
        if audit::was_written(db, &entry)? {
            return Ok(());
        }
        freezes::freeze(db, user.0.as_str(), reason.as_deref(), &actor, now)?;
        audit::write(db, &entry)
    };
    ledger.database().write(work).await?;
    Ok(Answer::new(()))
}

async fn unfreeze(
    access: Staff,
    ledger: Data<Ledger>,
    user: Path<UserId>,
    because: Json<Because>,
) -> Result<Answer<(), 204>, Problem> {
    tracing::info!(user = %user.0, reason = because.0.into_text(), "a wallet is unfrozen");
    let entry = ledger.entry(&access.call, "wallet.unfrozen", user.0.as_str(), &json!({}));
    let work = move |db: &mut Db| {
        if audit::was_written(db, &entry)? {
            return Ok(());
        }
        freezes::unfreeze(db, user.0.as_str())?;
        audit::write(db, &entry)
    };
    ledger.database().write(work).await?;
    Ok(Answer::new(()))
}
