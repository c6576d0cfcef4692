//! `verify`: proves the invariants of the ledger, page by page, and names the first row that breaks each.
//!
//! Each page is one state of the database. What a page cannot finish goes on in the next from rows that never
//! change: entries and transfers are only ever added.

mod accounts;
mod chains;
mod holds;
mod transfers;

use emporium_database::Database;
use emporium_database::walk::walk;
use emporium_kernel::{Audit, Timestamp};
use emporium_wallet_api::WalletError;

/// Rows that are looked at in one read.
const PAGE: i64 = 500;

pub(crate) async fn verify(database: &Database, now: Timestamp) -> Result<Audit, WalletError> {
    let audit = database.read(accounts::sums).await?;
    let audit = walk(database, accounts::Counters::default(), audit).await?;
    let audit = walk(database, chains::Chains::default(), audit).await?;
    let audit = walk(database, transfers::Transfers::default(), audit).await?;
    walk(database, holds::Holds::new(now), audit).await
}

#[cfg(test)]
#[path = "../../../tests/support/beside.rs"]
mod beside;

#[cfg(test)]
mod tests {
    use super::beside::{beside, thousand};
    use super::*;
    use crate::MIGRATIONS;

    /// Accounts of which nothing is known yet, behind all others.
    fn accounts(number: u32) -> String {
        let account = "printf('acc_9%025d', n), 'user', printf('usr_%026d', n), 'USD', 0, 0, 0, 0, 0, 0, 0";
        thousand(number, "account", account)
    }

    /// Transfers that were refused, and others that make a hold.
    fn transfers(number: u32) -> String {
        let transfer = |id: &str, kind: &str, outcome: &str| {
            let columns = "'acc_1', null, 1, 'USD', null, 'order', null, null";
            thousand(
                number,
                "transfer",
                &format!("printf('{id}%026d', n), '{kind}', {columns}, {outcome}, 'system', 0"),
            )
        };
        transfer("trf_", "post", "'refused', '{}'") + &transfer("hld_", "hold", "'posted', null")
    }

    /// Holds that were given free before they came.
    fn tombstones(number: u32) -> String {
        let tombstone = "printf('hld_%026d', n), 'acc_1', null, 0, 'USD', 'tombstone', 'order', '', null, '', null, 0";
        thousand(number, "hold", tombstone)
    }

    #[actix_web::test]
    async fn a_proof_looks_at_what_there_was_when_it_began() {
        let found = |audit: Audit| {
            assert!(audit.is_clean(), "{audit:?}");
            audit.checked
        };
        assert_eq!(found(beside(MIGRATIONS, accounts, accounts::Counters::default()).await), 1_000);
        assert_eq!(found(beside(MIGRATIONS, accounts, chains::Chains::default()).await), 0, "there are no entries");
        assert_eq!(found(beside(MIGRATIONS, transfers, transfers::Transfers::default()).await), 2_000);
        assert_eq!(found(beside(MIGRATIONS, tombstones, holds::Holds::new(Timestamp::from_micros(0))).await), 1_000);
    }
}
