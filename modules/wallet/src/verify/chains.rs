//! Chains: the entries of each account, folded from the first to the version that the account is at.

use std::collections::HashSet;

use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_database::walk::{Span, Walk};
use emporium_kernel::Audit;
use emporium_wallet_api::WalletError;

use super::PAGE;
use super::accounts::{self, Row};
use crate::Done;
use crate::account::Kind;
use crate::schema::{entry, transfer};
use crate::stored::Word;
use crate::transfer::Side;

/// `counters_are_fold_of_entries`, `versions_without_gap`, `balance_after_is_fold_of_entries`.
#[derive(Debug, Default)]
pub(super) struct Chains {
    ids: Span<String>,
    waiting: Vec<Row>,
    folding: Option<Fold>,
}

#[derive(Debug)]
struct Fold {
    account: Row,
    version: i64,
    debits: i128,
    credits: i128,
}

type Entry = (i64, String, String, i64, i64, i64);

impl Walk for Chains {
    type Error = WalletError;

    fn begin(&mut self, db: &mut Db) -> Done<()> {
        self.ids = accounts::all(db)?;
        Ok(())
    }

    fn page(&mut self, db: &mut Db, audit: &mut Audit) -> Done<bool> {
        // Accounts as they stand now; entries up to that version never change, so folding them may take its time.
        if self.waiting.is_empty() && self.folding.is_none() {
            self.waiting = accounts::next(db, &mut self.ids)?;
            self.waiting.reverse();
        }
        let more = !self.waiting.is_empty() || self.folding.is_some();
        let mut left = PAGE;
        while left > 0 {
            let Some(mut fold) = self.folding.take().or_else(|| self.waiting.pop().map(Fold::new)) else { break };
            let entries = fold.next(db, left)?;
            audit.looked_at(entries.len());
            known(db, &entries, audit)?;
            let ended = entries.len() < usize::try_from(left).unwrap_or(usize::MAX);
            left -= i64::try_from(entries.len()).unwrap_or(PAGE).max(1);
            for entry in entries {
                fold.add(&entry, audit);
            }
            if ended {
                fold.compare(audit);
            } else {
                self.folding = Some(fold);
            }
        }
        Ok(more)
    }
}

impl Fold {
    fn new(account: Row) -> Self {
        Self { account, version: 0, debits: 0, credits: 0 }
    }

    fn next(&self, db: &mut Db, limit: i64) -> Done<Vec<Entry>> {
        let id = &self.account.id;
        let beyond = entry::account_version.gt(self.version).and(entry::account_version.le(self.account.version));
        Ok(entry::table
            .filter(entry::account_id.eq(id).and(beyond))
            .select((
                entry::account_version,
                entry::transfer_id,
                entry::side,
                entry::amount,
                entry::balance_after,
                entry::held_after,
            ))
            .order(entry::account_version)
            .limit(limit)
            .load(db)?)
    }

    fn add(&mut self, entry: &Entry, audit: &mut Audit) {
        let (version, _, side, amount, balance_after, held_after) = entry;
        let id = &self.account.id;
        audit.check(*version == self.version + 1, "versions_without_gap", id, || {
            format!("version {version} follows {}", self.version)
        });
        self.version = *version;
        let sum = if side == Side::Debit.text() { &mut self.debits } else { &mut self.credits };
        *sum += i128::from(*amount);
        let balance = self.credits - self.debits;
        audit.check(balance == i128::from(*balance_after), "balance_after_is_fold_of_entries", id, || {
            format!("at version {version} the entries give {balance}, balance_after is {balance_after}")
        });
        let covered = self.account.kind != Kind::User.text() || balance_after >= held_after;
        audit.check(covered, "no_user_below_zero", id, || {
            format!("at version {version} the balance is {balance_after}, of which {held_after} is held")
        });
    }

    fn compare(&self, audit: &mut Audit) {
        let Row { id, debits_posted, credits_posted, version, .. } = &self.account;
        audit.check(self.version == *version, "versions_without_gap", id, || {
            format!("the account is at version {version}, its entries end at {}", self.version)
        });
        let equal = self.debits == i128::from(*debits_posted) && self.credits == i128::from(*credits_posted);
        audit.check(equal, "counters_are_fold_of_entries", id, || {
            let (debits, credits) = (self.debits, self.credits);
            format!("entries give {debits} and {credits}, counters are {debits_posted} and {credits_posted}")
        });
    }
}

/// Every entry belongs to a transfer that is written down.
fn known(db: &mut Db, entries: &[Entry], audit: &mut Audit) -> Done<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let ids: HashSet<&str> = entries.iter().map(|(_, id, ..)| id.as_str()).collect();
    let known: Vec<String> =
        transfer::table.filter(transfer::id.eq_any(ids.iter().copied())).select(transfer::id).load(db)?;
    let known: HashSet<&str> = known.iter().map(String::as_str).collect();
    for id in ids.difference(&known) {
        audit.find("transfer_is_balanced", *id, "there are entries of a transfer that is not there");
    }
    Ok(())
}
