//! Many want the same at the same moment, through the whole shop.

use futures_util::StreamExt;
use futures_util::future::{join, join_all};
use serde_json::Value;

use crate::deployment::{Deployment, Person, Shape};
use crate::request::{get, order_of, post};

everywhere!(
    a_wallet_that_can_pay_for_ten_of_five_hundred_orders_pays_for_ten,
    a_cancel_against_the_placement_leaves_the_order_placed_or_cancelled,
);

async fn a_wallet_that_can_pay_for_ten_of_five_hundred_orders_pays_for_ten(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 100_000).await;
    for round in 0..3 {
        let buyer = shop.buyer();
        shop.deposit(&buyer, 1_099).await;
        let orders = (0..500).map(|_| shop.send(post("/v1/orders").by(&buyer).once().json(&order_of("PEN", 1))));
        let replies: Vec<_> = futures_util::stream::iter(orders).buffer_unordered(128).collect().await;
        shop.until_all_are_terminal().await;
        let (mut placed, mut refused) = (0, 0);
        for reply in &replies {
            match shop.fate(reply).await.as_str() {
                "placed" => placed += 1,
                "insufficient_funds" => refused += 1,
                other => panic!("{other}: {reply:?}"),
            }
        }
        assert_eq!((placed, refused), (10, 490), "round {round}");
        assert_eq!(shop.balance(&buyer).await, 99);
    }
    assert_eq!(shop.shelf("PEN").await, (100_000 - 30, 0));
    shop.verify();
}

/// Orders one piece and cancels it the moment it is there: the order as it ends, and what the cancel was told.
async fn order_and_cancel(shop: &Deployment, buyer: &Person) -> (Value, Option<u16>) {
    let ordered = shop.send(post("/v1/orders").by(buyer).once().json(&order_of("PEN", 1)));
    let cancelled = async {
        for _ in 0..100 {
            let list = shop.send(get("/v1/orders?limit=1").by(buyer)).await.expect(200);
            if let Some(id) = list["data"][0]["id"].as_str() {
                let cancel = post(&format!("/v1/orders/{id}/cancel")).by(buyer).once();
                return Some(shop.send(cancel).await.status.as_u16());
            }
        }
        None
    };
    let (_, told) = join(ordered, cancelled).await;
    let list = shop.send(get("/v1/orders?limit=1").by(buyer)).await.expect(200);
    (list["data"][0].clone(), told)
}

async fn a_cancel_against_the_placement_leaves_the_order_placed_or_cancelled(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 100_000).await;
    let rounds = if std::env::var_os("LONG").is_some() { 5_000 } else { 1_000 };
    let (mut placed, mut cancelled) = (0, 0);
    for _ in 0..rounds / 20 {
        let buyers: Vec<Person> = (0..20).map(|_| shop.buyer()).collect();
        join_all(buyers.iter().map(|buyer| shop.deposit(buyer, 100))).await;
        let ended = join_all(buyers.iter().map(|buyer| order_and_cancel(&shop, buyer))).await;
        for (buyer, (order, told)) in buyers.iter().zip(ended) {
            match (order["status"].as_str(), told) {
                (Some("placed"), Some(409) | None) => placed += 1,
                (Some("cancelled"), Some(200 | 202)) => cancelled += 1,
                other => panic!("{other:?} {order}"),
            }
            let left = if order["status"] == "placed" { 0 } else { 100 };
            assert_eq!(shop.balance(buyer).await, left, "{order}");
        }
    }
    println!("{placed} placed, {cancelled} cancelled");
    assert_eq!(placed + cancelled, rounds, "one or the other");
    assert_eq!(shop.shelf("PEN").await, (100_000 - placed, 0));
    shop.verify();
}
