//! Durable means on the disk: seen from outside, in what the process asks of the kernel.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::deployment::{Deployment, Person, Shape};
use crate::request::{Request, order_of, post};
use crate::strace::{self, Happening};

/// A shop whose process is watched from its start, and two people with money.
async fn watched(faults: &[&str]) -> (Deployment, Person, Person) {
    let mut shop = Deployment::start(Shape::OnSqlite);
    shop.sell("PEN", 100, 10_000).await;
    let (ada, bob) = (shop.signed_up("ada@example.com").await, shop.signed_up("bob@example.com").await);
    shop.deposit(&ada, 1_000_000).await;
    shop.stop();
    shop.serve_watched(faults);
    (shop, ada, bob)
}

/// A request with a name that is found again in what the process wrote, answered and synced.
fn named<'a>(request: Request<'a>, name: &str) -> Request<'a> {
    request.keyed(name).header("X-Request-Id", name)
}

fn transfer<'a>(from: &'a Person, to: &Person, name: &str) -> Request<'a> {
    let body = json!({"to": to.id, "amount": {"amount": 100, "currency": "USD"}});
    named(post("/v1/wallet/transfers").by(from).json(&body), name)
}

/// Sends transfers at once, in groups, and orders one by one, and stops the process. What it asked of the kernel.
async fn traded(shop: &mut Deployment, ada: &Person, bob: &Person) -> Vec<Happening> {
    for group in 0..5 {
        let transfers = (0..16).map(|n| shop.send(transfer(ada, bob, &format!("transfer-{group}-{n}-end"))));
        let answers = futures_util::future::join_all(transfers).await;
        assert!(answers.iter().all(|answer| answer.status == 201));
    }
    for n in 0..10 {
        let order = post("/v1/orders").by(ada).json(&order_of("PEN", 1));
        shop.send(named(order, &format!("order-{n}-end"))).await.expect(201);
    }
    shop.stop();
    strace::read(&log(shop))
}

fn log(shop: &Deployment) -> PathBuf {
    shop.strace_log()
}

#[tokio::test]
async fn every_answer_waits_until_what_it_acknowledges_is_on_the_disk() {
    let (mut shop, ada, bob) = watched(&[]).await;
    let happenings = traded(&mut shop, &ada, &bob).await;
    let answered = happenings.iter().filter(|h| matches!(h, Happening::Answered { .. })).count();
    assert_eq!(answered, 90, "every answer was seen");
    assert_eq!(strace::answered_too_early(&happenings), [].into());
    // Pending, committed, placed; reserved, taken; held, paid.
    for n in 0..10 {
        let commits = strace::commits_for(&happenings, &format!("order-{n}-end"));
        for (log, points) in [("shop", 3), ("inventory", 2), ("wallet", 2)] {
            let seen = commits.get(log).copied().unwrap_or(0);
            assert!(seen >= points, "order {n}: {commits:?}");
        }
    }
}

#[tokio::test]
async fn a_sync_that_does_not_happen_is_noticed() {
    let (mut shop, ada, bob) = watched(&["--inject=fdatasync,fsync:retval=0"]).await;
    let happenings = traded(&mut shop, &ada, &bob).await;
    assert_eq!(strace::answered_too_early(&happenings).len(), 90);
    assert_eq!(strace::commits_for(&happenings, "order-3-end"), [].into());
}

#[tokio::test]
async fn a_disk_that_fails_to_sync_stops_the_process_and_nothing_acknowledged_is_lost() {
    let (mut shop, ada, bob) = watched(&["--inject=fdatasync,fsync:error=EIO:when=12"]).await;
    let mut acknowledged = 0;
    let gone = loop {
        let name = format!("transfer-{acknowledged}-end");
        match shop.try_send(transfer(&ada, &bob, &name)).await {
            Ok(reply) if reply.status == 201 => acknowledged += 1,
            Ok(reply) => panic!("{reply:?}"),
            Err(_) => break name,
        }
        assert!(acknowledged < 100, "the disk did not fail");
    };
    assert!(acknowledged > 3);
    assert!(!shop.died().success());
    shop.serve();
    let balance = shop.balance(&bob).await;
    assert!([acknowledged * 100, (acknowledged + 1) * 100].contains(&balance), "{acknowledged} {balance}");
    shop.send(transfer(&ada, &bob, &gone)).await.expect(201);
    assert_eq!(shop.balance(&bob).await, (acknowledged + 1) * 100, "once, whether it was on the disk or not");
    shop.verify();
}

