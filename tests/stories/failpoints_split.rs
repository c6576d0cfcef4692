//! One of several processes is killed at a point of an order's way. Where it is one that was asked, the shop goes on
//! and does not know whether it was done; where it is the shop, the others have done what it has forgotten.

use std::process::Command;

use serde_json::json;

use crate::deployment::{Deployment, Person, Shape};
use crate::failpoints::{PRICE, asked_again, died, history, open_shop, order, serve_until};
use crate::process::Process;
use crate::request::{Request, get, post};

/// The process of a module.
pub fn process_of<'a>(shop: &'a mut Deployment, module: &str) -> &'a mut Process {
    shop.processes.iter_mut().find(|process| process.name == module).expect("held somewhere")
}

/// Stops the process of a module and starts it again, to end at `point`.
pub fn restart_until(shop: &mut Deployment, module: &str, point: &str) {
    let process = process_of(shop, module);
    if process.runs() {
        process.stop();
    }
    serve_until(process, point, &[], &[]);
}

/// Orders one piece while the process of a module ends at `point`, then starts that again and waits until the order has
/// ended. What the buyer was told first, if the shop was there to tell.
async fn order_and_let_die(shop: &mut Deployment, buyer: &Person, module: &str, point: &str) -> Option<u16> {
    restart_until(shop, module, point);
    let told = shop.try_send(order(buyer, point, 1)).await;
    died(process_of(shop, module), point).await;
    shop.serve();
    shop.until_all_are_terminal().await;
    told.ok().map(|reply| reply.status.as_u16())
}

#[tokio::test]
async fn an_order_is_placed_once_whoever_was_killed_between_doing_and_answering() {
    let points = [
        ("inventory", "reserve.before_commit"),
        ("inventory", "reserve.after_commit"),
        ("wallet", "hold.before_commit"),
        ("wallet", "hold.after_commit"),
        ("inventory", "commit.before_commit"),
        ("inventory", "commit.after_commit"),
        ("wallet", "capture.before_commit"),
        ("wallet", "capture.after_commit"),
    ];
    let orders = i64::try_from(points.len()).expect("small");
    let (mut shop, buyer) = open_shop(Shape::SplitOnSqlite, orders).await;
    for (before, (module, point)) in (0..).zip(points) {
        let told = order_and_let_die(&mut shop, &buyer, module, point).await;
        assert_eq!(told, Some(202), "{point}: the shop cannot know");
        assert_eq!(asked_again(&shop, &buyer, point, 201).await["status"], "placed", "{point}");
        assert_eq!(shop.shelf("PEN").await, (1_000 - before - 1, 0), "{point}");
        assert_eq!(shop.balance(&buyer).await, PRICE * (orders - before - 1) + 1, "{point}");
    }
    shop.verify();
}

#[tokio::test]
async fn an_order_that_cannot_be_paid_is_undone_whoever_was_killed_between_doing_and_answering() {
    let (mut shop, buyer) = open_shop(Shape::SplitOnSqlite, 0).await;
    for (module, point) in [
        ("wallet", "hold.before_commit"),
        ("wallet", "hold.after_commit"),
        ("inventory", "release.before_commit"),
        ("inventory", "release.after_commit"),
        ("wallet", "void.before_commit"),
        ("wallet", "void.after_commit"),
    ] {
        let told = order_and_let_die(&mut shop, &buyer, module, point).await;
        assert_eq!(told, Some(202), "{point}: the shop cannot know");
        assert_eq!(asked_again(&shop, &buyer, point, 402).await["code"], "insufficient_funds", "{point}");
        assert_eq!((shop.shelf("PEN").await, shop.balance(&buyer).await), ((1_000, 0), 1), "{point}");
    }
    shop.verify();
}

