//! What other processes do to the same file: one holds its lock, one reads and does not end.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use std::time::Duration;

use common::{MIGRATIONS, Shelf, put, url};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use emporium_database::{Database, Lane};
use emporium_kernel::Outage;
use futures_util::future::join_all;

/// Another process's connection, in the middle of a transaction.
fn neighbour(shelf: &Shelf, begin: &str) -> SqliteConnection {
    let path = url(&shelf.folder).path().expect("a file").display().to_string();
    let mut neighbour = SqliteConnection::establish(&path).expect("connects");
    neighbour.batch_execute(begin).expect("begins");
    neighbour
}

#[tokio::test]
async fn a_foreign_lock_refuses_whoever_waits_at_once_and_is_over_when_it_is_over() {
    let shelf = Shelf::new();
    shelf.database.write(put("before")).await.expect("writes");
    let mut neighbour = neighbour(&shelf, "begin immediate");
    let names: Vec<String> = (0..20).map(|n| format!("during {n}")).collect();
    let refused = tokio::time::timeout(
        Duration::from_secs(5),
        join_all(names.iter().map(|name| shelf.database.write(put(name)))),
    );
    let refused = refused.await.expect("nobody waits for the lock of another one by one");
    assert!(refused.iter().all(|write| *write == Err(Outage::Busy.into())), "{refused:?}");
    assert_eq!(shelf.names().await, ["before"], "reads go on");
    neighbour.batch_execute("rollback").expect("ends");
    shelf.database.write(put("after")).await.expect("writes again");
    assert_eq!(shelf.names().await, ["after", "before"]);
}

#[tokio::test]
async fn a_reader_that_does_not_end_stops_new_work_before_the_log_fills_the_disk() {
    const MOST: u64 = 20 << 20;
    let folder = tempfile::tempdir().expect("a folder");
    let database = Database::open_limited(&url(&folder), MIGRATIONS, MOST).expect("opens");
    let shelf = Shelf { folder, database };
    let log_bytes = || {
        std::fs::metadata(url(&shelf.folder).path().expect("a file").with_extension("db-wal"))
            .map_or(0, |log| log.len())
    };
    shelf.database.write(put("before")).await.expect("writes");
    let mut neighbour = neighbour(&shelf, "begin; select count(*) from shelf");
    let large = |n: u32| put(&format!("{n:03}{}", "x".repeat(1_000_000)));
    let mut written = 0;
    while shelf.database.write(large(written)).await.is_ok() {
        written += 1;
        assert!(written < 100, "the log has {} bytes", log_bytes());
    }
    assert_eq!(shelf.database.write(put("refused")).await, Err(Outage::Busy.into()));
    shelf.database.write_in(Lane::Continuation, put("continued")).await.expect("what was begun goes on");
    assert!(log_bytes() < 2 * MOST, "the log has {} bytes", log_bytes());
    neighbour.batch_execute("rollback").expect("ends");
    let resumed = async {
        while shelf.database.write(put("resumed")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), resumed).await.expect("goes on by itself");
    assert!(log_bytes() < MOST, "the log is cut");
}
