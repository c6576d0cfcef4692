//! The history of a wallet: the entries of a user's accounts, newest first, each with the balance after it.

use std::collections::{BTreeMap, VecDeque};

use diesel::prelude::*;
use emporium_database::scan::{Scan, Scanned, scan};
use emporium_database::{Db, Failure, is};
use emporium_kernel::{Currency, Cursor, Limit, Money, Page, Timestamp};
use emporium_wallet_api::{TransferId, WalletError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account::{self, Account};
use crate::schema::{account as accounts, entry, transfer};
use crate::stored::Word;
use crate::transfer::{Reason, Side};
use crate::{Done, stored};

/// What a transaction was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransactionKind {
    /// Money that came in.
    Deposit,
    /// Money that was paid out.
    Withdrawal,
    /// Money from another user.
    TransferIn,
    /// Money to another user.
    TransferOut,
    /// An order that was paid.
    Order,
    /// Goods that were sold.
    Sale,
    /// Given by staff.
    Credit,
    /// Taken by staff.
    Debit,
}

impl TransactionKind {
    fn of(reason: Reason, side: Side) -> Self {
        match (reason, side) {
            (Reason::Deposit, _) => Self::Deposit,
            (Reason::Withdrawal, _) => Self::Withdrawal,
            (Reason::Transfer, Side::Credit) => Self::TransferIn,
            (Reason::Transfer, Side::Debit) => Self::TransferOut,
            (Reason::Order, Side::Debit) => Self::Order,
            (Reason::Order, Side::Credit) => Self::Sale,
            (Reason::Credit, _) => Self::Credit,
            (Reason::Debit, _) => Self::Debit,
        }
    }

    /// Which entries are of this kind: the reason of the transfer and the side of the user's account.
    fn parts(self) -> (Reason, Side) {
        match self {
            Self::Deposit => (Reason::Deposit, Side::Credit),
            Self::Withdrawal => (Reason::Withdrawal, Side::Debit),
            Self::TransferIn => (Reason::Transfer, Side::Credit),
            Self::TransferOut => (Reason::Transfer, Side::Debit),
            Self::Order => (Reason::Order, Side::Debit),
            Self::Sale => (Reason::Order, Side::Credit),
            Self::Credit => (Reason::Credit, Side::Credit),
            Self::Debit => (Reason::Debit, Side::Debit),
        }
    }
}

/// Which way money went, seen from the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Into the wallet.
    In,
    /// Out of the wallet.
    Out,
}

/// One line of a wallet's history.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Transaction {
    /// The transfer.
    pub id: TransferId,
    /// What it was.
    pub kind: TransactionKind,
    /// How much.
    pub amount: Money,
    /// Which way.
    pub direction: Way,
    /// The balance after it.
    pub balance_after: Money,
    /// The order, deposit or withdrawal it belongs to.
    pub reference: Option<String>,
    /// What the sender or staff wrote.
    pub note: Option<String>,
    /// The user id of the other side of a transfer between users.
    pub counterparty: Option<String>,
    /// When.
    pub created_at: Timestamp,
}

/// Where a page begins: for each currency, the version of the account below which it goes on.
pub(crate) type Position = BTreeMap<String, i64>;

/// Which part of the history is shown.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) user: String,
    pub(crate) currency: Option<Currency>,
    pub(crate) kind: Option<TransactionKind>,
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
    pub(crate) limit: Limit,
    pub(crate) after: Option<Position>,
}

#[derive(Queryable)]
struct Row {
    version: i64,
    side: String,
    amount: i64,
    balance_after: i64,
    created_at: i64,
    transfer: String,
    reason: String,
    reference: Option<String>,
    note: Option<String>,
    debit_account: String,
    credit_account: Option<String>,
}

impl Row {
    /// The account of the other user, of a transfer between two.
    fn other(&self) -> Option<&str> {
        let between_users = self.reason == Reason::Transfer.text();
        let other =
            if self.side == Side::Debit.text() { self.credit_account.as_deref() } else { Some(&*self.debit_account) };
        other.filter(|_| between_users)
    }
}

/// The entries of one account, by its own versions: what is not shown yet.
struct Stream {
    currency: Currency,
    rows: VecDeque<Row>,
    /// Behind which entry the account goes on after these rows.
    next: Option<Place>,
}

/// The place of an entry in its account: its version, and when it was written.
type Place = (i64, i64);

impl Stream {
    /// Behind which entry nothing is known of what comes next.
    fn end(&self) -> Option<Place> {
        self.next.filter(|_| self.rows.is_empty())
    }
}

