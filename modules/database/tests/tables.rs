//! The tables every module has: migrations, idempotency keys, outbox.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use std::time::Duration;

use common::{MIGRATIONS, Shelf, ShelfError, put, run, shelf, url};
use diesel::prelude::*;
use emporium_database::idempotency::{self, once};
use emporium_database::{Database, Db, MigrationError, OpenError, outbox, refuse};
use emporium_kernel::{After, Idempotency, Stored, Timestamp};

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000_000);

#[tokio::test]
async fn a_schema_goes_up_down_and_up_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let versions = MIGRATIONS.versions().expect("versions");
    assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "versions are unique and in order: {versions:?}");
    for _ in 0..2 {
        let database = Database::open(&url(&folder), MIGRATIONS).expect("goes up");
        database.write(put("a")).await.expect("works");
        database.close();
        drop(database);
        MIGRATIONS.revert(&url(&folder)).expect("goes down");
    }
}

#[tokio::test]
async fn an_older_build_refuses_a_newer_schema() {
    let shelf = Shelf::new();
    let newer = run("insert into __diesel_schema_migrations (version) values ('99990101000000')");
    shelf.database.write(newer).await.expect("a newer build was here");
    shelf.database.close();
    let refused = Database::open(&url(&shelf.folder), MIGRATIONS);
    assert!(matches!(refused, Err(OpenError::Migration(MigrationError::Newer(v))) if v == "99990101000000"));
}

fn key(fingerprint: &str) -> Idempotency {
    Idempotency { scope: "usr_1".to_owned(), key: "k".to_owned(), fingerprint: fingerprint.to_owned() }
}

async fn put_once(shelf: &Shelf, fingerprint: &str, name: &'static str) -> Stored {
    let key = key(fingerprint);
    let work = move |db: &mut Db| once(db, &key, NOW, 201, |db| put(name)(db).map(|()| name));
    shelf.database.write::<Stored, ShelfError, _>(work).await.expect("answers")
}

#[tokio::test]
async fn a_key_has_one_effect_and_one_answer() {
    let shelf = Shelf::new();
    let first = put_once(&shelf, "f", "a").await;
    assert_eq!(first, Stored { status: 201, body: "\"a\"".to_owned(), replayed: false });
    assert_eq!(put_once(&shelf, "f", "b").await, Stored { replayed: true, ..first });
    let reused = put_once(&shelf, "g", "c").await;
    assert_eq!((reused.status, reused.body.contains("idempotency_key_reused")), (422, true));
    assert_eq!(shelf.names().await, ["a"]);
}

#[tokio::test]
async fn a_refusal_is_stored_without_its_effect() {
    let shelf = Shelf::new();
    let try_it = |available| {
        let key = key("f");
        let work = move |db: &mut Db| {
            once(db, &key, NOW, 201, |db| {
                put("x")(db)?;
                refuse::<(), ShelfError>(ShelfError::Short { available })
            })
        };
        shelf.database.write::<Stored, ShelfError, _>(work)
    };
    let first = try_it(3).await.expect("answers");
    assert_eq!((first.status, first.replayed), (409, false));
    assert_eq!(try_it(9).await.expect("answers"), Stored { replayed: true, ..first });
    assert!(shelf.names().await.is_empty());
}

#[tokio::test]
async fn a_failure_of_ours_is_not_stored() {
    let shelf = Shelf::new();
    let broken = key("f");
    let failed = shelf.database.write::<Stored, ShelfError, _>(move |db| {
        once(db, &broken, NOW, 201, |db| run("insert into nowhere values (1)")(db))
    });
    assert!(failed.await.is_err());
    assert_eq!(put_once(&shelf, "f", "a").await.status, 201);
}

#[tokio::test]
async fn keys_are_forgotten_after_a_week() {
    let shelf = Shelf::new();
    put_once(&shelf, "f", "a").await;
    let prune = |now| shelf.database.write::<_, ShelfError, _>(move |db| idempotency::prune(db, now));
    assert_eq!(prune(NOW.plus(idempotency::KEPT)).await, Ok(0));
    assert_eq!(prune(NOW.plus(idempotency::KEPT + Duration::from_secs(1))).await, Ok(1));
}

#[tokio::test]
async fn events_are_numbered_after_their_commit_and_read_in_order() {
    let shelf = Shelf::new();
    for name in ["a", "b", "c"] {
        let tell = move |db: &mut Db| {
            put(name)(db)?;
            outbox::put::<ShelfError>(db, "shelf.filled", name, &1, NOW)
        };
        shelf.database.write(tell).await.expect("writes");
    }
    let refused = |db: &mut Db| {
        outbox::put::<ShelfError>(db, "shelf.filled", "never", &1, NOW)?;
        refuse::<(), ShelfError>(ShelfError::Short { available: 0 })
    };
    assert!(shelf.database.write(refused).await.is_err());
    let read = |number, limit| outbox::after::<ShelfError>(&shelf.database, After { number, limit });
    let seen: Vec<(i64, String)> =
        read(0, 2).await.expect("reads").events.into_iter().map(|e| (e.number, e.subject)).collect();
    assert_eq!(seen, [(1, "a".to_owned()), (2, "b".to_owned())]);
    assert_eq!(read(2, 500).await.expect("reads").events.len(), 1);
    assert!(read(3, 500).await.expect("reads").events.is_empty());
    let late = NOW.plus(outbox::KEPT + Duration::from_secs(1));
    let pruned = shelf.database.write::<_, ShelfError, _>(move |db| outbox::prune(db, late)).await;
    assert_eq!(pruned, Ok(2), "the newest stays, to go on counting from");
}

#[tokio::test]
async fn guards_stand_in_the_database_too() {
    let shelf = Shelf::new();
    shelf.database.write(put("a")).await.expect("writes");
    let below_zero = |db: &mut Db| -> common::Done<()> {
        diesel::update(shelf::table).set(shelf::pieces.eq(shelf::pieces - 2)).execute(db)?;
        Ok(())
    };
    assert!(shelf.database.write(below_zero).await.is_err());
}
