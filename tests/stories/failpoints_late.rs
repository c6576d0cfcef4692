//! The process is killed where few orders ever come: when the money that was held for one is no longer held though its
//! goods are taken. Then the money is held once more, or everything is undone.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::deployment::{Deployment, Person, Shape};
use crate::failpoints::{PRICE, asked_again, died, history, open_shop, order, serve_until};
use crate::request::{get, post};

in_one_process!(
    money_that_is_no_longer_held_is_held_once_more_wherever_the_process_was_killed,
    an_order_whose_money_is_gone_gives_its_goods_back_wherever_the_process_was_killed,
);

const KEY: &str = "late";

/// A hold is longer than a reservation, however short both are.
const BRIEFLY: [(&str, &str); 2] = [("EMPORIUM_SHOP__RESERVATION_SECS", "1"), ("EMPORIUM_SHOP__HOLD_SECS", "2")];

async fn held(shop: &Deployment, person: &Person) -> i64 {
    let wallet = shop.send_patiently(get("/v1/wallet").by(person)).await.expect(200);
    wallet["balances"][0]["held"].as_i64().expect("an amount")
}

/// Orders one piece. The process dies when the goods are taken and the money is held, for two seconds; then only those
/// run who let holds run out, until this one has.
async fn order_and_lose_the_hold(shop: &mut Deployment, buyer: &Person) {
    let point = "committed.after_commit";
    shop.stop();
    serve_until(&mut shop.processes[0], point, &[], &BRIEFLY);
    let told = shop.try_send(order(buyer, KEY, 1)).await;
    assert!(told.is_err(), "{told:?}");
    died(&mut shop.processes[0], point).await;
    shop.serve_with(&["--modules", "auth,wallet"]);
    let began = Instant::now();
    while held(shop, buyer).await > 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "it is still held");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(shop.balance(buyer).await, PRICE + 1);
}

/// Starts the process again and again; each time recovery comes to the next of these points, and dies there. At last it
/// is let go on to the end.
async fn die_at_each(shop: &mut Deployment, points: &[&str]) {
    for point in points {
        serve_until(&mut shop.processes[0], point, &[], &[]);
        died(&mut shop.processes[0], point).await;
    }
    shop.serve();
    shop.until_all_are_terminal().await;
}

/// What happened to the only order there is.
async fn what_happened(shop: &Deployment) -> Vec<String> {
    let orders = shop.send_patiently(get("/v1/admin/orders").by(&shop.staff())).await.expect(200);
    history(shop, orders["data"][0]["id"].as_str().expect("an order")).await
}

async fn money_that_is_no_longer_held_is_held_once_more_wherever_the_process_was_killed(shape: Shape) {
    let (mut shop, buyer) = open_shop(shape, 1).await;
    order_and_lose_the_hold(&mut shop, &buyer).await;
    shop.stop();
    let points = [
        "capture.answered",
        "hold_repeated.before_commit",
        "hold_repeated.after_commit",
        "hold.before_commit",
        "hold.after_commit",
        "hold.answered",
        "capture.before_commit",
        "capture.after_commit",
        "capture.answered",
        "placed.before_commit",
        "placed.after_commit",
    ];
    die_at_each(&mut shop, &points).await;
    assert_eq!(asked_again(&shop, &buyer, KEY, 201).await["status"], "placed");
    assert_eq!((shop.shelf("PEN").await, shop.balance(&buyer).await), ((999, 0), 1));
    assert_eq!(what_happened(&shop).await, ["created", "committed", "hold_repeated", "placed"]);
    shop.verify();
}

async fn an_order_whose_money_is_gone_gives_its_goods_back_wherever_the_process_was_killed(shape: Shape) {
    let (mut shop, buyer) = open_shop(shape, 1).await;
    order_and_lose_the_hold(&mut shop, &buyer).await;
    let all = json!({"amount": {"amount": PRICE + 1, "currency": "USD"}, "reason": "a fee"});
    let debit = post(&format!("/v1/admin/wallets/{}/debit", buyer.id));
    shop.send(debit.by(&shop.staff()).once().json(&all)).await.expect(201);
    shop.stop();
    let points = [
        "hold_repeated.after_commit",
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
        "void.before_commit#2",
        "void.after_commit#2",
        "void.answered#2",
        "cancelled.before_commit",
        "cancelled.after_commit",
    ];
    die_at_each(&mut shop, &points).await;
    assert_eq!(asked_again(&shop, &buyer, KEY, 402).await["code"], "insufficient_funds");
    assert_eq!((shop.shelf("PEN").await, shop.balance(&buyer).await), ((1_000, 0), 0), "the goods are back");
    assert_eq!(what_happened(&shop).await, ["created", "committed", "hold_repeated", "aborting", "cancelled"]);
    shop.verify();
}
