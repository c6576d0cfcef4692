//! Somebody reads the stock's file and does not end: nothing more is reserved, and what is reserved still leaves or comes
//! back.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use common::{House, NOW, settings, url};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use emporium_database::Database;
use emporium_inventory::{MIGRATIONS, Stock};
use emporium_inventory_api::{InventoryError, ReservationState};
use emporium_kernel::{Clock, Outage, Random};

const MOST: u64 = 1 << 20;

/// A house whose log may have [`MOST`] bytes.
fn house() -> House {
    let folder = tempfile::tempdir().expect("a folder");
    let (clock, hand) = Clock::manual(NOW);
    let database = Database::open_limited(&url(&folder), MIGRATIONS, MOST).expect("opens");
    let stock = Stock::of(database, settings(), clock.clone(), Random::seeded(7));
    House { folder, stock, clock, hand }
}

#[actix_web::test]
async fn a_reader_that_does_not_end_stops_new_reservations_and_nothing_that_is_reserved() {
    let house = house();
    house.register(&["MUG"]).await;
    house.fill("MUG", 1_000_000).await;
    let file = url(&house.folder).path().expect("a file").display().to_string();
    let log = || std::fs::metadata(format!("{file}-wal")).map_or(0, |log| log.len());
    let mut reader = SqliteConnection::establish(&file).expect("connects");
    reader.batch_execute("begin; select count(*) from reservation").expect("reads");
    let mut reserved = 0;
    let refusal = loop {
        match house.reserve(&reserved.to_string(), &[("MUG", 1)]).await {
            Ok(_) => reserved += 1,
            Err(refusal) => break refusal,
        }
        assert!(reserved < 1_000, "the log has {} bytes", log());
    };
    assert_eq!(refusal, InventoryError::Outage(Outage::Busy));
    assert!(reserved >= 2, "{reserved}");
    let again = house.reserve("0", &[("MUG", 1)]).await.expect("what is reserved is told again");
    assert_eq!(again, ReservationState::Reserved);
    assert_eq!(house.commit("0").await.expect("what is reserved leaves"), ReservationState::Committed);
    assert_eq!(house.release("1").await, ReservationState::Released);
    assert!(log() < 2 * MOST, "{}", log());
    reader.batch_execute("rollback").expect("ends");
    let resumed = async {
        while house.reserve("later", &[("MUG", 1)]).await.is_err() {
            actix_web::rt::task::yield_now().await;
        }
    };
    actix_web::rt::time::timeout(std::time::Duration::from_secs(5), resumed).await.expect("goes on by itself");
    house.assert_clean().await;
}
