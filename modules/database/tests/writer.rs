//! Group commit: one culprit among good jobs fails alone, and nobody is answered before the commit.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use common::{Done, MIGRATIONS, Shelf, ShelfError, put, run, shelf, url};
use diesel::prelude::*;
use emporium_database::{Database, Db, Lane, OpenError, refuse, savepoint};
use emporium_kernel::Outage;
use futures_util::FutureExt;
use futures_util::future::join_all;

/// Work to be queued.
type Job = Box<dyn Fn(&mut Db) -> Done<()> + Send>;

/// A job that says when it runs and then waits to be let go, so that what comes meanwhile forms one batch.
struct Gate {
    running: Receiver<()>,
    release: Sender<()>,
}

fn gate() -> (Gate, impl Fn(&mut Db) -> Done<()> + Send + 'static) {
    let (says, running) = channel();
    let (release, waits) = channel::<()>();
    let waits = Mutex::new(waits);
    let job = move |_: &mut Db| {
        let _ = says.send(());
        // After the release the other end is gone, and running again does not wait.
        let _ = waits.lock().expect("one at a time").recv();
        Ok(())
    };
    (Gate { running, release }, job)
}

/// Queues `jobs` while the writer is held, so that they are one batch, and returns their results.
async fn in_one_batch(shelf: &Shelf, jobs: Vec<Job>) -> Vec<Result<(), ShelfError>> {
    let (gate, held) = gate();
    let holding = tokio::spawn({
        let database = shelf.database.clone();
        async move { database.write(held).await }
    });
    tokio::task::spawn_blocking(move || gate.running.recv().map(|()| gate.release))
        .await
        .expect("waits")
        .map(|release| {
            let mut waiting = jobs.into_iter().map(|job| shelf.database.write(job).boxed()).collect::<Vec<_>>();
            // The first poll queues each.
            assert!(waiting.iter_mut().all(|w| w.now_or_never().is_none()));
            drop(release);
            join_all(waiting)
        })
        .expect("the writer runs")
        .await
        .into_iter()
        .chain(std::iter::once(holding.await.expect("no panic")))
        .collect()
}

async fn only_the_culprit_fails(culprit: impl Fn(&mut Db) -> Done<()> + Send + 'static) -> ShelfError {
    let shelf = Shelf::new();
    let jobs: Vec<Job> =
        vec![Box::new(put("a")), Box::new(put("b")), Box::new(culprit), Box::new(put("c")), Box::new(put("d"))];
    let mut results = in_one_batch(&shelf, jobs).await;
    let failed = results.remove(2).expect_err("the culprit fails");
    assert_eq!(results, vec![Ok(()); 5]);
    assert_eq!(shelf.names().await, ["a", "b", "c", "d"]);
    failed
}

#[tokio::test]
async fn a_job_that_refuses_undoes_only_itself() {
    let failed = only_the_culprit_fails(|db| {
        put("x")(db)?;
        refuse(ShelfError::Short { available: 0 })
    });
    assert_eq!(failed.await, ShelfError::Short { available: 0 });
}

#[tokio::test]
async fn a_job_that_breaks_a_constraint_fails_alone() {
    assert_eq!(only_the_culprit_fails(put("a")).await, Outage::Internal.into());
}

#[tokio::test]
async fn a_job_that_panics_fails_alone() {
    let failed = only_the_culprit_fails(|db| {
        put("x")(db)?;
        panic!("on purpose")
    });
    assert_eq!(failed.await, Outage::Internal.into());
}

#[tokio::test]
async fn a_job_that_ends_the_transaction_fails_alone() {
    let failed = only_the_culprit_fails(|db| {
        put("x")(db)?;
        run("rollback")(db)
    });
    assert_eq!(failed.await, Outage::Internal.into());
}

#[tokio::test]
async fn a_job_that_fills_the_allowed_pages_fails_alone() {
    let failed = only_the_culprit_fails(|db| {
        run("pragma max_page_count = 60")(db)?;
        let name = "x".repeat(1_000_000);
        put(&name)(db)
    });
    assert_eq!(failed.await, Outage::StorageFull.into());
}

#[tokio::test]
async fn a_full_storage_refuses_all_writes_loses_none_and_resumes_by_itself() {
    let shelf = Shelf::new();
    shelf.database.write(put("before")).await.expect("there is room");
    shelf.database.write(run("create table ballast (b blob) strict; pragma max_page_count = 1")).await.expect("set");
    let big = |_| -> Job { Box::new(run("insert into ballast values (zeroblob(100000))")) };
    let results = in_one_batch(&shelf, (0..4).map(big).collect()).await;
    assert_eq!(results[..4], vec![Err(Outage::StorageFull.into()); 4]);
    assert_eq!(shelf.names().await, ["before"]);
    shelf.database.write(run("pragma max_page_count = 100000")).await.expect("room again");
    shelf.database.write(put("after")).await.expect("resumes");
    assert_eq!(shelf.names().await, ["after", "before"]);
}

#[tokio::test]
async fn nobody_is_answered_before_the_commit() {
    let shelf = Shelf::new();
    let (first_gate, first) = gate();
    let (second_gate, second) = gate();
    let mut holding = shelf.database.write(first).boxed();
    assert!(holding.as_mut().now_or_never().is_none());
    first_gate.running.recv().expect("runs");
    let mut done = shelf.database.write(put("a")).boxed();
    let mut last = shelf.database.write(second).boxed();
    assert!(done.as_mut().now_or_never().is_none() && last.as_mut().now_or_never().is_none());
    drop(first_gate.release);
    second_gate.running.recv().expect("runs behind the first job, in the same batch");
    assert!(done.as_mut().now_or_never().is_none(), "answered although its commit has not happened");
    assert!(shelf.names().await.is_empty(), "visible although its commit has not happened");
    drop(second_gate.release);
    assert_eq!((done.await, last.await), (Ok(()), Ok(())));
    assert_eq!(shelf.names().await, ["a"]);
}

