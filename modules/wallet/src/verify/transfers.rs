//! Transfers: what was posted is balanced, what was refused or only held has no entries.

use std::collections::{BTreeMap, HashMap};

use diesel::dsl::max;
use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_database::walk::{Span, Walk};
use emporium_kernel::Audit;
use emporium_wallet_api::WalletError;

use super::PAGE;
use crate::Done;
use crate::schema::{account, entry, resolution, transfer};
use crate::stored::Word;
use crate::transfer::{Kind, Side};

/// Transfers that make a hold have its id; the ids of all others begin with this, and are behind those, whatever the time.
const OTHERS: &str = "trf_";

/// `transfer_is_balanced`, `refused_has_no_entries`, `hold_resolves_once`, and `debits_equal_credits` over entries.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    /// The ids to walk along, one span after the other from the last.
    parts: Vec<Span<String>>,
    sums: BTreeMap<String, (i128, i128)>,
}

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = transfer)]
struct Row {
    id: String,
    kind: String,
    debit_account: String,
    credit_account: Option<String>,
    amount: i64,
    currency: String,
    pending_id: Option<String>,
    outcome: String,
}

#[derive(Debug)]
struct Entry {
    account: String,
    side: String,
    amount: i64,
    currency: Option<String>,
}

impl Walk for Transfers {
    type Error = WalletError;

    fn begin(&mut self, db: &mut Db) -> Done<()> {
        let ids = transfer::table.select(max(transfer::id));
        let of_holds = Span::up_to(ids.filter(transfer::id.lt(OTHERS)).first(db)?);
        self.parts = vec![of_holds, Span { after: OTHERS.to_owned(), ..Span::up_to(ids.first(db)?) }];
        Ok(())
    }

    fn page(&mut self, db: &mut Db, audit: &mut Audit) -> Done<bool> {
        let Some(mut part) = self.parts.pop() else {
            self.compare(audit);
            return Ok(false);
        };
        let rows: Vec<Row> = transfer::table
            .filter(transfer::id.gt(&part.after).and(transfer::id.le(&part.until)))
            .select(Row::columns())
            .order(transfer::id)
            .limit(PAGE)
            .load(db)?;
        if part.pass(&rows, PAGE, |row| row.id.clone()) {
            self.parts.push(part);
        }
        audit.looked_at(rows.len());
        let mut entries = entries(db, &rows)?;
        let resolutions = resolutions(db, &rows)?;
        for row in &rows {
            let own = entries.remove(&row.id).unwrap_or_default();
            self.add(&own);
            check(row, &own, audit);
            if let Some(pending) = &row.pending_id {
                let noted = resolutions.get(pending) == Some(&row.id);
                audit.check(noted, "hold_resolves_once", pending, || {
                    format!("{} resolves it, which its resolution does not say", row.id)
                });
            }
        }
        Ok(true)
    }
}

impl Transfers {
    fn add(&mut self, entries: &[Entry]) {
        for entry in entries {
            let (debits, credits) = self.sums.entry(entry.currency.clone().unwrap_or_default()).or_default();
            let sum = if entry.side == Side::Debit.text() { debits } else { credits };
            *sum += i128::from(entry.amount);
        }
    }

    fn compare(&self, audit: &mut Audit) {
        for (currency, (debits, credits)) in &self.sums {
            audit.check(debits == credits, "debits_equal_credits", currency, || {
                format!("entries: debits {debits}, credits {credits}")
            });
        }
    }
}

fn check(row: &Row, entries: &[Entry], audit: &mut Audit) {
    let moves = row.kind == Kind::Post.text() || row.kind == Kind::Capture.text();
    if !moves || row.outcome != "posted" {
        audit.check(entries.is_empty(), "refused_has_no_entries", &row.id, || {
            format!("{} {} has {} entries", row.outcome, row.kind, entries.len())
        });
        return;
    }
    let is_debit = |entry: &&Entry| entry.side == Side::Debit.text();
    let (debits, credits): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(is_debit);
    let sum = |side: &[&Entry]| side.iter().map(|entry| i128::from(entry.amount)).sum::<i128>();
    let amount = i128::from(row.amount);
    let balanced = sum(&debits) == amount && sum(&credits) == amount;
    let currency = entries.iter().all(|entry| entry.currency.as_deref() == Some(row.currency.as_str()));
    let from = matches!(debits.as_slice(), [only] if only.account == row.debit_account);
    let to = match (&row.credit_account, credits.as_slice()) {
        (Some(payee), [only]) => only.account == *payee,
        (Some(_), _) => false,
        (None, _) => row.kind == Kind::Capture.text(),
    };
    audit.check(balanced && currency && from && to, "transfer_is_balanced", &row.id, || {
        format!("amount {amount}, debits {}, credits {}: {entries:?}", sum(&debits), sum(&credits))
    });
}

fn entries(db: &mut Db, rows: &[Row]) -> Done<HashMap<String, Vec<Entry>>> {
    let ids = rows.iter().map(|row| row.id.as_str());
    let found: Vec<(String, String, String, i64)> = entry::table
        .filter(entry::transfer_id.eq_any(ids))
        .select((entry::transfer_id, entry::account_id, entry::side, entry::amount))
        .load(db)?;
    let accounts = found.iter().map(|(_, account, ..)| account.as_str()).collect::<std::collections::BTreeSet<_>>();
    let currencies: Vec<(String, String)> =
        account::table.filter(account::id.eq_any(accounts)).select((account::id, account::currency)).load(db)?;
    let currencies: HashMap<String, String> = currencies.into_iter().collect();
    let mut grouped: HashMap<String, Vec<Entry>> = HashMap::new();
    for (transfer, account, side, amount) in found {
        let currency = currencies.get(&account).cloned();
        grouped.entry(transfer).or_default().push(Entry { account, side, amount, currency });
    }
    Ok(grouped)
}

fn resolutions(db: &mut Db, rows: &[Row]) -> Done<HashMap<String, String>> {
    let ids = rows.iter().filter_map(|row| row.pending_id.as_deref());
    let found: Vec<(String, String)> = resolution::table
        .filter(resolution::pending_id.eq_any(ids))
        .select((resolution::pending_id, resolution::transfer_id))
        .load(db)?;
    Ok(found.into_iter().collect())
}
