//! Accounts: what they say of themselves, and whether debits equal credits over all of them.

use std::collections::{BTreeMap, HashMap};

use diesel::dsl::max;
use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_database::walk::{Span, Walk};
use emporium_kernel::Audit;
use emporium_wallet_api::{HoldState, WalletError};

use super::PAGE;
use crate::Done;
use crate::account::Kind;
use crate::hold::state_text;
use crate::schema::{account, entry, hold};
use crate::stored::Word;

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = account)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) currency: String,
    pub(super) debits_posted: i64,
    pub(super) credits_posted: i64,
    debits_pending: i64,
    credits_pending: i64,
    pub(super) version: i64,
}

/// All accounts there are. Their ids say nothing of the time, so those that come meanwhile are looked at as well, ever fewer
/// of them the farther a walk has come.
pub(super) fn all(db: &mut Db) -> Done<Span<String>> {
    Ok(Span::up_to(account::table.select(max(account::id)).first(db)?))
}

/// The next accounts by id.
pub(super) fn next(db: &mut Db, ids: &mut Span<String>) -> Done<Vec<Row>> {
    let rows: Vec<Row> = account::table
        .filter(account::id.gt(&ids.after).and(account::id.le(&ids.until)))
        .select(Row::columns())
        .order(account::id)
        .limit(PAGE)
        .load(db)?;
    ids.pass(&rows, PAGE, |row| row.id.clone());
    Ok(rows)
}

/// `debits_equal_credits` over accounts. Both sides of a transfer change together, so this is one read of them all.
pub(super) fn sums(db: &mut Db) -> Done<Audit> {
    let (mut audit, mut sums, mut ids) = (Audit::default(), BTreeMap::<String, (i128, i128)>::new(), all(db)?);
    loop {
        let rows = next(db, &mut ids)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let (debits, credits) = sums.entry(row.currency).or_default();
            *debits += i128::from(row.debits_posted);
            *credits += i128::from(row.credits_posted);
        }
    }
    for (currency, (debits, credits)) in sums {
        audit.check(debits == credits, "debits_equal_credits", &currency, || {
            format!("accounts: debits {debits}, credits {credits}")
        });
    }
    Ok(audit)
}

/// `no_user_below_zero`, `pending_is_sum_of_holds`, and whether the last entry is there.
#[derive(Debug, Default)]
pub(super) struct Counters {
    ids: Span<String>,
}

impl Walk for Counters {
    type Error = WalletError;

    fn begin(&mut self, db: &mut Db) -> Done<()> {
        self.ids = all(db)?;
        Ok(())
    }

    fn page(&mut self, db: &mut Db, audit: &mut Audit) -> Done<bool> {
        let rows = next(db, &mut self.ids)?;
        audit.looked_at(rows.len());
        let held = held(db, &rows)?;
        let expected = expected(db, &rows)?;
        for row in &rows {
            covered(row, audit);
            let of = |sums: &HashMap<String, i128>| sums.get(&row.id).copied().unwrap_or(0);
            let (held, expected) = (of(&held), of(&expected));
            let as_held = held == i128::from(row.debits_pending) && expected == i128::from(row.credits_pending);
            audit.check(as_held, "pending_is_sum_of_holds", &row.id, || {
                let (debits, credits) = (row.debits_pending, row.credits_pending);
                format!("pending {debits} and {credits}, holds {held} and {expected}")
            });
            last_entry(db, row, audit)?;
        }
        Ok(!rows.is_empty())
    }
}

fn covered(row: &Row, audit: &mut Audit) {
    let left = row.credits_posted.saturating_sub(row.debits_posted).saturating_sub(row.debits_pending);
    let counters = [row.debits_posted, row.credits_posted, row.debits_pending, row.credits_pending];
    let positive = counters.iter().all(|counter| *counter >= 0);
    audit.check(positive && (row.kind != Kind::User.text() || left >= 0), "no_user_below_zero", &row.id, || {
        format!("{left} left of {counters:?} (debits, credits, pending debits, pending credits)")
    });
}

fn held(db: &mut Db, rows: &[Row]) -> Done<HashMap<String, i128>> {
    let ids = rows.iter().map(|row| row.id.as_str());
    let held = hold::state.eq(state_text(HoldState::Held)).and(hold::account_id.eq_any(ids));
    let amounts: Vec<(String, i64)> = hold::table.filter(held).select((hold::account_id, hold::amount)).load(db)?;
    Ok(summed(amounts))
}

fn expected(db: &mut Db, rows: &[Row]) -> Done<HashMap<String, i128>> {
    let ids = rows.iter().map(|row| row.id.as_str());
    let held = hold::state.eq(state_text(HoldState::Held)).and(hold::payee_account.eq_any(ids));
    let amounts: Vec<(Option<String>, i64)> =
        hold::table.filter(held).select((hold::payee_account, hold::amount)).load(db)?;
    Ok(summed(amounts.into_iter().filter_map(|(id, amount)| Some((id?, amount))).collect()))
}

fn summed(amounts: Vec<(String, i64)>) -> HashMap<String, i128> {
    let mut sums = HashMap::new();
    for (id, amount) in amounts {
        *sums.entry(id).or_default() += i128::from(amount);
    }
    sums
}

/// Read together with the account, so that an entry beyond the version is a defect and not just newer.
fn last_entry(db: &mut Db, row: &Row, audit: &mut Audit) -> Done<()> {
    let last: Option<i64> = entry::table
        .filter(entry::account_id.eq(&row.id))
        .select(entry::account_version)
        .order(entry::account_version.desc())
        .first(db)
        .optional()?;
    let last = last.unwrap_or(0);
    audit.check(last == row.version, "versions_without_gap", &row.id, || {
        format!("the account is at version {}, its last entry at {last}", row.version)
    });
    Ok(())
}
