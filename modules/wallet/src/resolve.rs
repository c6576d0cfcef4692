//! How a hold ends: captured for its payees, voided, or expired by the sweeper.

use std::collections::BTreeMap;

use emporium_database::{Db, overtaken, refuse};
use emporium_kernel::{Currency, Timestamp, Verdict};
use emporium_wallet_api::lifecycle::Request;
use emporium_wallet_api::{HoldId, HoldState, HoldStatus, Payee, Share, WalletError};

use crate::Done;
use crate::account::{self, Account, Kind as AccountKind};
use crate::hold::{self, Row};
use crate::transfer::{self, Kind, Leg, Transfer};

/// Who ends a hold, when, and with which transfer.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) transfer: String,
    pub(crate) actor: String,
    pub(crate) at: Timestamp,
}

impl Step {
    /// The transfer that ends `row`.
    fn ending<'a>(&'a self, row: &'a Row, kind: Kind, credit: Option<&'a str>) -> Done<Transfer<'a>> {
        Ok(Transfer {
            id: &self.transfer,
            kind,
            debit: &row.account_id,
            credit,
            amount: row.amount()?,
            pending: Some(&row.id),
            reason: row.reason()?,
            reference: Some(&row.reference),
            note: None,
            actor: &self.actor,
            at: self.at,
        })
    }
}

/// Pays what was held for an order: one debit and a credit for each payee. Paying twice changes nothing.
pub(crate) fn capture(db: &mut Db, id: &HoldId, shares: &[Share], step: &Step) -> Done<HoldStatus> {
    let Some(row) = hold::of_order(db, id)? else { return refuse(WalletError::UnknownHold) };
    if let Some(answer) = settled(&row, Request::Capture)? {
        return Ok(answer);
    }
    let payees = payees(&row, shares)?;
    if !hold::resolve(db, &row, HoldState::Captured, &step.transfer)? {
        return overtaken();
    }
    let single = match payees.as_slice() {
        [(only, _)] => Some(only.id.as_str()),
        _ => None,
    };
    let transfer = step.ending(&row, Kind::Capture, single)?;
    let mut legs = vec![Leg::DebitHeld(&row.account_id, transfer.amount.amount())];
    legs.extend(payees.iter().map(|(payee, amount)| Leg::Credit(payee, *amount)));
    transfer::post(db, &transfer, legs)?;
    Ok(HoldStatus { state: HoldState::Captured, ..row.status()? })
}

/// The accounts of the payees, each once and with more than nothing; together they get exactly what was held.
fn payees(row: &Row, shares: &[Share]) -> Done<Vec<(Account, i64)>> {
    let held = row.amount()?;
    let mut sums: BTreeMap<&Payee, i64> = BTreeMap::new();
    let mut total: i64 = 0;
    for share in shares {
        let amount = share.amount.amount();
        let Some(sum) = total.checked_add(amount).filter(|_| share.amount.currency() == held.currency()) else {
            return refuse(WalletError::SharesDiffer);
        };
        total = sum;
        if amount > 0 {
            *sums.entry(&share.payee).or_default() += amount;
        }
    }
    if total != held.amount() {
        return refuse(WalletError::SharesDiffer);
    }
    Ok(sums.into_iter().map(|(payee, amount)| (account_of(payee, held.currency()), amount)).collect())
}

fn account_of(payee: &Payee, currency: Currency) -> Account {
    match payee {
        Payee::Supplier(user) => Account::of_user(user, currency),
        Payee::Store => Account::of_store(AccountKind::Store, currency),
    }
}

/// The answer when the rule of a hold's life has nothing left to do; `None` when it is to be done now.
fn settled(row: &Row, request: Request) -> Done<Option<HoldStatus>> {
    match HoldState::verdict(Some(row.state()?), request) {
        Verdict::Becomes(_) => Ok(None),
        Verdict::Stays(_) => row.status().map(Some),
        Verdict::Ended(state) => refuse(WalletError::HoldEnded { state }),
        Verdict::Unknown => refuse(WalletError::UnknownHold),
    }
}

/// Gives free what was held for an order. An unknown id becomes a tombstone; voiding twice changes nothing.
pub(crate) fn void(db: &mut Db, id: &HoldId, step: &Step) -> Done<HoldStatus> {
    let Some(row) = hold::of_order(db, id)? else { return hold::bury(db, id, step.at) };
    if let Some(answer) = settled(&row, Request::Void)? {
        return Ok(answer);
    }
    if !give_free(db, &row, HoldState::Voided, step)? {
        return overtaken();
    }
    Ok(HoldStatus { state: HoldState::Voided, ..row.status()? })
}

/// Gives free what nobody captured in time. This is the only place that looks at the clock.
pub(crate) fn expire(db: &mut Db, row: &Row, step: &Step) -> Done<bool> {
    if settled(row, Request::Expire)?.is_some() {
        return Ok(false);
    }
    give_free(db, row, HoldState::Expired, step)
}

/// Ends a hold without moving money; `false` when it was not held any more.
pub(crate) fn give_free(db: &mut Db, row: &Row, to: HoldState, step: &Step) -> Done<bool> {
    if !hold::resolve(db, row, to, &step.transfer)? {
        return Ok(false);
    }
    let kind = if to == HoldState::Expired { Kind::Expire } else { Kind::Void };
    let transfer = step.ending(row, kind, row.payee_account.as_deref())?;
    transfer::insert(db, &transfer, None)?;
    let amount = transfer.amount.amount();
    account::release(db, &row.account_id, amount)?;
    if let Some(payee) = &row.payee_account {
        account::expect_no_more(db, payee, amount)?;
    }
    Ok(true)
}

/// Pays a withdrawal from its hold; `false` when it was not held any more.
pub(crate) fn pay_out(db: &mut Db, row: &Row, step: &Step) -> Done<bool> {
    if !hold::resolve(db, row, HoldState::Captured, &step.transfer)? {
        return Ok(false);
    }
    let amount = row.amount()?;
    let payee = Account::of_store(AccountKind::CashOut, amount.currency());
    let transfer = step.ending(row, Kind::Capture, Some(payee.id.as_str()))?;
    let legs = vec![Leg::DebitHeld(&row.account_id, amount.amount()), Leg::CreditExpected(&payee, amount.amount())];
    transfer::post(db, &transfer, legs)?;
    Ok(true)
}
