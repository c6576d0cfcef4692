//! `verify`: proves the invariants of the ledger, page by page, and names the first row that breaks each.
//!
//! Each page is one state of the database. What a page cannot finish goes on in the next from rows that never
//! change: entries and transfers are only ever added.

mod accounts;
mod chains;
mod holds;
mod transfers;

use emporium_database::{Database, Db};
use emporium_kernel::{Audit, Timestamp};
use emporium_wallet_api::WalletError;

use crate::Done;

/// Rows that are looked at in one read.
const PAGE: i64 = 500;

/// What was found so far.
#[derive(Debug, Default)]
struct Report(Audit);

impl Report {
    fn looked_at(&mut self, rows: usize) {
        self.0.checked += i64::try_from(rows).unwrap_or(i64::MAX);
    }

    /// Notes a broken invariant unless another row that breaks it came before.
    fn find(&mut self, invariant: &str, subject: &str, detail: impl FnOnce() -> String) {
        if !self.0.findings.iter().any(|finding| finding.invariant == invariant) {
            self.0.find(invariant, subject, detail());
        }
    }

    fn check(&mut self, holds: bool, invariant: &str, subject: &str, detail: impl FnOnce() -> String) {
        if !holds {
            self.find(invariant, subject, detail);
        }
    }
}

/// A check that goes through a table until it has caught up: until a page is not full.
trait Walk: Send + 'static {
    /// Looks at the next rows; `false` at the end.
    fn page(&mut self, db: &mut Db, report: &mut Report) -> Done<bool>;
}

/// Whether more rows may follow these.
fn is_full<T>(page: &[T]) -> bool {
    i64::try_from(page.len()).is_ok_and(|rows| rows == PAGE)
}

pub(crate) async fn verify(database: &Database, now: Timestamp) -> Result<Audit, WalletError> {
    let report = database.read(accounts::sums).await?;
    let report = walk(database, accounts::Counters::default(), report).await?;
    let report = walk(database, chains::Chains::default(), report).await?;
    let report = walk(database, transfers::Transfers::default(), report).await?;
    Ok(walk(database, holds::Holds::new(now), report).await?.0)
}

async fn walk(database: &Database, mut walk: impl Walk, mut report: Report) -> Result<Report, WalletError> {
    loop {
        let read = database.read_aside(move |db| {
            let more = walk.page(db, &mut report)?;
            Ok((more, walk, report))
        });
        let more;
        (more, walk, report) = read.await?;
        if !more {
            return Ok(report);
        }
    }
}
