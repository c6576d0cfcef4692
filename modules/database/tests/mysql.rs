//! What a server adds: transactions that meet, connections that break, instances that start together. On a real MariaDB.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::disallowed_methods, reason = "a test stands outside and looks at the clock itself")]

mod common;
#[path = "../../../tests/support/mariadbd.rs"]
mod mariadbd;

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::{Done, MIGRATIONS, ShelfError, put, run, shelf};
use emporium_database::prelude::*;
use emporium_database::{Database, Db, Lane, OpenError, Url, idempotency, lease, refuse};
use emporium_kernel::{Idempotency, Outage, Timestamp};
use mariadbd::Mariadbd;
use tokio::sync::Notify;

/// More than there are workers.
const MANY: usize = 32;

struct Shop {
    database: Database,
    server: Mariadbd,
}

impl Shop {
    fn new() -> Self {
        let server = Mariadbd::start();
        let database = Database::open(&url(&server), MIGRATIONS).expect("opens");
        Self { database, server }
    }

    /// Writes as many at once as keep every worker busy.
    async fn fill(&self, name: &str) {
        let names = (0..MANY).map(|number| format!("{name}{number:02}"));
        let writes = names.map(|name| {
            self.database.write(move |db| {
                std::thread::sleep(Duration::from_millis(2));
                put(&name)(db)
            })
        });
        for written in futures_util::future::join_all(writes).await {
            written.expect("writes");
        }
    }

    async fn names(&self) -> Vec<String> {
        let names =
            |db: &mut Db| -> Done<Vec<String>> { Ok(shelf::table.select(shelf::name).order(shelf::name).load(db)?) };
        self.database.read(names).await.expect("reads")
    }

    async fn pieces(&self, name: &'static str) -> i64 {
        let pieces = move |db: &mut Db| -> Done<i64> {
            Ok(shelf::table.filter(shelf::name.eq(name)).select(shelf::pieces).first(db)?)
        };
        self.database.read(pieces).await.expect("reads")
    }
}

fn url(server: &Mariadbd) -> Url {
    Url::parse(&server.url("shelf-db")).expect("a URL")
}

fn add(db: &mut Db, name: &str, pieces: i64) -> Done<()> {
    let guarded = shelf::table.filter(shelf::name.eq(name).and(shelf::pieces.ge(-pieces)));
    let changed = diesel::update(guarded).set(shelf::pieces.eq(shelf::pieces + pieces)).execute(db)?;
    if changed == 1 { Ok(()) } else { refuse(ShelfError::Short { available: 0 }) }
}

#[tokio::test]
async fn what_is_written_is_read_and_guards_decide() {
    let shop = Shop::new();
    for name in ["b", "a"] {
        shop.database.write(put(name)).await.expect("writes");
    }
    assert_eq!(shop.names().await, ["a", "b"]);
    let taken = shop.database.write(|db| add(db, "a", -2)).await;
    assert_eq!(taken, Err(ShelfError::Short { available: 0 }));
    let below_zero = run("update shelf set pieces = -1 where name = 'a'");
    assert!(shop.database.write(below_zero).await.is_err(), "the database has the guard too");
    assert_eq!(shop.pieces("a").await, 1);
}

#[tokio::test]
async fn rows_that_match_count_though_nothing_changes() {
    let shop = Shop::new();
    shop.database.write(put("a")).await.expect("writes");
    let same = |db: &mut Db| -> Done<usize> { Ok(diesel::update(shelf::table).set(shelf::pieces.eq(1)).execute(db)?) };
    assert_eq!(shop.database.write(same).await, Ok(1));
}

#[tokio::test]
async fn a_refusal_undoes_all_of_its_work() {
    let shop = Shop::new();
    let half = |db: &mut Db| -> Done<()> {
        put("half")(db)?;
        refuse(ShelfError::Short { available: 7 })
    };
    assert_eq!(shop.database.write(half).await, Err(ShelfError::Short { available: 7 }));
    let panics = |db: &mut Db| -> Done<()> {
        put("panicked")(db)?;
        panic!("on purpose")
    };
    assert_eq!(shop.database.write(panics).await, Err(ShelfError::Outage(Outage::Internal)));
    shop.fill("whole").await;
    assert!(shop.names().await.iter().all(|name| name.starts_with("whole")));
}

