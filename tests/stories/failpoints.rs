//! The process is killed at each point of an order's way: just before a step is committed, just after, and when its
//! answer has come back. Afterwards the order ends, once, and whoever asks again with the same key is told how.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::deployment::{Deployment, Person, Shape};
use crate::process::Process;
use crate::request::{Reply, Request, get, order_of, post};

in_one_process!(
    an_order_is_placed_once_wherever_its_process_was_killed,
    an_order_that_cannot_be_paid_is_undone_wherever_its_process_was_killed,
    an_order_that_is_out_of_stock_is_refused_wherever_its_process_was_killed,
    recovery_itself_may_be_killed_as_often_as_it_likes,
    what_was_answered_is_answered_the_same_after_a_kill,
    a_cancel_that_was_killed_leaves_the_order_whole_or_undone_and_is_told_which,
);

pub const PRICE: i64 = 100;

/// A shop that is patient with orders, with one product and a buyer who can pay for `orders` of it, and has one cent more.
pub async fn open_shop(shape: Shape, orders: i64) -> (Deployment, Person) {
    let patience = ("EMPORIUM_SHOP__ORDER_PATIENCE_MILLIS", "30000".to_owned());
    let shop = Deployment::start_with(shape, &[patience]);
    shop.sell("PEN", PRICE, 1_000).await;
    let buyer = shop.buyer();
    shop.deposit(&buyer, PRICE * orders + 1).await;
    (shop, buyer)
}

/// Starts a process with these options and settings, which ends at `point`. A number behind it says at which time that
/// it comes there, as in `void.before_commit#2`.
pub fn serve_until(process: &mut Process, point: &str, options: &[&str], settings: &[(&str, &str)]) {
    let chosen = [("TEST_FAILPOINT", point)];
    process.serve(Command::new(env!("CARGO_BIN_EXE_emporium")), options, &[&chosen[..], settings].concat());
}

/// Waits until a process has ended at its point.
pub async fn died(process: &mut Process, point: &str) {
    let address = process.public.trim_start_matches("http://").to_owned();
    let began = Instant::now();
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(60), "{point} was not reached");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!process.died().success(), "{point} was not reached");
}

/// An order of pens with `key`.
pub fn order<'a>(buyer: &'a Person, key: &str, pieces: i64) -> Request<'a> {
    post("/v1/orders").by(buyer).keyed(key).json(&order_of("PEN", pieces))
}

/// Orders from a process that ends at `point`, then starts it again and waits until the order has ended.
async fn order_and_die(shop: &mut Deployment, buyer: &Person, point: &str, pieces: i64) {
    shop.stop();
    shop.serve_until(point);
    let told = shop.try_send(order(buyer, point, pieces)).await;
    assert!(told.is_err(), "{point} was not reached: {told:?}");
    died(&mut shop.processes[0], point).await;
    shop.serve();
    shop.until_all_are_terminal().await;
}

/// What the buyer of one piece is told who asks again with the same key.
pub async fn asked_again(shop: &Deployment, buyer: &Person, key: &str, status: u16) -> Value {
    shop.send(order(buyer, key, 1)).await.expect(status)
}

/// What happened to an order, oldest first.
pub async fn history(shop: &Deployment, order: &str) -> Vec<String> {
    let path = format!("/v1/admin/orders/{order}/events");
    let events = shop.send_patiently(get(&path).by(&shop.staff())).await.expect(200);
    let kind = |event: &Value| event["kind"].as_str().expect("a kind").to_owned();
    events["data"].as_array().expect("events").iter().map(kind).collect()
}

async fn an_order_is_placed_once_wherever_its_process_was_killed(shape: Shape) {
    let points = [
        "create_order.before_commit",
        "create_order.after_commit",
        "reserve.before_commit",
        "reserve.after_commit",
        "reserve.answered",
        "hold.before_commit",
        "hold.after_commit",
        "hold.answered",
        "commit.before_commit",
        "commit.after_commit",
        "commit.answered",
        "committed.before_commit",
        "committed.after_commit",
        "capture.before_commit",
        "capture.after_commit",
        "capture.answered",
        "placed.before_commit",
        "placed.after_commit",
    ];
    let orders = i64::try_from(points.len()).expect("small");
    let (mut shop, buyer) = open_shop(shape, orders).await;
    for (before, point) in (0..).zip(points) {
        order_and_die(&mut shop, &buyer, point, 1).await;
        assert_eq!(asked_again(&shop, &buyer, point, 201).await["status"], "placed", "{point}");
        assert_eq!(shop.shelf("PEN").await, (1_000 - before - 1, 0), "{point}");
        assert_eq!(shop.balance(&buyer).await, PRICE * (orders - before - 1) + 1, "{point}");
    }
    shop.verify();
}

async fn an_order_that_cannot_be_paid_is_undone_wherever_its_process_was_killed(shape: Shape) {
    let (mut shop, buyer) = open_shop(shape, 0).await;
    for point in [
        "hold.before_commit",
        "hold.after_commit",
        "hold.answered",
        "aborting.before_commit",
        "aborting.after_commit",
        "release.before_commit",
        "release.after_commit",
        "release.answered",
        "void.before_commit",
        "void.after_commit",
        "void.answered",
        "cancelled.before_commit",
        "cancelled.after_commit",
    ] {
        order_and_die(&mut shop, &buyer, point, 1).await;
        assert_eq!(asked_again(&shop, &buyer, point, 402).await["code"], "insufficient_funds", "{point}");
        assert_eq!(shop.shelf("PEN").await, (1_000, 0), "{point}");
        assert_eq!(shop.balance(&buyer).await, 1, "{point}");
    }
    shop.verify();
}

