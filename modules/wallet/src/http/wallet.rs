//! `/v1/wallet`: balances, history, and money sent to other users.

use actix_web::web::Data;
use emporium_auth_api::UserId;
use emporium_kernel::{
    Answer, Confirmed, Currency, Cursor, Idempotent, Limit, Newest, Path, Problem, Query, Routes, ServedPage, Staff,
    Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::history::{self, Filter, Position, Transaction, TransactionKind};
use crate::payment::{NewTransfer, Transferred};
use crate::{Balance, Ledger};

pub(super) fn routes() -> Routes {
    Routes::new("wallet")
        .get("/v1/wallet", balances, "What the caller has, by currency.")
        .get("/v1/wallet/transactions", transactions, "The caller's history, newest first.")
        .post("/v1/wallet/transfers", send, "Sends money to another user.")
        .refuses(&[402, 404])
        .get("/v1/admin/wallets/{user}/transactions", transactions_of, "A user's history, newest first.")
}

/// What a user has.
#[derive(Debug, Serialize, JsonSchema)]
struct Balances {
    /// By currency; empty for a user who never had any money.
    balances: Vec<Balance>,
}

async fn balances(access: Confirmed, ledger: Data<Ledger>) -> Result<Answer<Balances>, Problem> {
    let balances = ledger.balances(&access.caller.id).await?;
    Ok(Answer::new(Balances { balances }))
}

/// Which part of a history is shown.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Shown {
    /// Only this currency.
    currency: Option<Currency>,
    /// Only this kind.
    kind: Option<TransactionKind>,
    /// Only from this instant on.
    from: Option<Timestamp>,
    /// Only before this instant.
    to: Option<Timestamp>,
    /// The only order there is.
    #[serde(rename = "sort")]
    _sort: Option<Newest>,
    /// Rows of a page.
    #[serde(default)]
    limit: Limit,
    /// Where the page begins.
    after: Option<Cursor<Position>>,
}

impl Shown {
    fn of(self, user: &str) -> Filter {
        Filter {
            user: user.to_owned(),
            currency: self.currency,
            kind: self.kind,
            from: self.from,
            to: self.to,
            limit: self.limit,
            after: self.after.map(|cursor| cursor.0),
        }
    }
}

async fn transactions(
    access: Confirmed,
    ledger: Data<Ledger>,
    query: Query<Shown>,
) -> Result<ServedPage<Transaction>, Problem> {
    let filter = query.0.of(&access.caller.id);
    Ok(Answer::new(ledger.database().read(move |db| history::page(db, &filter)).await?))
}

async fn transactions_of(
    _: Staff,
    ledger: Data<Ledger>,
    user: Path<UserId>,
    query: Query<Shown>,
) -> Result<ServedPage<Transaction>, Problem> {
    let filter = query.0.of(user.0.as_str());
    Ok(Answer::new(ledger.database().read(move |db| history::page(db, &filter)).await?))
}

async fn send(
    access: Confirmed,
    ledger: Data<Ledger>,
    ask: Idempotent<NewTransfer>,
) -> Result<Answer<Transferred, 201>, Problem> {
    let key = ask.key(&access.caller);
    ledger.send(&access, key, ask.body).await?.into_answer()
}
