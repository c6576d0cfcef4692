//! Accounts: four counters each, changed only by guarded updates.

use diesel::result::{DatabaseErrorKind, Error};
use emporium_database::prelude::*;
use emporium_database::{Db, Failure, overtaken, refuse};
use emporium_kernel::{Currency, Money, Timestamp};
use emporium_wallet_api::{AccountId, WalletError};

use crate::schema::account;
use crate::stored::{Word, words};
use crate::{Done, freeze, stored};

words! {
    /// What an account is for.
    pub(crate) enum Kind {
        /// A person's wallet, which is also where a supplier's earnings go.
        User = "user",
        /// What the store earned.
        Store = "store",
        /// Where deposits come from.
        CashIn = "cash_in",
        /// Where withdrawals go.
        CashOut = "cash_out",
        /// The other side of what staff credit and debit.
        Adjustments = "adjustments",
    }
}

/// Names an account, whether it was opened yet or not: the id follows from kind, owner and currency.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    pub(crate) kind: Kind,
    owner: String,
    pub(crate) currency: Currency,
}

impl Account {
    pub(crate) fn of_user(user: &str, currency: Currency) -> Self {
        Self::of(Kind::User, user, currency)
    }

    pub(crate) fn of_store(kind: Kind, currency: Currency) -> Self {
        Self::of(kind, "", currency)
    }

    fn of(kind: Kind, owner: &str, currency: Currency) -> Self {
        let id = AccountId::derived(&["account", kind.text(), owner, currency.code()]);
        Self { id, kind, owner: owner.to_owned(), currency }
    }
}

/// The counters of an account.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = account)]
pub(crate) struct Standing {
    pub(crate) debits_posted: i64,
    pub(crate) credits_posted: i64,
    pub(crate) debits_pending: i64,
    frozen: i32,
    pub(crate) version: i64,
}

impl Standing {
    pub(crate) fn balance(&self) -> i64 {
        self.credits_posted - self.debits_posted
    }

    pub(crate) fn available(&self) -> i64 {
        self.balance() - self.debits_pending
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen != 0
    }
}

pub(crate) fn standing(db: &mut Db, id: &str) -> Done<Option<Standing>> {
    Ok(account::table.filter(account::id.eq(id)).select(Standing::columns()).first(db).optional()?)
}

/// The wallets of a user, by currency.
pub(crate) fn of_user(db: &mut Db, user: &str) -> Done<Vec<(Account, Standing)>> {
    let rows: Vec<(String, Standing)> = account::table
        .filter(account::kind.eq(Kind::User.text()).and(account::owner.eq(user)))
        .select((account::currency, Standing::columns()))
        .order(account::currency)
        .load(db)?;
    let named = |(code, standing): (String, Standing)| Ok((Account::of_user(user, stored::currency(&code)?), standing));
    rows.into_iter().map(named).collect()
}

/// Takes posted money. A user's account is refused when it is frozen or has too little that is not held.
pub(crate) fn debit(db: &mut Db, of: &Account, amount: i64, now: Timestamp) -> Done<()> {
    if of.kind != Kind::User {
        return opening(db, of, now, |db| debit_unlimited(db, of, amount));
    }
    let covered = account::table.filter(
        account::id
            .eq(of.id.as_str())
            .and(account::frozen.eq(0))
            .and((account::credits_posted - account::debits_posted - account::debits_pending).ge(amount)),
    );
    let set = (account::debits_posted.eq(account::debits_posted + amount), account::version.eq(account::version + 1));
    let changed = diesel::update(covered).set(set).execute(db)?;
    if changed == 1 { Ok(()) } else { not_covered(db, of, amount) }
}

fn debit_unlimited(db: &mut Db, of: &Account, amount: i64) -> Done<bool> {
    let countable = account::table.filter(
        account::id.eq(of.id.as_str()).and((account::debits_posted - account::credits_posted).le(Money::MAX - amount)),
    );
    let set = (account::debits_posted.eq(account::debits_posted + amount), account::version.eq(account::version + 1));
    Ok(diesel::update(countable).set(set).execute(db)? == 1)
}

/// Gives posted money. Nothing stops it but a balance that could no longer be counted.
pub(crate) fn credit(db: &mut Db, of: &Account, amount: i64, now: Timestamp) -> Done<()> {
    opening(db, of, now, |db| {
        let countable = account::table.filter(
            account::id
                .eq(of.id.as_str())
                .and((account::credits_posted - account::debits_posted).le(Money::MAX - amount)),
        );
        let set =
            (account::credits_posted.eq(account::credits_posted + amount), account::version.eq(account::version + 1));
        Ok(diesel::update(countable).set(set).execute(db)? == 1)
    })
}