async fn an_order_that_is_out_of_stock_is_refused_wherever_its_process_was_killed(shape: Shape) {
    let (mut shop, buyer) = open_shop(shape, 2_000).await;
    for point in [
        "reserve.before_commit",
        "reserve.after_commit",
        "reserve.answered",
        "cancelled.before_commit",
        "cancelled.after_commit",
    ] {
        order_and_die(&mut shop, &buyer, point, 2_000).await;
        let again = shop.send(order(&buyer, point, 2_000)).await;
        assert_eq!((again.problem(), again.header("idempotent-replayed")), ((409, "out_of_stock"), "true"), "{point}");
        assert_eq!((shop.shelf("PEN").await, shop.balance(&buyer).await), ((1_000, 0), PRICE * 2_000 + 1), "{point}");
    }
    shop.verify();
}

async fn recovery_itself_may_be_killed_as_often_as_it_likes(shape: Shape) {
    let (mut shop, buyer) = open_shop(shape, 1).await;
    shop.stop();
    shop.serve_until("reserve.after_commit");
    let told = shop.try_send(order(&buyer, "recovered", 1)).await;
    assert!(told.is_err(), "{told:?}");
    died(&mut shop.processes[0], "reserve.after_commit").await;
    for point in ["claim_order.before_commit", "claim_order.after_commit", "hold.answered", "placed.before_commit"] {
        shop.serve_until(point);
        died(&mut shop.processes[0], point).await;
    }
    shop.serve();
    shop.until_all_are_terminal().await;
    assert_eq!(asked_again(&shop, &buyer, "recovered", 201).await["status"], "placed");
    assert_eq!((shop.shelf("PEN").await, shop.balance(&buyer).await), ((999, 0), 1));
    shop.verify();
}

/// The last moment of all: the answer is out, and nothing else may ever be said.
async fn what_was_answered_is_answered_the_same_after_a_kill(shape: Shape) {
    let (mut shop, buyer) = open_shop(shape, 1).await;
    for (key, status) in [("paid", 201), ("unpaid", 402)] {
        let first = shop.send(order(&buyer, key, 1)).await;
        shop.kill();
        shop.serve();
        let again = shop.send(order(&buyer, key, 1)).await;
        let told = |reply: &Reply| (reply.status.as_u16(), reply.body["id"].clone(), reply.body["code"].clone());
        assert_eq!((told(&again), again.header("idempotent-replayed")), (told(&first), "true"));
        assert_eq!(first.status.as_u16(), status, "{first:?}");
    }
    assert_eq!((shop.shelf("PEN").await, shop.balance(&buyer).await), ((999, 0), 1));
    shop.verify();
}

/// A cancel that was asked for.
struct Cancel {
    order: String,
    answered: bool,
}

fn cancel<'a>(buyer: &'a Person, order: &str, key: &str) -> Request<'a> {
    post(&format!("/v1/orders/{order}/cancel")).by(buyer).keyed(key).json(&json!({}))
}

/// Cancels one of the buyer's orders while it is being placed, if one can be caught. The order is its key.
async fn cancel_at_once(shop: &Deployment, buyer: &Person) -> Option<Cancel> {
    for _ in 0..50 {
        let list = shop.try_send(get("/v1/orders?status=pending&limit=1").by(buyer)).await.ok()?.expect(200);
        if let Some(order) = list["data"][0]["id"].as_str() {
            let answered = shop.try_send(cancel(buyer, order, order)).await.is_ok();
            return Some(Cancel { order: order.to_owned(), answered });
        }
    }
    None
}

/// Orders and cancels until a cancel ends the process; the order that it was for.
async fn cancel_and_die(shop: &Deployment, buyer: &Person, point: &str) -> String {
    let mut last = None;
    for _ in 0..100 {
        let one = || shop.try_send(post("/v1/orders").by(buyer).once().json(&order_of("PEN", 1)));
        let orders = futures_util::future::join_all((0..8).map(|_| one()));
        let (orders, cancelled) = futures_util::future::join(orders, cancel_at_once(shop, buyer)).await;
        last = cancelled.or(last);
        if orders.iter().any(Result::is_err) || last.as_ref().is_some_and(|cancel| !cancel.answered) {
            return last.expect("only a cancel ends the process").order;
        }
    }
    panic!("{point} was not reached");
}

async fn a_cancel_that_was_killed_leaves_the_order_whole_or_undone_and_is_told_which(shape: Shape) {
    let (mut shop, buyer) = open_shop(shape, 1_000).await;
    for point in ["cancel_order.before_commit", "cancel_order.after_commit"] {
        shop.stop();
        shop.serve_until(point);
        let id = cancel_and_die(&shop, &buyer, point).await;
        died(&mut shop.processes[0], point).await;
        shop.serve();
        shop.until_all_are_terminal().await;
        let order = shop.send(get(&format!("/v1/orders/{id}")).by(&buyer)).await.expect(200);
        let again = shop.send(cancel(&buyer, &id, &id)).await;
        match (order["status"].as_str(), order["cancel_reason"].as_str()) {
            // It was not committed, or came too late and was refused.
            (Some("placed"), None) => assert_eq!(again.problem(), (409, "not_allowed"), "{point}"),
            (Some("cancelled"), Some("cancelled_by_customer")) => {
                assert_eq!(point, "cancel_order.after_commit");
                assert_eq!((again.status.as_u16(), again.header("idempotent-replayed")), (200, "true"), "{again:?}");
                assert_eq!(again.body, order, "{point}");
            }
            _ => panic!("{point}: {order}"),
        }
        shop.verify();
    }
}