#[tokio::test]
async fn transactions_that_meet_are_run_again_until_both_are_done() {
    let shop = Shop::new();
    for name in ["a", "b"] {
        shop.database.write(put(name)).await.expect("writes");
    }
    let (met, runs) = (Arc::new(std::sync::Barrier::new(2)), Arc::new(AtomicU32::new(0)));
    let cross = |first: &'static str, second: &'static str| {
        let (met, runs) = (met.clone(), runs.clone());
        shop.database.write(move |db: &mut Db| {
            add(db, first, 10)?;
            // Each holds what the other one wants; later runs meet nobody.
            if runs.fetch_add(1, Ordering::SeqCst) < 2 {
                met.wait();
            }
            add(db, second, 1)
        })
    };
    let (one, other) = tokio::join!(cross("a", "b"), cross("b", "a"));
    assert_eq!((one, other), (Ok(()), Ok(())));
    assert!(runs.load(Ordering::SeqCst) > 2, "the server ended one of them");
    assert_eq!((shop.pieces("a").await, shop.pieces("b").await), (12, 12), "each was done once");
}

#[tokio::test]
async fn who_waits_too_long_for_a_row_undoes_everything_and_tries_again() {
    let shop = Shop::new();
    for name in ["a", "b"] {
        shop.database.write(put(name)).await.expect("writes");
    }
    let (holds, served) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
    let hold = {
        let (holds, served) = (holds.clone(), served.clone());
        shop.database.write(move |db: &mut Db| -> Done<()> {
            add(db, "b", 1)?;
            holds.notify_one();
            let began = Instant::now();
            while served.load(Ordering::SeqCst) < 2 && began.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(())
        })
    };
    let wait = {
        let served = served.clone();
        async {
            holds.notified().await;
            shop.database
                .write(move |db: &mut Db| {
                    served.fetch_add(1, Ordering::SeqCst);
                    add(db, "a", 10)?;
                    add(db, "b", 10)
                })
                .await
        }
    };
    let (held, waited) = tokio::join!(hold, wait);
    assert_eq!((held, waited), (Ok(()), Ok(())));
    assert_eq!((shop.pieces("a").await, shop.pieces("b").await), (11, 12), "the first try left nothing behind");
}

#[tokio::test]
async fn equal_keys_at_once_have_one_effect() {
    let shop = Shop::new();
    shop.database.write(put("a")).await.expect("writes");
    let once = || {
        let key = Idempotency { scope: "u".to_owned(), key: "k".to_owned(), fingerprint: "f".to_owned() };
        shop.database.write::<_, ShelfError, _>(move |db| {
            let now = Timestamp::from_micros(1);
            idempotency::once(db, &key, now, 201, |db| add(db, "a", 1))
        })
    };
    let answers = futures_util::future::join_all((0..40).map(|_| once())).await;
    let fresh = answers.iter().filter(|answer| answer.as_ref().is_ok_and(|stored| !stored.replayed)).count();
    assert_eq!((fresh, answers.iter().filter(|answer| answer.is_ok()).count()), (1, 40), "{answers:?}");
    assert_eq!(shop.pieces("a").await, 2);
}

#[tokio::test]
async fn a_refusal_is_kept_for_its_key_and_its_effect_is_not() {
    let shop = Shop::new();
    let once = |name: &'static str| {
        let key = Idempotency { scope: "u".to_owned(), key: "k".to_owned(), fingerprint: "f".to_owned() };
        shop.database.write::<_, ShelfError, _>(move |db| {
            idempotency::once(db, &key, Timestamp::from_micros(1), 201, |db| {
                put(name)(db)?;
                refuse::<(), ShelfError>(ShelfError::Short { available: 3 })
            })
        })
    };
    let first = once("a").await.expect("answers");
    assert_eq!((first.status, first.replayed), (409, false));
    let again = once("b").await.expect("answers");
    assert_eq!((again.status, again.replayed, again.body), (409, true, first.body));
    assert!(shop.names().await.is_empty());
}

#[tokio::test]
async fn a_read_sees_one_state_and_cannot_write() {
    let shop = Shop::new();
    shop.database.write(put("a")).await.expect("writes");
    let (seen, written) = (Arc::new(std::sync::Barrier::new(2)), Arc::new(std::sync::Barrier::new(2)));
    let read = {
        let (seen, written) = (seen.clone(), written.clone());
        shop.database.read(move |db: &mut Db| -> Done<(i64, i64)> {
            let count = |db: &mut Db| shelf::table.count().get_result::<i64>(db);
            let before = count(db)?;
            seen.wait();
            written.wait();
            Ok((before, count(db)?))
        })
    };
    let write = async {
        tokio::task::spawn_blocking(move || seen.wait()).await.expect("waits");
        shop.database.write(put("b")).await.expect("writes");
        tokio::task::spawn_blocking(move || written.wait()).await.expect("waits");
    };
    let (read, ()) = tokio::join!(read, write);
    assert_eq!(read, Ok((1, 1)));
    assert!(shop.database.read(put("c")).await.is_err());
    assert_eq!(shop.names().await, ["a", "b"]);
}

