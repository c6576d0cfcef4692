//! Accounts: what they say of themselves, and whether debits equal credits over all of them.

use std::collections::{BTreeMap, HashMap};

use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_wallet_api::HoldState;

use super::{PAGE, Report, Walk, is_full};
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

/// The next accounts by id.
pub(super) fn next(db: &mut Db, after: &str) -> Done<Vec<Row>> {
    let rows = account::table.filter(account::id.gt(after)).select(Row::columns()).order(account::id);
    Ok(rows.limit(PAGE).load(db)?)
}

/// `debits_equal_credits` over accounts. Both sides of a transfer change together, so this is one read of them all.
pub(super) fn sums(db: &mut Db) -> Done<Report> {
    let mut report = Report::default();
    let (mut sums, mut after) = (BTreeMap::<String, (i128, i128)>::new(), String::new());
    loop {
        let rows = next(db, &after)?;
        let Some(last) = rows.last() else { break };
        after.clone_from(&last.id);
        for row in rows {
            let (debits, credits) = sums.entry(row.currency).or_default();
            *debits += i128::from(row.debits_posted);
            *credits += i128::from(row.credits_posted);
        }
    }
    for (currency, (debits, credits)) in sums {
        report.check(debits == credits, "debits_equal_credits", &currency, || {
            format!("accounts: debits {debits}, credits {credits}")
        });
    }
    Ok(report)
}

/// `no_user_below_zero`, `pending_is_sum_of_holds`, and whether the last entry is there.
#[derive(Debug, Default)]
pub(super) struct Counters {
    after: String,
}

impl Walk for Counters {
    fn page(&mut self, db: &mut Db, report: &mut Report) -> Done<bool> {
        let rows = next(db, &self.after)?;
        let Some(last) = rows.last() else { return Ok(false) };
        self.after.clone_from(&last.id);
        report.looked_at(rows.len());
        let held = held(db, &rows)?;
        let expected = expected(db, &rows)?;
        for row in &rows {
            covered(row, report);
            let of = |sums: &HashMap<String, i128>| sums.get(&row.id).copied().unwrap_or(0);
            let (held, expected) = (of(&held), of(&expected));
            let as_held = held == i128::from(row.debits_pending) && expected == i128::from(row.credits_pending);
            report.check(as_held, "pending_is_sum_of_holds", &row.id, || {
                let (debits, credits) = (row.debits_pending, row.credits_pending);
                format!("pending {debits} and {credits}, holds {held} and {expected}")
            });
            last_entry(db, row, report)?;
        }
        Ok(is_full(&rows))
    }
}

fn covered(row: &Row, report: &mut Report) {
    let left = row.credits_posted.saturating_sub(row.debits_posted).saturating_sub(row.debits_pending);
    let counters = [row.debits_posted, row.credits_posted, row.debits_pending, row.credits_pending];
    let positive = counters.iter().all(|counter| *counter >= 0);
    report.check(positive && (row.kind != Kind::User.text() || left >= 0), "no_user_below_zero", &row.id, || {
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
fn last_entry(db: &mut Db, row: &Row, report: &mut Report) -> Done<()> {
    let last: Option<i64> = entry::table
        .filter(entry::account_id.eq(&row.id))
        .select(entry::account_version)
        .order(entry::account_version.desc())
        .first(db)
        .optional()?;
    let last = last.unwrap_or(0);
    report.check(last == row.version, "versions_without_gap", &row.id, || {
        format!("the account is at version {}, its last entry at {last}", row.version)
    });
    Ok(())
}
