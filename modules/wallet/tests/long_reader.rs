//! Somebody reads the wallet's file and does not end: no new money is held, and what is held is still paid or returned.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use std::sync::Arc;

use common::{Bank, NOW, People, supplier};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use emporium_database::{Database, Url};
use emporium_kernel::{Clock, Outage, Random};
use emporium_wallet::{Ledger, MIGRATIONS, Settings};
use emporium_wallet_api::{HoldState, WalletError};

const MOST: u64 = 1 << 20;

/// A bank whose log may have [`MOST`] bytes.
fn bank() -> Bank {
    let folder = tempfile::tempdir().expect("a folder");
    let (clock, hand) = Clock::manual(NOW);
    let people = Arc::new(People::default());
    let url = Url::file(folder.path().join("wallet.db"));
    let database = Database::open_limited(&url, MIGRATIONS, MOST).expect("opens");
    let ledger = Ledger::of(database, Settings::default(), people.clone(), clock, Random::seeded(1));
    Bank { folder, ledger, hand, people }
}

#[actix_web::test]
async fn a_reader_that_does_not_end_stops_new_holds_and_nothing_that_is_held() {
    let bank = bank();
    let log = bank.folder.path().join("wallet.db-wal");
    bank.give("ada", 1_000_000).await;
    let path = bank.folder.path().join("wallet.db").display().to_string();
    let mut reader = SqliteConnection::establish(&path).expect("connects");
    reader.batch_execute("begin; select count(*) from entry").expect("reads");
    let mut held = 0;
    let refusal = loop {
        match bank.hold(&held.to_string(), "ada", 10).await {
            Ok(_) => held += 1,
            Err(refusal) => break refusal,
        }
        assert!(held < 1_000, "the log has {:?} bytes", log.metadata().map(|log| log.len()));
    };
    assert_eq!(refusal, WalletError::Outage(Outage::Busy));
    assert!(held >= 2, "{held}");
    assert_eq!(bank.hold("0", "ada", 10).await.expect("what is held is told again").state, HoldState::Held);
    let paid = bank.capture("0", &[(supplier("sue"), 10)]).await.expect("what was held is paid");
    assert_eq!(paid.state, HoldState::Captured);
    assert_eq!(bank.void("1").await.expect("or given back").state, HoldState::Voided);
    assert!(log.metadata().expect("a log").len() < 2 * MOST);
    reader.batch_execute("rollback").expect("ends");
    let resumed = async {
        while bank.hold("later", "ada", 10).await.is_err() {
            actix_web::rt::task::yield_now().await;
        }
    };
    actix_web::rt::time::timeout(std::time::Duration::from_secs(5), resumed).await.expect("goes on by itself");
    bank.prove().await;
}
