//! What the wallet knows of a user: told to the user, and forgotten when auth says so, but for the money.

use diesel::prelude::*;
use emporium_auth_api::USER_ERASED;
use emporium_database::{Db, feed};
use emporium_kernel::{After, Call, Cursor, Event, Fault, Limit, Outage, Timestamp};
use emporium_wallet_api::{AskPersonal, Personal, WalletError};
use serde::Serialize;
use serde_json::{Value, json};

use crate::account::Kind;
use crate::deposit::Deposit;
use crate::history::{self, Filter, Position};
use crate::request;
use crate::schema::{account, entry, transfer};
use crate::stored::Word;
use crate::transfer::{Reason, Side};
use crate::withdrawal::Withdrawal;
use crate::{Done, Ledger, balances, deposit, withdrawal};

const FORGOTTEN_AT_ONCE: i64 = 500;

fn values<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Done<Vec<Value>> {
    rows.into_iter().map(|row| serde_json::to_value(row).map_err(emporium_database::Failure::corrupt)).collect()
}

impl Ledger {
    /// A part of everything that the wallet knows of a user.
    pub(crate) async fn personal(&self, ask: AskPersonal) -> Result<Personal, WalletError> {
        let after = match ask.after {
            None => None,
            Some(text) => {
                Some(serde_json::from_value::<Cursor<Position>>(text.into()).map_err(|_| Outage::Internal)?.0)
            }
        };
        self.database.read(move |db| personal(db, &ask.user, after.as_ref())).await
    }

    /// Forgets the words of those whom auth has erased. The ledger keeps the id, which names nobody any more.
    pub async fn forget_erased(&self) -> Result<(), WalletError> {
        let call = Call::internal("erased_users");
        let pull = async |after: After| {
            let events = self.users.events(&call, after).await;
            events.map_err(|error| WalletError::from(error.outage().unwrap_or(Outage::Internal)))
        };
        feed::follow(&self.database, "auth", pull, forget).await
    }
}

fn personal(db: &mut Db, user: &str, after: Option<&Position>) -> Done<Personal> {
    let filter = Filter {
        user: user.to_owned(),
        currency: None,
        kind: None,
        from: None,
        to: None,
        limit: Limit::LARGEST,
        after: after.cloned(),
    };
    let page = history::page(db, &filter)?;
    let (transactions, next) = (values(page.data)?, page.next_cursor);
    if after.is_some() {
        return Ok(Personal { transactions, next, ..Personal::default() });
    }
    Ok(Personal {
        balances: values(balances(db, user)?)?,
        deposits: every(user, |filter| deposit::list(db, filter), |of: &Deposit| (of.created_at, of.id.to_string()))?
            .iter()
            .map(deposited)
            .collect(),
        withdrawals: every(
            user,
            |filter| withdrawal::list(db, filter),
            |of: &Withdrawal| (of.created_at, of.id.to_string()),
        )?
        .iter()
        .map(withdrawn)
        .collect(),
        transactions,
        next,
    })
}

fn deposited(of: &Deposit) -> Value {
    json!({
        "id": of.id, "status": of.status, "amount": of.amount, "reason": of.reason, "created_at": of.created_at,
        "decided_at": of.decided_at,
    })
}

fn withdrawn(of: &Withdrawal) -> Value {
    json!({
        "id": of.id, "status": of.status, "amount": of.amount, "reason": of.reason, "created_at": of.created_at,
        "decided_at": of.decided_at,
    })
}

/// All deposits or withdrawals of a user, page by page.
fn every<T, S>(
    user: &str,
    mut list: impl FnMut(&request::Filter<S>) -> Done<Vec<T>>,
    place: impl Fn(&T) -> (Timestamp, String),
) -> Done<Vec<T>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let filter = request::Filter { user: Some(user.to_owned()), status: None, limit: Limit::LARGEST, after };
        let mut page = list(&filter)?;
        let more = page.len() > Limit::LARGEST.rows();
        page.truncate(Limit::LARGEST.rows());
        after = page.last().map(&place).map(|(at, id)| (at.micros(), id));
        all.append(&mut page);
        if !more {
            return Ok(all);
        }
    }
}

/// What a user wrote beside money that was sent. Entries lead to it: transfers are not found by account.
fn forget(db: &mut Db, event: &Event) -> Done<()> {
    if event.topic != USER_ERASED {
        return Ok(());
    }
    let of_user = account::kind.eq(Kind::User.text()).and(account::owner.eq(&event.subject));
    let own = account::table.filter(of_user).select(account::id);
    for id in own.load::<String>(db)? {
        let mut after = 0;
        loop {
            let debits = entry::account_id.eq(&id).and(entry::side.eq(Side::Debit.text()));
            let next: Vec<(i64, String)> = entry::table
                .filter(debits.and(entry::account_version.gt(after)))
                .select((entry::account_version, entry::transfer_id))
                .order(entry::account_version)
                .limit(FORGOTTEN_AT_ONCE)
                .load(db)?;
            let Some((last, _)) = next.last() else { break };
            after = *last;
            let ids: Vec<&String> = next.iter().map(|(_, transfer)| transfer).collect();
            let sent = transfer::table.filter(transfer::id.eq_any(ids).and(transfer::note.is_not_null()));
            diesel::update(sent.filter(transfer::reason.eq(Reason::Transfer.text())))
                .set(transfer::note.eq(None::<String>))
                .execute(db)?;
        }
    }
    Ok(())
}