/// Sets money aside, with the guard of [`debit`].
pub(crate) fn hold(db: &mut Db, of: &Account, amount: i64) -> Done<()> {
    let covered = account::table.filter(
        account::id
            .eq(of.id.as_str())
            .and(account::frozen.eq(0))
            .and((account::credits_posted - account::debits_posted - account::debits_pending).ge(amount)),
    );
    let set = account::debits_pending.eq(account::debits_pending + amount);
    let changed = diesel::update(covered).set(set).execute(db)?;
    if changed == 1 { Ok(()) } else { not_covered(db, of, amount) }
}

/// Gives free what [`hold`] set aside.
pub(crate) fn release(db: &mut Db, id: &str, amount: i64) -> Done<()> {
    let held = account::table.filter(account::id.eq(id).and(account::debits_pending.ge(amount)));
    let set = account::debits_pending.eq(account::debits_pending - amount);
    only_one(diesel::update(held).set(set).execute(db)?, id)
}

/// Takes what [`hold`] set aside; a freeze does not stop it.
pub(crate) fn debit_held(db: &mut Db, id: &str, amount: i64) -> Done<()> {
    let held = account::table.filter(account::id.eq(id).and(account::debits_pending.ge(amount)));
    let set = (
        account::debits_pending.eq(account::debits_pending - amount),
        account::debits_posted.eq(account::debits_posted + amount),
        account::version.eq(account::version + 1),
    );
    only_one(diesel::update(held).set(set).execute(db)?, id)
}

/// Notes money that is coming to a payee who is known from the start.
pub(crate) fn expect(db: &mut Db, of: &Account, amount: i64, now: Timestamp) -> Done<()> {
    opening(db, of, now, |db| {
        let set = account::credits_pending.eq(account::credits_pending + amount);
        Ok(diesel::update(account::table.filter(account::id.eq(of.id.as_str()))).set(set).execute(db)? == 1)
    })
}

/// Takes back what [`expect`] noted.
pub(crate) fn expect_no_more(db: &mut Db, id: &str, amount: i64) -> Done<()> {
    let expected = account::table.filter(account::id.eq(id).and(account::credits_pending.ge(amount)));
    let set = account::credits_pending.eq(account::credits_pending - amount);
    only_one(diesel::update(expected).set(set).execute(db)?, id)
}

/// Opens the account when that is why nothing was changed.
fn opening(db: &mut Db, of: &Account, now: Timestamp, change: impl Fn(&mut Db) -> Done<bool>) -> Done<()> {
    if change(db)? {
        return Ok(());
    }
    if standing(db, of.id.as_str())?.is_none() {
        open(db, of, now)?;
    }
    // Once more in any case: somebody else may have opened it between the two looks.
    if change(db)? { Ok(()) } else { refuse(WalletError::BalanceTooLarge) }
}

fn open(db: &mut Db, of: &Account, now: Timestamp) -> Done<()> {
    let frozen = of.kind == Kind::User && freeze::lock(db, &of.owner)?;
    let row = (
        account::id.eq(of.id.as_str()),
        account::kind.eq(of.kind.text()),
        account::owner.eq(&of.owner),
        account::currency.eq(of.currency.code()),
        account::debits_posted.eq(0),
        account::credits_posted.eq(0),
        account::debits_pending.eq(0),
        account::credits_pending.eq(0),
        account::frozen.eq(i32::from(frozen)),
        account::version.eq(0),
        account::created_at.eq(now.micros()),
    );
    match diesel::insert_into(account::table).values(row).execute(db) {
        // Somebody else opened it meanwhile.
        Ok(_) | Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Says why a debit or hold changed nothing.
fn not_covered<T>(db: &mut Db, of: &Account, amount: i64) -> Done<T> {
    match standing(db, of.id.as_str())? {
        Some(standing) if standing.is_frozen() => refuse(WalletError::Frozen),
        // It is covered now: somebody gave or unfroze between the two looks.
        Some(standing) if standing.available() >= amount => overtaken(),
        found => refuse(WalletError::InsufficientFunds {
            available: found.map_or(0, |standing| standing.available()),
            currency: of.currency.code().to_owned(),
        }),
    }
}

/// What a hold says is there must be there.
fn only_one(changed: usize, id: &str) -> Done<()> {
    if changed == 1 { Ok(()) } else { Err(Failure::corrupt(format!("{id} has less pending than its holds say"))) }
}
