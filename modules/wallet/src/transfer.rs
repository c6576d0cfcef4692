//! Transfers: immutable rows that say what moved, and the entries that posting them writes.

use emporium_database::prelude::*;
use emporium_database::{Db, Failure};
use emporium_kernel::{Money, Timestamp};
use emporium_wallet_api::WalletError;

use crate::account::{self, Account};
use crate::schema::{entry, transfer};
use crate::stored::{Word, words};
use crate::{Done, account::Kind as AccountKind};

words! {
    /// What a transfer does.
    pub(crate) enum Kind {
        /// Moves money at once.
        Post = "post",
        /// Sets money aside.
        Hold = "hold",
        /// Moves what was set aside.
        Capture = "capture",
        /// Gives free what was set aside.
        Void = "void",
        /// Gives free what nobody captured in time.
        Expire = "expire",
    }
}

words! {
    /// Why money moves.
    pub(crate) enum Reason {
        /// A user brings money.
        Deposit = "deposit",
        /// A user takes money out.
        Withdrawal = "withdrawal",
        /// A user sends money to another.
        Transfer = "transfer",
        /// An order is paid.
        Order = "order",
        /// Staff give.
        Credit = "credit",
        /// Staff take.
        Debit = "debit",
    }
}

words! {
    /// On which side of an account money moves.
    pub(crate) enum Side {
        /// Out of the account.
        Debit = "debit",
        /// Into the account.
        Credit = "credit",
    }
}

/// A transfer to be written down.
#[derive(Debug)]
pub(crate) struct Transfer<'a> {
    /// Its own id, or that of the hold which it makes.
    pub(crate) id: &'a str,
    pub(crate) kind: Kind,
    pub(crate) debit: &'a str,
    /// `None` when the payees are not known yet or are several.
    pub(crate) credit: Option<&'a str>,
    pub(crate) amount: Money,
    /// The hold that it resolves.
    pub(crate) pending: Option<&'a str>,
    pub(crate) reason: Reason,
    /// The deposit, withdrawal or order.
    pub(crate) reference: Option<&'a str>,
    pub(crate) note: Option<&'a str>,
    pub(crate) actor: &'a str,
    pub(crate) at: Timestamp,
}

/// Money that moves at once from one account to another.
#[derive(Debug)]
pub(crate) struct Movement<'a> {
    pub(crate) id: &'a str,
    pub(crate) from: &'a Account,
    pub(crate) to: &'a Account,
    pub(crate) amount: Money,
    pub(crate) reason: Reason,
    pub(crate) reference: Option<&'a str>,
    pub(crate) note: Option<&'a str>,
    pub(crate) actor: &'a str,
    pub(crate) at: Timestamp,
}

/// Moves money at once.
pub(crate) fn carry_out(db: &mut Db, wanted: &Movement<'_>) -> Done<()> {
    let transfer = Transfer {
        id: wanted.id,
        kind: Kind::Post,
        debit: wanted.from.id.as_str(),
        credit: Some(wanted.to.id.as_str()),
        amount: wanted.amount,
        pending: None,
        reason: wanted.reason,
        reference: wanted.reference,
        note: wanted.note,
        actor: wanted.actor,
        at: wanted.at,
    };
    let amount = wanted.amount.amount();
    post(db, &transfer, vec![Leg::Debit(wanted.from, amount), Leg::Credit(wanted.to, amount)])
}

