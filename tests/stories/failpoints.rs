//! The process is killed at each point of an order's way: just before a step is committed, just after, and when its
//! answer has come back. Afterwards the order ends, once, and whoever asks again with the same key is told how.

use serde_json::{Value, json};

use crate::deployment::{Deployment, Person, Shape};
use crate::request::{get, order_of, post};

in_one_process!(
    an_order_is_placed_once_wherever_its_process_was_killed,
    an_order_that_cannot_be_paid_is_undone_wherever_its_process_was_killed,
    recovery_itself_may_be_killed_as_often_as_it_likes,
    events_are_numbered_once_wherever_the_process_was_killed,
    a_cancel_that_was_killed_leaves_the_order_whole_or_undone,
);

const PRICE: i64 = 100;

/// A shop with one product and a buyer who can pay for `orders` of it.
async fn open_shop(shape: Shape, orders: i64) -> (Deployment, Person) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", PRICE, 1_000).await;
    let buyer = shop.buyer();
    shop.deposit(&buyer, PRICE * orders + 1).await;
    (shop, buyer)
}

/// Orders one piece from a process that ends at `point`, then starts it again and waits until the order has ended.
async fn order_and_die(shop: &mut Deployment, buyer: &Person, point: &str) {
    shop.stop();
    shop.serve_until(point);
    let order = shop.try_send(post("/v1/orders").by(buyer).keyed(point).json(&order_of("PEN", 1))).await;
    assert!(order.is_err(), "{point} was not reached: {order:?}");
    assert!(!shop.died().success(), "{point}");
    shop.serve();
    shop.until_all_are_terminal().await;
}

/// What the buyer is told who asks again with the same key.
async fn asked_again(shop: &Deployment, buyer: &Person, point: &str, status: u16) -> Value {
    shop.send(post("/v1/orders").by(buyer).keyed(point).json(&order_of("PEN", 1))).await.expect(status)
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
        order_and_die(&mut shop, &buyer, point).await;
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
        order_and_die(&mut shop, &buyer, point).await;
        assert_eq!(asked_again(&shop, &buyer, point, 402).await["code"], "insufficient_funds", "{point}");
        assert_eq!(shop.shelf("PEN").await, (1_000, 0), "{point}");
        assert_eq!(shop.balance(&buyer).await, 1, "{point}");
    }
    shop.verify();
}

async fn recovery_itself_may_be_killed_as_often_as_it_likes(shape: Shape) {
    let (mut shop, buyer) = open_shop(shape, 1).await;
    shop.stop();
    shop.serve_until("reserve.after_commit");
    let order = shop.try_send(post("/v1/orders").by(&buyer).keyed("recovered").json(&order_of("PEN", 1))).await;
    assert!(order.is_err() && !shop.died().success());
    for point in ["claim_order.before_commit", "claim_order.after_commit", "hold.answered", "placed.before_commit"] {
        shop.serve_until(point);
        assert!(!shop.died().success(), "{point}");
    }
    shop.serve();
    shop.until_all_are_terminal().await;
    assert_eq!(asked_again(&shop, &buyer, "recovered", 201).await["status"], "placed");
    assert_eq!((shop.shelf("PEN").await, shop.balance(&buyer).await), ((999, 0), 1));
    shop.verify();
}

async fn events_are_numbered_once_wherever_the_process_was_killed(shape: Shape) {
    let (mut shop, _) = open_shop(shape, 0).await;
    for point in ["number_events.before_commit", "number_events.after_commit"] {
        shop.stop();
        shop.serve_until(point);
        // The change of stock itself is committed before its event is numbered, whoever asks first.
        let rows = json!({"adjustments": [{"sku": "PEN", "delta": 1, "reason": "found"}]});
        let told = shop.try_send(post("/v1/admin/stock/adjustments").by(&shop.staff()).keyed(point).json(&rows)).await;
        // Who looks at the stream has what is committed numbered at once.
        assert!(shop.try_send(get("/v1/admin/stock/stream").by(&shop.staff())).await.is_err());
        assert!(!shop.died().success(), "{point}");
        shop.serve();
        let again = shop.send(post("/v1/admin/stock/adjustments").by(&shop.staff()).keyed(point).json(&rows)).await;
        assert!(told.is_err() || told.is_ok_and(|reply| reply.status == 200), "{point}");
        again.expect(200);
    }
    assert!((1_001..=1_004).contains(&shop.shelf("PEN").await.0));
    shop.verify();
}

/// Cancels one of the buyer's orders while it is being placed, if one can be caught.
async fn cancel_at_once(shop: &Deployment, buyer: &Person) {
    for _ in 0..50 {
        let Ok(list) = shop.try_send(get("/v1/orders?status=pending&limit=1").by(buyer)).await else { return };
        if let Some(id) = list.expect(200)["data"][0]["id"].as_str() {
            let _ = shop.try_send(post(&format!("/v1/orders/{id}/cancel")).by(buyer).once()).await;
            return;
        }
    }
}

async fn a_cancel_that_was_killed_leaves_the_order_whole_or_undone(shape: Shape) {
    let (mut shop, buyer) = open_shop(shape, 1_000).await;
    for point in ["cancel_order.before_commit", "cancel_order.after_commit"] {
        shop.stop();
        shop.serve_until(point);
        let mut died = false;
        for _ in 0..100 {
            let order = || shop.try_send(post("/v1/orders").by(&buyer).once().json(&order_of("PEN", 1)));
            let orders = futures_util::future::join_all((0..8).map(|_| order()));
            let (orders, ()) = futures_util::future::join(orders, cancel_at_once(&shop, &buyer)).await;
            died = orders.iter().any(Result::is_err);
            if died {
                break;
            }
        }
        assert!(died && !shop.died().success(), "{point} was not reached");
        shop.serve();
        shop.until_all_are_terminal().await;
        shop.verify();
    }
}
