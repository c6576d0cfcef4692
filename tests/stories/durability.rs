//! Durable means on the disk: seen from outside, in what the process asks of the kernel.

mod clients;
mod disk;
mod halfway;
mod neighbour;
mod power;
mod promises;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::deployment::{Deployment, Person, Shape};
use crate::request::{Request, post};
use crate::strace::{self, Breach};

use neighbour::Neighbour;

/// A shop that waits for its orders as long as they take: under strace, beside other tests, that may be long.
fn patient_shop() -> Deployment {
    let patience = ("EMPORIUM_SHOP__ORDER_PATIENCE_MILLIS", "30000".to_owned());
    Deployment::start_with(Shape::OnSqlite, &[patience])
}

/// A shop with something on sale, and two people of whom the first has money.
async fn open_shop() -> (Deployment, Person, Person) {
    let shop = patient_shop();
    shop.sell("PEN", 100, 10_000).await;
    let (ada, bob) = (shop.signed_up("ada@example.com").await, shop.signed_up("bob@example.com").await);
    shop.deposit(&ada, 1_000_000).await;
    (shop, ada, bob)
}

/// The same, with a process that is watched from its start.
async fn watched(faults: &[&str]) -> (Deployment, Person, Person) {
    let (mut shop, ada, bob) = open_shop().await;
    shop.stop();
    shop.serve_watched(faults);
    (shop, ada, bob)
}

/// From its next start on, commits wait for less than the disk, as this level of `synchronous` has it.
fn lower_synchronous(shop: &mut Deployment, level: &str) {
    let variable = ("TEST_FAILPOINT_SYNCHRONOUS".to_owned(), level.to_owned());
    shop.processes.iter_mut().for_each(|process| process.environment.push(variable.clone()));
}

/// A request with a name that is found again in what the process wrote and answered.
fn named<'a>(request: Request<'a>, name: &str) -> Request<'a> {
    request.keyed(name).header("X-Request-Id", name)
}

fn transfer<'a>(from: &'a Person, to: &Person, name: &str) -> Request<'a> {
    let body = json!({"to": to.id, "amount": {"amount": 100, "currency": "USD"}});
    named(post("/v1/wallet/transfers").by(from).json(&body), name)
}

#[tokio::test]
async fn every_answer_waits_until_what_it_acknowledges_is_on_the_disk() {
    let (mut shop, ada, bob) = watched(&[]).await;
    let promises = promises::of_everything(&shop, &ada, &bob).await;
    shop.stop();
    let broken = strace::check(&strace::read(&shop.strace_log()), &promises);
    assert!(broken.is_empty(), "{broken:#?}");
}

#[tokio::test]
async fn commits_that_do_not_wait_for_the_disk_are_noticed() {
    for level in ["normal", "off"] {
        let (mut shop, ada, bob) = open_shop().await;
        shop.stop();
        lower_synchronous(&mut shop, level);
        shop.serve_watched(&[]);
        let promises = promises::of_everything(&shop, &ada, &bob).await;
        shop.stop();
        let broken = strace::check(&strace::read(&shop.strace_log()), &promises);
        assert!(broken.iter().all(|(_, breach)| *breach == Breach::Unsynced), "{level}: {broken:#?}");
        let early: BTreeSet<&str> = broken.iter().map(|(promise, _)| promise.request.as_str()).collect();
        let all: BTreeSet<&str> = promises.iter().map(|promise| promise.request.as_str()).collect();
        // Now and then a checkpoint syncs what a commit did not.
        assert!(early.len() * 2 >= all.len(), "{level}: {} of {} were early", early.len(), all.len());
    }
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
    let shop = Deployment::start(Shape::OnSqlite);
    let (ada, bob) = (shop.signed_up("ada@example.com").await, shop.signed_up("bob@example.com").await);
    shop.deposit(&ada, 1_000).await;
    let neighbour = Neighbour::holding(&shop, "wallet");
    let refused = shop.send(transfer(&ada, &bob, "transfer-held-end")).await;
    assert_eq!((refused.problem(), refused.header("Retry-After").is_empty()), ((503, "busy"), false));
    assert_eq!(shop.balance(&ada).await, 1_000, "reads go on");
    neighbour.let_go();
    tokio::time::timeout(Duration::from_secs(5), shop.send(transfer(&ada, &bob, "transfer-held-end")))
        .await
        .expect("answers")
        .expect(201);
    shop.verify();
}