#[tokio::test]
async fn continuations_go_before_new_work() {
    let shelf = Shelf::new();
    let (gate, held) = gate();
    let mut holding = shelf.database.write(held).boxed();
    assert!(holding.as_mut().now_or_never().is_none());
    gate.running.recv().expect("runs");
    let order = std::sync::Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let order = order.clone();
        move |_: &mut Db| -> Done<()> {
            order.lock().expect("one at a time").push(what);
            Ok(())
        }
    };
    let mut new = shelf.database.write(note("new")).boxed();
    let mut going_on = shelf.database.write_in(Lane::Continuation, note("continuation")).boxed();
    assert!(new.as_mut().now_or_never().is_none() && going_on.as_mut().now_or_never().is_none());
    drop(gate.release);
    assert_eq!((new.await, going_on.await, holding.await), (Ok(()), Ok(()), Ok(())));
    assert_eq!(*order.lock().expect("free"), ["continuation", "new"]);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let shelf = Shelf::new();
    let (gate, held) = gate();
    let mut holding = shelf.database.write(held).boxed();
    assert!(holding.as_mut().now_or_never().is_none());
    gate.running.recv().expect("runs");
    let mut waiting: Vec<_> = (0..1024).map(|n| shelf.database.write(put(&format!("{n:04}"))).boxed()).collect();
    assert!(waiting.iter_mut().all(|w| w.now_or_never().is_none()));
    assert_eq!(shelf.database.write(put("late")).now_or_never(), Some(Err(Outage::Busy.into())));
    drop(gate.release);
    assert!(join_all(waiting).await.into_iter().all(|r| r.is_ok()));
    assert_eq!(shelf.names().await.len(), 1024);
}

#[tokio::test]
async fn large_writes_without_a_pause_do_not_let_the_log_grow() {
    let shelf = Shelf::new();
    for n in 0..192 {
        let name = format!("{n:02}{}", "x".repeat(1_000_000));
        shelf.database.write(put(&name)).await.expect("writes");
    }
    let log =
        std::fs::metadata(url(&shelf.folder).path().expect("a file").with_extension("db-wal")).expect("a log").len();
    assert!(log < 150 << 20, "the log has {log} bytes");
    assert_eq!(shelf.names().await.len(), 192);
}

#[tokio::test]
async fn a_part_can_be_undone_alone() {
    let shelf = Shelf::new();
    let kept = shelf.database.write(|db| {
        put("kept")(db)?;
        let part = savepoint(db, |db| {
            put("undone")(db)?;
            refuse::<(), ShelfError>(ShelfError::Short { available: 0 })
        });
        assert!(part.is_err());
        put("also kept")(db)
    });
    assert_eq!(kept.await, Ok(()));
    assert_eq!(shelf.names().await, ["also kept", "kept"]);
}

#[tokio::test]
async fn readers_cannot_write() {
    let shelf = Shelf::new();
    assert_eq!(shelf.database.read(put("a")).await, Err(Outage::Internal.into()));
}

/// The priority of the calling thread: 0 as a rule, more for one that stands back.
#[cfg(target_os = "linux")]
fn nice() -> i32 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux says");
    let (_, fields) = stat.rsplit_once(") ").expect("the name");
    fields.split(' ').nth(16).expect("the 19th field").parse().expect("a number")
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_read_aside_stands_back_and_its_defects_are_told() {
    let shelf = Shelf::new();
    shelf.database.write(put("tea")).await.expect("writes");
    let usual: Result<i32, ShelfError> = shelf.database.read(|_| Ok(nice())).await;
    let writer: Result<i32, ShelfError> = shelf.database.write(|_| Ok(nice())).await;
    assert_eq!(
        writer,
        usual.as_ref().map(|usual| (usual + 8).min(19)).map_err(Clone::clone),
        "it stands back less far"
    );
    let aside: Result<_, ShelfError> =
        shelf.database.read_aside(|db| Ok((nice(), shelf::table.select(shelf::name).load::<String>(db)?))).await;
    let (aside, names) = aside.expect("reads");
    assert_eq!(aside, (usual.expect("reads") + 10).min(19));
    assert_eq!(names, ["tea"]);
    let panicked: Result<(), ShelfError> = shelf.database.read_aside(|_| panic!("a defect")).await;
    assert_eq!(panicked, Err(Outage::Internal.into()));
    let refused: Result<(), ShelfError> = shelf.database.read_aside(put("coffee")).await;
    assert!(refused.is_err(), "it only reads");
    assert_eq!(shelf.names().await, ["tea"]);
}

#[tokio::test]
async fn a_second_owner_is_kept_out_until_the_first_is_done() {
    let shelf = Shelf::new();
    shelf.database.write(put("a")).await.expect("writes");
    let again = || Database::open(&url(&shelf.folder), MIGRATIONS);
    assert!(matches!(again(), Err(OpenError::InUse(_))));
    let beside = Database::open_read_only(&url(&shelf.folder), MIGRATIONS).expect("reading is allowed beside it");
    let count = beside.read::<_, ShelfError, _>(|db| Ok(shelf::table.count().get_result::<i64>(db)?)).await;
    assert_eq!(count, Ok(1));
    assert_eq!(beside.write(put("b")).await, Err(Outage::Internal.into()));
    shelf.database.close();
    assert_eq!(shelf.database.write(put("late")).await, Err(Outage::Busy.into()));
    assert!(again().is_ok());
}