/// A disk says only once that it failed. Whoever went on would write the rest of the log back, and throw the log away.
#[tokio::test]
async fn a_disk_that_fails_while_the_log_is_written_back_stops_the_process_too() {
    let mut shop = Deployment::start(Shape::OnSqlite);
    let (ada, bob) = (shop.signed_up("ada@example.com").await, shop.signed_up("bob@example.com").await);
    shop.deposit(&ada, 1_000).await;
    shop.stop();
    let file = shop.data().join("wallet.db").display().to_string();
    shop.serve_watched(&["-P", &file, "--inject=fdatasync,fsync:error=EIO"]);
    shop.send(transfer(&ada, &bob, "transfer-1-end")).await.expect(201);
    assert!(!shop.died().success(), "as soon as there was nothing else to do");
    shop.serve();
    assert_eq!(shop.balance(&bob).await, 100);
    shop.verify();
}

/// Every thread's writes to its database fail for a while, as those on a full disk do until somebody makes room.
#[tokio::test]
async fn a_full_disk_refuses_what_it_cannot_keep_and_takes_new_work_as_soon_as_there_is_room() {
    let (mut shop, ada, bob) = watched(&["--inject=pwrite64:error=ENOSPC:when=40..60"]).await;
    let (mut acknowledged, mut refused) = (0, Vec::new());
    for n in 0..100 {
        let reply = shop.send(transfer(&ada, &bob, &format!("transfer-{n}-end"))).await;
        if reply.status == 201 {
            acknowledged += 1;
        } else {
            assert_eq!((reply.problem(), reply.header("Retry-After").is_empty()), ((503, "storage_full"), false));
            assert_eq!(shop.balance(&bob).await, acknowledged * 100, "reads go on, and nothing was half done");
            refused.push((n, acknowledged));
        }
    }
    let before = refused.first().map(|(_, acknowledged)| *acknowledged);
    assert!(before.is_some_and(|before| before > 0 && before < acknowledged), "full for a while: {refused:?}");
    for (n, _) in &refused {
        shop.send(transfer(&ada, &bob, &format!("transfer-{n}-end"))).await.expect(201);
    }
    assert_eq!(shop.balance(&bob).await, 100 * 100, "each of them once");
    shop.stop();
    shop.serve();
    assert_eq!(shop.balance(&bob).await, 100 * 100);
    shop.verify();
}

#[tokio::test]
async fn a_database_that_another_process_holds_is_busy_and_answers_again_by_itself() {
    use diesel::Connection;
    use diesel::connection::SimpleConnection;
    let shop = Deployment::start(Shape::OnSqlite);
    let (ada, bob) = (shop.signed_up("ada@example.com").await, shop.signed_up("bob@example.com").await);
    shop.deposit(&ada, 1_000).await;
    let path = shop.data().join("wallet.db").display().to_string();
    let mut neighbour = diesel::SqliteConnection::establish(&path).expect("connects");
    neighbour.batch_execute("begin immediate").expect("holds");
    let refused = shop.send(transfer(&ada, &bob, "transfer-held-end")).await;
    assert_eq!((refused.problem(), refused.header("Retry-After").is_empty()), ((503, "busy"), false));
    assert_eq!(shop.balance(&ada).await, 1_000, "reads go on");
    neighbour.batch_execute("rollback").expect("lets go");
    tokio::time::timeout(Duration::from_secs(5), shop.send(transfer(&ada, &bob, "transfer-held-end")))
        .await
        .expect("answers")
        .expect(201);
    shop.verify();
}