/// One page. Each account is a stream in the order of its own versions, and the streams are merged by time, as far as all
/// of them are known.
pub(crate) fn page(db: &mut Db, filter: &Filter) -> Done<Page<Transaction>> {
    let mut wallets = account::of_user(db, &filter.user)?;
    wallets.retain(|(account, _)| filter.currency.is_none_or(|wanted| wanted == account.currency));
    let (mut position, mut streams) = (Position::new(), Vec::new());
    for (account, standing) in wallets {
        let (currency, code) = (account.currency, account.currency.code().to_owned());
        // An account that was opened after the first page has nothing that belongs behind it.
        let below = filter.after.as_ref().map_or(standing.version + 1, |after| after.get(&code).copied().unwrap_or(0));
        position.insert(code, below);
        let entries = Entries { account: &account, filter };
        let Scanned { rows, next } = scan(db, &entries, filter.limit.rows(), Some((below, i64::MAX)))?;
        streams.push(Stream { currency, rows: rows.into(), next });
    }
    let mut rows: Vec<(Currency, Row)> = Vec::new();
    while rows.len() < filter.limit.rows() {
        let known_since = streams.iter().filter_map(Stream::end).map(|(_, at)| at).max();
        let is_known = |row: &Row| known_since.is_none_or(|since| row.created_at >= since);
        let newest = streams.iter_mut().max_by_key(|stream| stream.rows.front().map(|row| row.created_at));
        let Some((currency, row)) =
            newest.and_then(|stream| Some((stream.currency, stream.rows.pop_front_if(|row| is_known(row))?)))
        else {
            break;
        };
        position.insert(currency.code().to_owned(), row.version);
        rows.push((currency, row));
    }
    for stream in &streams {
        if let Some((version, _)) = stream.end() {
            position.insert(stream.currency.code().to_owned(), version);
        }
    }
    let more = streams.iter().any(|stream| !stream.rows.is_empty() || stream.next.is_some());
    let next_cursor = more.then(|| Cursor::encode(&position));
    Ok(Page { data: named(db, rows)?, next_cursor, total: None })
}

/// The entries of one account, newest first.
struct Entries<'a> {
    account: &'a Account,
    filter: &'a Filter,
}

impl Scan for Entries<'_> {
    type Row = Row;
    type Place = Place;
    type Error = Failure<WalletError>;

    fn asks(&self) -> bool {
        self.filter.kind.is_some() || self.filter.from.is_some() || self.filter.to.is_some()
    }

    fn place(&self, row: &Row) -> Place {
        (row.version, row.created_at)
    }

    fn end(&self, db: &mut Db, after: Option<&Place>, rows: i64) -> Done<Option<Place>> {
        let mut query = entry::table.filter(is(entry::account_id, self.account.id.as_str())).into_boxed();
        if let Some((version, _)) = after {
            query = query.filter(entry::account_version.lt(version));
        }
        let newest = query.order((entry::account_id.desc(), entry::account_version.desc()));
        let newest = newest.select((entry::account_version, entry::created_at));
        Ok(newest.offset(rows - 1).first(db).optional()?)
    }

    fn rows(&self, db: &mut Db, after: Option<&Place>, until: Option<&Place>, most: i64) -> Done<Vec<Row>> {
        let mut query = entry::table
            .inner_join(transfer::table.on(transfer::id.eq(entry::transfer_id)))
            .filter(is(entry::account_id, self.account.id.as_str()))
            .select((
                entry::account_version,
                entry::side,
                entry::amount,
                entry::balance_after,
                entry::created_at,
                entry::transfer_id,
                transfer::reason,
                transfer::reference,
                transfer::note,
                transfer::debit_account,
                transfer::credit_account,
            ))
            .into_boxed();
        if let Some((version, _)) = after {
            query = query.filter(entry::account_version.lt(version));
        }
        if let Some((version, _)) = until {
            query = query.filter(entry::account_version.ge(version));
        }
        if let Some(kind) = self.filter.kind {
            let (reason, side) = kind.parts();
            query = query.filter(transfer::reason.eq(reason.text())).filter(entry::side.eq(side.text()));
        }
        if let Some(from) = self.filter.from {
            query = query.filter(entry::created_at.ge(from.micros()));
        }
        if let Some(to) = self.filter.to {
            query = query.filter(entry::created_at.lt(to.micros()));
        }
        Ok(query.order((entry::account_id.desc(), entry::account_version.desc())).limit(most).load(db)?)
    }
}

/// The rows as they are shown, with the owners of the accounts on the other side.
fn named(db: &mut Db, rows: Vec<(Currency, Row)>) -> Done<Vec<Transaction>> {
    let others: Vec<&str> = rows.iter().filter_map(|(_, row)| row.other()).collect();
    let owners: Vec<(String, String)> =
        accounts::table.filter(accounts::id.eq_any(&others)).select((accounts::id, accounts::owner)).load(db)?;
    let owners: BTreeMap<String, String> = owners.into_iter().collect();
    rows.into_iter().map(|(currency, row)| shown(currency, row, &owners)).collect()
}

fn shown(currency: Currency, row: Row, owners: &BTreeMap<String, String>) -> Done<Transaction> {
    let side = Side::read(&row.side)?;
    let code = currency.code();
    Ok(Transaction {
        counterparty: row.other().and_then(|id| owners.get(id)).cloned(),
        kind: TransactionKind::of(Reason::read(&row.reason)?, side),
        amount: stored::money(row.amount, code)?,
        direction: if side == Side::Credit { Way::In } else { Way::Out },
        balance_after: stored::money(row.balance_after, code)?,
        id: TransferId::stored(row.transfer),
        reference: row.reference,
        note: row.note,
        created_at: Timestamp::from_micros(row.created_at),
    })
}