/// The others go on with what they know; the shop has only what it stored itself.
#[tokio::test]
async fn an_order_is_placed_once_when_the_shop_was_killed_as_soon_as_it_was_answered() {
    let points = [
        "create_order.after_commit",
        "reserve.answered",
        "hold.answered",
        "commit.answered",
        "committed.after_commit",
        "capture.answered",
        "placed.before_commit",
    ];
    let orders = i64::try_from(points.len()).expect("small");
    let (mut shop, buyer) = open_shop(Shape::SplitOnSqlite, orders).await;
    for (before, point) in (0..).zip(points) {
        let told = order_and_let_die(&mut shop, &buyer, "shop", point).await;
        assert_eq!(told, None, "{point}");
        assert_eq!(asked_again(&shop, &buyer, point, 201).await["status"], "placed", "{point}");
        assert_eq!(shop.shelf("PEN").await, (1_000 - before - 1, 0), "{point}");
        assert_eq!(shop.balance(&buyer).await, PRICE * (orders - before - 1) + 1, "{point}");
    }
    shop.verify();
}

/// Who was told that it goes on is told the same, and then how it ended, though the shop was killed meanwhile.
#[tokio::test]
async fn what_was_accepted_stays_accepted_after_a_kill() {
    let (mut shop, buyer) = open_shop(Shape::SplitOnSqlite, 1).await;
    process_of(&mut shop, "inventory").kill();
    let accepted = shop.send(order(&buyer, "waits", 1)).await.expect(202);
    let process = process_of(&mut shop, "shop");
    process.kill();
    process.serve(Command::new(env!("CARGO_BIN_EXE_emporium")), &[], &[]);
    assert_eq!(asked_again(&shop, &buyer, "waits", 202).await["id"], accepted["id"]);
    shop.serve();
    shop.until_all_are_terminal().await;
    assert_eq!(asked_again(&shop, &buyer, "waits", 201).await["id"], accepted["id"]);
    assert_eq!((shop.shelf("PEN").await, shop.balance(&buyer).await), ((999, 0), 1));
    shop.verify();
}

fn cancel<'a>(buyer: &'a Person, order: &str) -> Request<'a> {
    post(&format!("/v1/orders/{order}/cancel")).by(buyer).keyed("enough").json(&json!({}))
}

/// An order that waits for inventory can be cancelled at leisure.
async fn order_and_die_cancelling(shop: &mut Deployment, buyer: &Person, point: &str) -> String {
    restart_until(shop, "shop", point);
    process_of(shop, "inventory").kill();
    let waiting = shop.send(order(buyer, "waits", 1)).await.expect(202);
    let id = waiting["id"].as_str().expect("an id").to_owned();
    let told = shop.try_send(cancel(buyer, &id)).await;
    assert!(told.is_err(), "{point} was not reached: {told:?}");
    died(process_of(shop, "shop"), point).await;
    shop.serve();
    shop.until_all_are_terminal().await;
    id
}

#[tokio::test]
async fn a_cancel_that_was_killed_before_its_commit_was_none() {
    let (mut shop, buyer) = open_shop(Shape::SplitOnSqlite, 1).await;
    let id = order_and_die_cancelling(&mut shop, &buyer, "cancel_order.before_commit").await;
    assert_eq!(shop.send(cancel(&buyer, &id)).await.problem(), (409, "not_allowed"));
    assert_eq!(asked_again(&shop, &buyer, "waits", 201).await["id"], id.as_str());
    assert_eq!((shop.shelf("PEN").await, shop.balance(&buyer).await), ((999, 0), 1));
    assert_eq!(history(&shop, &id).await, ["created", "committed", "placed"]);
    shop.verify();
}

#[tokio::test]
async fn a_cancel_that_was_killed_after_its_commit_is_done_and_says_so() {
    let (mut shop, buyer) = open_shop(Shape::SplitOnSqlite, 1).await;
    let id = order_and_die_cancelling(&mut shop, &buyer, "cancel_order.after_commit").await;
    let again = shop.send(cancel(&buyer, &id)).await;
    assert_eq!((again.status.as_u16(), again.header("idempotent-replayed")), (200, "true"), "{again:?}");
    let order = shop.send(get(&format!("/v1/orders/{id}")).by(&buyer)).await.expect(200);
    assert_eq!((&order["cancel_reason"], &again.body), (&json!("cancelled_by_customer"), &order));
    assert_eq!(asked_again(&shop, &buyer, "waits", 409).await["code"], "order_cancelled");
    assert_eq!((shop.shelf("PEN").await, shop.balance(&buyer).await), ((1_000, 0), PRICE + 1));
    assert_eq!(history(&shop, &id).await, ["created", "aborting", "cancelled"]);
    shop.verify();
}
