//! Processes are killed at the steps beside an order's own way: when an order is taken over, accepted or put off, and
//! when what was set aside for it runs out.

use serde_json::json;

use crate::deployment::{Deployment, Person, Shape};
use crate::failpoints::{PRICE, asked_again, died, history, open_shop, order, serve_until};
use crate::failpoints_split::{process_of, restart_until};
use crate::request::get;

in_one_process!(
    an_order_that_was_accepted_is_placed_once_wherever_its_process_was_killed,
    goods_that_nobody_took_in_time_are_given_back_once_wherever_the_sweeper_was_killed,
    money_that_nobody_took_in_time_is_given_back_once_wherever_the_sweeper_was_killed,
);

const KEY: &str = "aside";

async fn an_order_that_was_accepted_is_placed_once_wherever_its_process_was_killed(shape: Shape) {
    let (mut shop, buyer) = open_shop(shape, 2).await;
    for (before, point) in (0..).zip(["accept.before_commit", "accept.after_commit"]) {
        shop.stop();
        serve_until(&mut shop.processes[0], point, &[], &[("EMPORIUM_SHOP__ORDER_PATIENCE_MILLIS", "0")]);
        let told = shop.try_send(order(&buyer, point, 1)).await;
        assert!(told.is_err(), "{point} was not reached: {told:?}");
        died(&mut shop.processes[0], point).await;
        shop.serve();
        shop.until_all_are_terminal().await;
        assert_eq!(asked_again(&shop, &buyer, point, 201).await["status"], "placed", "{point}");
        assert_eq!(shop.shelf("PEN").await, (1_000 - before - 1, 0), "{point}");
        assert_eq!(shop.balance(&buyer).await, PRICE * (2 - before - 1) + 1, "{point}");
    }
    shop.verify();
}

/// Orders one piece from a process that dies at `point`, with these settings.
async fn order_and_die(shop: &mut Deployment, buyer: &Person, point: &str, settings: &[(&str, &str)]) {
    shop.stop();
    serve_until(&mut shop.processes[0], point, &[], settings);
    let told = shop.try_send(order(buyer, KEY, 1)).await;
    assert!(told.is_err(), "{point} was not reached: {told:?}");
    died(&mut shop.processes[0], point).await;
}

/// Starts some modules, without the shop, which would go on with the order; twice, and each time the sweeper ends them.
async fn sweep_and_die(shop: &mut Deployment, modules: &str, points: [&str; 2]) {
    for point in points {
        let settings = [("EMPORIUM_INVENTORY__SWEEP_EVERY_SECS", "1")];
        serve_until(&mut shop.processes[0], point, &["--modules", modules], &settings);
        died(&mut shop.processes[0], point).await;
    }
}

/// The order comes too late to what ran out, and ends as if it had never been.
async fn ends_undone(shop: &mut Deployment, buyer: &Person) {
    shop.serve();
    shop.until_all_are_terminal().await;
    assert_eq!(asked_again(shop, buyer, KEY, 409).await["code"], "order_cancelled");
    assert_eq!((shop.shelf("PEN").await, shop.balance(buyer).await), ((1_000, 0), PRICE + 1));
    let orders = shop.send(get("/v1/orders").by(buyer)).await.expect(200);
    assert_eq!(orders["data"].as_array().map(Vec::len), Some(1));
    let id = orders["data"][0]["id"].as_str().expect("an id");
    assert_eq!(history(shop, id).await, ["created", "aborting", "cancelled"]);
    shop.verify();
}

/// How many movements of this kind there are.
async fn movements(shop: &Deployment, kind: &str) -> usize {
    let path = format!("/v1/admin/stock/movements?kind={kind}");
    let page = shop.send(get(&path).by(&shop.staff())).await.expect(200);
    page["data"].as_array().expect("movements").len()
}

async fn goods_that_nobody_took_in_time_are_given_back_once_wherever_the_sweeper_was_killed(shape: Shape) {
    let (mut shop, buyer) = open_shop(shape, 1).await;
    order_and_die(&mut shop, &buyer, "reserve.after_commit", &[("EMPORIUM_SHOP__RESERVATION_SECS", "1")]).await;
    let points = ["expire_reservations.before_commit", "expire_reservations.after_commit"];
    sweep_and_die(&mut shop, "auth,inventory", points).await;
    ends_undone(&mut shop, &buyer).await;
    assert_eq!((movements(&shop, "expire").await, movements(&shop, "release").await), (1, 0));
}

async fn money_that_nobody_took_in_time_is_given_back_once_wherever_the_sweeper_was_killed(shape: Shape) {
    let (mut shop, buyer) = open_shop(shape, 1).await;
    let briefly = [("EMPORIUM_SHOP__RESERVATION_SECS", "1"), ("EMPORIUM_SHOP__HOLD_SECS", "2")];
    order_and_die(&mut shop, &buyer, "hold.after_commit", &briefly).await;
    sweep_and_die(&mut shop, "auth,wallet", ["expire_holds.before_commit", "expire_holds.after_commit"]).await;
    ends_undone(&mut shop, &buyer).await;
    // The goods, whose time is up as well, come back by whoever is first.
    assert_eq!(movements(&shop, "expire").await + movements(&shop, "release").await, 1);
}

/// Only who has the database alone takes over what is there at the start.
#[tokio::test]
async fn an_order_is_placed_once_wherever_the_one_who_takes_over_was_killed() {
    let (mut shop, buyer) = open_shop(Shape::OnSqlite, 1).await;
    order_and_die(&mut shop, &buyer, "reserve.after_commit", &[]).await;
    for point in ["take_over.before_commit", "take_over.after_commit"] {
        serve_until(&mut shop.processes[0], point, &[], &[]);
        died(&mut shop.processes[0], point).await;
    }
    shop.serve();
    shop.until_all_are_terminal().await;
    assert_eq!(asked_again(&shop, &buyer, KEY, 201).await["status"], "placed");
    assert_eq!((shop.shelf("PEN").await, shop.balance(&buyer).await), ((999, 0), 1));
    shop.verify();
}

#[tokio::test]
async fn an_order_that_is_put_off_is_placed_once_wherever_the_shop_was_killed() {
    let points = ["defer.before_commit", "defer.after_commit", "accept.before_commit", "accept.after_commit"];
    let orders = i64::try_from(points.len()).expect("small");
    let (mut shop, buyer) = open_shop(Shape::SplitOnSqlite, orders).await;
    for (before, point) in (0..).zip(points) {
        restart_until(&mut shop, "shop", point);
        process_of(&mut shop, "inventory").kill();
        let told = shop.try_send(order(&buyer, point, 1)).await;
        assert!(told.is_err(), "{point} was not reached: {told:?}");
        died(process_of(&mut shop, "shop"), point).await;
        shop.serve();
        shop.until_all_are_terminal().await;
        let placed = asked_again(&shop, &buyer, point, 201).await;
        assert_eq!(placed["total"], json!({"amount": PRICE, "currency": "USD"}), "{point}");
        assert_eq!(shop.shelf("PEN").await, (1_000 - before - 1, 0), "{point}");
        assert_eq!(shop.balance(&buyer).await, PRICE * (orders - before - 1) + 1, "{point}");
    }
    shop.verify();
}