#[tokio::test]
async fn names_are_compared_byte_for_byte() {
    let shop = Shop::new();
    for name in ["a", "A", "ä", "á"] {
        shop.database.write(put(name)).await.expect("is another name");
    }
    assert_eq!(shop.names().await, ["A", "a", "á", "ä"], "in the order of their bytes");
}

#[tokio::test]
async fn a_server_that_died_is_busy_and_what_it_acknowledged_is_there_when_it_is_back() {
    let mut shop = Shop::new();
    shop.fill("a").await;
    shop.server.kill();
    let refused = shop.database.write_in(Lane::New, put("b")).await;
    assert_eq!(refused, Err(ShelfError::Outage(Outage::Busy)), "it was never begun");
    assert!(!shop.database.is_ready().await);
    shop.server.serve();
    assert!(shop.database.is_ready().await);
    shop.fill("c").await;
    let names = shop.names().await;
    assert!(names.len() == 2 * MANY && names.iter().all(|name| !name.starts_with('b')), "{names:?}");
}

/// Stands between a database and its server until a commit has gone through, and then loses its answer.
fn lose_the_answer_to_a_commit(server: &Mariadbd, at: &Path) {
    let (listener, server) = (UnixListener::bind(at).expect("listens"), server.socket());
    let lost = Arc::new(AtomicU32::new(0));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, lost) = (client.expect("a client"), lost.clone());
            let mut server = UnixStream::connect(&server).expect("the server");
            let (mut answers, mut back) = (server.try_clone().expect("clones"), client.try_clone().expect("clones"));
            // 0 while all goes through; 1 when the next answer is that to the commit.
            let commits = Arc::new(AtomicU32::new(0));
            let seen = commits.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 65_536];
                while let Ok(count @ 1..) = answers.read(&mut buffer) {
                    if commits.load(Ordering::SeqCst) == 2 && lost.fetch_add(1, Ordering::SeqCst) == 0 {
                        let _ = back.shutdown(std::net::Shutdown::Both);
                        return;
                    }
                    if back.write_all(&buffer[..count]).is_err() {
                        return;
                    }
                }
            });
            std::thread::spawn(move || {
                let mut buffer = [0; 65_536];
                while let Ok(count @ 1..) = client.read(&mut buffer) {
                    let prepares = buffer[..count].ends_with(b"\x16commit");
                    let told = seen.load(Ordering::SeqCst);
                    if prepares || told == 1 {
                        seen.store(told + 1, Ordering::SeqCst);
                    }
                    if server.write_all(&buffer[..count]).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// A server with one piece of `b`, and its database as seen through what loses the answer to the first commit.
fn with_a_lost_answer() -> (Mariadbd, Database, tempfile::TempDir) {
    let server = Mariadbd::start();
    drop(Database::open(&url(&server), MIGRATIONS).expect("migrates"));
    server.told("insert into `shelf-db`.shelf values ('b', 1)");
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().join("between");
    lose_the_answer_to_a_commit(&server, &at);
    let between = format!("mysql://root@localhost/shelf-db?unix_socket={}", at.display());
    let database = Database::open(&Url::parse(&between).expect("a URL"), MIGRATIONS).expect("opens");
    (server, database, folder)
}

#[tokio::test]
async fn what_is_not_repeatable_by_itself_is_done_once_though_its_answer_was_lost() {
    let (server, database, _folder) = with_a_lost_answer();
    let (runs, now) = (Arc::new(AtomicU32::new(0)), Timestamp::from_micros(1));
    let counted = runs.clone();
    let add_one = move |db: &mut Db| -> Done<()> {
        counted.fetch_add(1, Ordering::SeqCst);
        if idempotency::already_applied(db, "of this call alone", now)? { Ok(()) } else { add(db, "b", 1) }
    };
    assert_eq!(database.write(add_one).await, Ok(()));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(server.told("select pieces from `shelf-db`.shelf"), "2\n");
}

#[tokio::test]
async fn a_lease_is_one_instances_until_it_runs_out() {
    let server = Mariadbd::start();
    let one = Database::open(&url(&server), MIGRATIONS).expect("opens");
    let other = Database::open(&url(&server), MIGRATIONS).expect("opens beside it");
    let (start, term) = (Timestamp::from_micros(1_000_000), Duration::from_secs(5));
    let take = |database: &Database, now| {
        let database = database.clone();
        async move { lease::take::<ShelfError>(&database, "sweep", now, term).await.expect("answers") }
    };
    let at_once = futures_util::future::join_all([&one, &other, &one, &other].map(|db| take(db, start))).await;
    assert_eq!(at_once.iter().filter(|taken| **taken).count(), 1, "{at_once:?}");
    assert!(!take(&other, start.plus(term / 2)).await);
    assert!(take(&other, start.plus(term)).await, "whoever had it is gone");
    assert!(!take(&one, start.plus(term)).await);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_by_running_the_work_again() {
    let (server, database, _folder) = with_a_lost_answer();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let repeatable = move |db: &mut Db| -> Done<&'static str> {
        counted.fetch_add(1, Ordering::SeqCst);
        let there: i64 = shelf::table.filter(shelf::name.eq("a")).count().get_result(db)?;
        if there == 1 {
            return Ok("found");
        }
        put("a")(db)?;
        Ok("made")
    };
    assert_eq!(database.write(repeatable).await, Ok("found"));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(server.told("select name from `shelf-db`.shelf"), "a\nb\n");
}

#[test]
fn of_instances_that_start_together_one_migrates_and_the_others_wait() {
    let server = Mariadbd::start();
    for round in 0..3 {
        let url = Url::parse(&server.url(&format!("together{round}"))).expect("a URL");
        let open = || Database::open(&url, MIGRATIONS).map(drop).map_err(|error| error.to_string());
        std::thread::scope(|scope| {
            let starts: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            for start in starts {
                assert_eq!(start.join().expect("no panic"), Ok(()));
            }
        });
    }
}

#[test]
fn a_migration_that_was_killed_before_it_was_noted_is_carried_out_again() {
    let server = Mariadbd::start();
    drop(Database::open(&url(&server), MIGRATIONS).expect("migrates"));
    // The server commits a table before diesel notes the migration that made it.
    server.told("delete from `shelf-db`.__diesel_schema_migrations");
    drop(Database::open(&url(&server), MIGRATIONS).expect("migrates again"));
    assert_eq!(MIGRATIONS.pending(&url(&server)).expect("asks"), Vec::<String>::new());
}

#[test]
fn the_schema_goes_up_down_and_up_again() {
    let server = Mariadbd::start();
    assert_eq!(MIGRATIONS.pending(&url(&server)).expect("asks").len(), 7, "and asking made nothing");
    for _ in 0..2 {
        drop(Database::open(&url(&server), MIGRATIONS).expect("goes up"));
        MIGRATIONS.revert(&url(&server)).expect("goes down");
        let left = server.told("show tables in `shelf-db`");
        assert_eq!(left, "__diesel_schema_migrations\nmigrating\n");
    }
}

#[test]
fn only_an_encrypted_connection_is_used_where_a_certificate_is_asked_for() {
    let server = Mariadbd::start();
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, "").expect("writes");
    let url = format!("{}&ssl_ca={}", server.url("shelf"), ca.display());
    let error = Database::open(&Url::parse(&url).expect("a URL"), MIGRATIONS).expect_err("the server cannot encrypt");
    assert!(error.to_string().contains("is not encrypted"), "{error}");
    assert!(!server.told("show databases").contains("shelf"), "and nothing was made over it");
    let mode = format!("{}&ssl_mode=required", server.url("shelf"));
    assert!(matches!(Url::parse(&mode), Err(OpenError::ServerUrl(why)) if why.contains("ssl_ca")));
}

#[test]
fn a_server_that_is_not_there_or_knows_no_such_account_is_named_without_the_password() {
    let server = Mariadbd::start();
    let stranger = server.url("shelf").replace("root@", "nobody:s3cret@");
    for text in [stranger.as_str(), "mysql://nobody:s3cret@127.0.0.1:1/shelf"] {
        let error = Database::open(&Url::parse(text).expect("a URL"), MIGRATIONS).expect_err("refused");
        assert!(matches!(error, OpenError::Connection(_)), "{error}");
        assert!(error.to_string().contains("nobody") && !error.to_string().contains("s3cret"), "{error}");
    }
}