/// One account's part of a transfer, with its amount.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Leg<'a> {
    /// Takes what is available.
    Debit(&'a Account, i64),
    /// Takes what was held in the user account of this id.
    DebitHeld(&'a str, i64),
    /// Gives.
    Credit(&'a Account, i64),
    /// Gives what was expected.
    CreditExpected(&'a Account, i64),
}

impl Leg<'_> {
    fn account(&self) -> &str {
        match self {
            Leg::DebitHeld(id, _) => id,
            Leg::Debit(account, _) | Leg::Credit(account, _) | Leg::CreditExpected(account, _) => account.id.as_str(),
        }
    }

    fn side(&self) -> Side {
        match self {
            Leg::Debit(..) | Leg::DebitHeld(..) => Side::Debit,
            Leg::Credit(..) | Leg::CreditExpected(..) => Side::Credit,
        }
    }

    fn amount(&self) -> i64 {
        match self {
            Leg::Debit(_, amount)
            | Leg::DebitHeld(_, amount)
            | Leg::Credit(_, amount)
            | Leg::CreditExpected(_, amount) => *amount,
        }
    }

    /// Everybody locks in this order: wallets of users, then the accounts of the store, which many share; each by id.
    fn rank(&self) -> (bool, &str) {
        let shared = match self {
            Leg::DebitHeld(..) => false,
            Leg::Debit(account, _) | Leg::Credit(account, _) | Leg::CreditExpected(account, _) => {
                account.kind != AccountKind::User
            }
        };
        (shared, self.account())
    }

    fn apply(&self, db: &mut Db, now: Timestamp) -> Done<()> {
        match *self {
            Leg::Debit(account, amount) => account::debit(db, account, amount, now),
            Leg::DebitHeld(id, amount) => account::debit_held(db, id, amount),
            Leg::Credit(account, amount) => account::credit(db, account, amount, now),
            Leg::CreditExpected(account, amount) => {
                account::expect_no_more(db, account.id.as_str(), amount)?;
                account::credit(db, account, amount, now)
            }
        }
    }
}

/// Writes a transfer down, changes the accounts and appends an entry to the chain of each.
pub(crate) fn post(db: &mut Db, transfer: &Transfer<'_>, mut legs: Vec<Leg<'_>>) -> Done<()> {
    legs.sort_by(|a, b| a.rank().cmp(&b.rank()));
    insert(db, transfer, None)?;
    for leg in &legs {
        leg.apply(db, transfer.at)?;
        append(db, transfer, leg)?;
    }
    Ok(())
}

/// Reads the account after its own update, when nobody else can change it any more.
fn append(db: &mut Db, transfer: &Transfer<'_>, leg: &Leg<'_>) -> Done<()> {
    let after = account::standing(db, leg.account())?.ok_or_else(|| Failure::corrupt(leg.account()))?;
    let row = (
        entry::account_id.eq(leg.account()),
        entry::account_version.eq(after.version),
        entry::transfer_id.eq(transfer.id),
        entry::side.eq(leg.side().text()),
        entry::amount.eq(leg.amount()),
        entry::balance_after.eq(after.balance()),
        entry::held_after.eq(after.debits_pending),
        entry::created_at.eq(transfer.at.micros()),
    );
    diesel::insert_into(entry::table).values(row).execute(db)?;
    Ok(())
}

/// Writes a transfer down that has no entries of its own yet; with a refusal it never will.
pub(crate) fn exists(db: &mut Db, id: &str) -> Done<bool> {
    let found = transfer::table.filter(transfer::id.eq(id)).select(transfer::id);
    Ok(found.first::<String>(db).optional()?.is_some())
}

pub(crate) fn insert(db: &mut Db, of: &Transfer<'_>, refusal: Option<&WalletError>) -> Done<()> {
    let refusal = refusal.map(serde_json::to_string).transpose().map_err(Failure::corrupt)?;
    let row = (
        transfer::id.eq(of.id),
        transfer::kind.eq(of.kind.text()),
        transfer::debit_account.eq(of.debit),
        transfer::credit_account.eq(of.credit),
        transfer::amount.eq(of.amount.amount()),
        transfer::currency.eq(of.amount.currency().code()),
        transfer::pending_id.eq(of.pending),
        transfer::reason.eq(of.reason.text()),
        transfer::reference.eq(of.reference),
        transfer::note.eq(of.note),
        transfer::outcome.eq(if refusal.is_none() { "posted" } else { "refused" }),
        transfer::refusal.eq(refusal),
        transfer::actor.eq(of.actor),
        transfer::created_at.eq(of.at.micros()),
    );
    diesel::insert_into(transfer::table).values(row).execute(db)?;
    Ok(())
}
