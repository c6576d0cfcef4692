//! Many want the same at the same moment, through the whole shop.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::deployment::{Deployment, Person, Shape};
use crate::head_start::HeadStart;
use crate::request::{Reply, get, order_of, post};

everywhere!(
    a_wallet_that_can_pay_for_ten_of_five_hundred_orders_pays_for_ten,
    a_cancel_against_the_placement_leaves_the_order_placed_or_cancelled,
    a_hundred_equal_keys_at_once_buy_once,
);

/// So many rounds in one process with files, or so many where each takes longer; or, with `LONG=1`, so many.
fn rounds(shape: Shape, [quick, slow, long]: [usize; 3]) -> usize {
    match (std::env::var_os("LONG"), shape) {
        (Some(_), _) => long,
        (None, Shape::OnSqlite) => quick,
        (None, Shape::OnMariadb | Shape::SplitOnSqlite | Shape::SplitOnMariadb) => slow,
    }
}

/// All orders of a buyer, by their ids.
async fn orders_of(shop: &Deployment, buyer: &Person) -> BTreeMap<String, Value> {
    let (mut orders, mut page) = (BTreeMap::new(), "/v1/orders?limit=100".to_owned());
    loop {
        let list = shop.send_patiently(get(&page).by(buyer)).await.expect(200);
        for order in list["data"].as_array().expect("rows") {
            orders.insert(order["id"].as_str().expect("an id").to_owned(), order.clone());
        }
        let Some(next) = list["next_cursor"].as_str() else { return orders };
        page = format!("/v1/orders?limit=100&after={next}");
    }
}

/// What became of an order that was answered like this: placed, or the code of its refusal.
fn end_of<'a>(reply: &'a Reply, orders: &'a BTreeMap<String, Value>) -> &'a str {
    let (status, code) = reply.problem();
    if !matches!(status, 201 | 202) {
        return code;
    }
    let order = &orders[reply.body["id"].as_str().expect("an id")];
    let end = order["cancel_reason"].as_str().or(order["status"].as_str()).expect("an end");
    assert!(status == 202 || end == "placed", "{reply:?} {order}");
    end
}

async fn a_wallet_that_can_pay_for_ten_of_five_hundred_orders_pays_for_ten(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 100_000).await;
    let rounds = rounds(shape, [3, 1, 1_000]);
    for round in 0..rounds {
        let buyer = shop.buyer();
        shop.deposit(&buyer, 1_099).await;
        let order = || post("/v1/orders").by(&buyer).once().json(&order_of("PEN", 1));
        let replies = join_all((0..500).map(|_| shop.send_patiently(order()))).await;
        shop.until_all_are_terminal().await;
        let orders = orders_of(&shop, &buyer).await;
        assert_eq!(orders.len(), 500, "round {round}");
        let (mut placed, mut refused) = (0, 0);
        for reply in &replies {
            match end_of(reply, &orders) {
                "placed" => placed += 1,
                "insufficient_funds" => refused += 1,
                other => panic!("{other}: {reply:?}"),
            }
        }
        let paid = orders.values().filter(|order| order["status"] == "placed").count();
        assert_eq!((paid, placed, refused), (10, 10, 490), "round {round}");
        assert_eq!(shop.balance(&buyer).await, 99);
    }
    let sold = 10 * i64::try_from(rounds).expect("small");
    assert_eq!(shop.shelf("PEN").await, (100_000 - sold, 0));
    shop.verify();
}

/// Orders that are raced for at once, each by its own buyer.
const PAIRS: usize = 20;
/// Kinds of gifts.
const GIFTS: u32 = 16;

/// An order for a pen, and for gifts, with which it takes longer.
fn pen_with(gifts: u32) -> Value {
    let mut order = order_of("PEN", 1);
    let gifts = (0..gifts).map(|kind| json!({"sku": format!("GIFT{kind}"), "quantity": 1}));
    order["items"].as_array_mut().expect("items").extend(gifts);
    order
}

/// The id of a buyer's only order, as soon as there is one.
async fn seen(shop: &Deployment, buyer: &Person) -> String {
    for _ in 0..10_000 {
        let list = shop.send_patiently(get("/v1/orders?limit=1").by(buyer)).await.expect(200);
        if let Some(id) = list["data"][0]["id"].as_str() {
            return id.to_owned();
        }
    }
    panic!("no order came of it")
}

/// Orders a pen and cancels the order when it is seen; what each of the two was answered. The order waits for so many
/// gifts that come with the pen, the cancel for so many looks at the order.
async fn order_and_cancel(shop: &Deployment, buyer: &Person, head_start: HeadStart) -> (Reply, Reply) {
    let (gifts, looks) = head_start.waits();
    let order = post("/v1/orders").by(buyer).once().json(&pen_with(gifts.min(GIFTS)));
    let cancel = async {
        let id = seen(shop, buyer).await;
        for _ in 0..looks {
            seen(shop, buyer).await;
        }
        shop.send_patiently(post(&format!("/v1/orders/{id}/cancel")).by(buyer).once()).await
    };
    join(shop.send_patiently(order), cancel).await
}

/// Whether an order is placed, after holding both answers against it: one of the two got what it asked for, and the
/// other one was told so.
async fn was_placed(shop: &Deployment, buyer: &Person, ordered: &Reply, cancelled: &Reply) -> bool {
    let list = shop.send_patiently(get("/v1/orders").by(buyer)).await.expect(200);
    let [order] = list["data"].as_array().expect("rows").as_slice() else { panic!("not one order: {list}") };
    for reply in [ordered, cancelled] {
        match reply.status.as_u16() {
            200 | 201 => assert_eq!(&reply.body, order, "whoever is told of an end is told of this one"),
            202 => assert_eq!(reply.body["id"], order["id"]),
            _ => {}
        }
    }
    let left = shop.balance(buyer).await;
    match (order["status"].as_str(), ordered.problem(), cancelled.problem(), left) {
        (Some("placed"), (201 | 202, _), (409, "not_allowed"), 0) => {
            assert!(matches!(cancelled.body["order_status"].as_str(), Some("committed" | "placed")), "{cancelled:?}");
            true
        }
        (Some("cancelled"), (409, "order_cancelled") | (202, _), (200 | 202, _), 100) => {
            assert_eq!(order["cancel_reason"], "cancelled_by_customer");
            false
        }
        _ => panic!("{order}, {left} left: {ordered:?} {cancelled:?}"),
    }
}

async fn a_cancel_against_the_placement_leaves_the_order_placed_or_cancelled(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 100_000).await;
    for kind in 0..GIFTS {
        shop.sell(&format!("GIFT{kind}"), 0, 100_000).await;
    }
    let (mut placed, mut cancelled) = (0, 0);
    // Of the order before the cancel.
    let mut head_start = HeadStart::up_to(64);
    let rounds = rounds(shape, [300, 120, 5_000]) / PAIRS;
    for round in 0.. {
        if round >= 3 * rounds || (round >= rounds && placed > 0 && cancelled > 0) {
            break;
        }
        let buyers: Vec<Person> = (0..PAIRS).map(|_| shop.buyer()).collect();
        join_all(buyers.iter().map(|buyer| shop.deposit(buyer, 100))).await;
        let answers = join_all(buyers.iter().map(|buyer| order_and_cancel(&shop, buyer, head_start))).await;
        shop.until_all_are_terminal().await;
        let mut won = 0;
        for (buyer, (ordered, cancel)) in buyers.iter().zip(&answers) {
            won += usize::from(was_placed(&shop, buyer, ordered, cancel).await);
        }
        placed += won;
        cancelled += PAIRS - won;
        head_start.note(won > PAIRS / 2);
    }
    println!("{placed} placed, {cancelled} cancelled");
    assert!(placed > 0 && cancelled > 0, "both happen: {placed} and {cancelled}");
    let sold = i64::try_from(placed).expect("small");
    assert_eq!(shop.shelf("PEN").await, (100_000 - sold, 0));
    shop.verify();
}

async fn a_hundred_equal_keys_at_once_buy_once(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 100_000).await;
    let rounds = rounds(shape, [10, 10, 2_000]);
    for round in 0..rounds {
        let buyer = shop.buyer();
        shop.deposit(&buyer, 1_000).await;
        let order = post("/v1/orders").by(&buyer).keyed("same").json(&order_of("PEN", 1));
        let replies = join_all((0..100).map(|_| shop.send_patiently(order.clone()))).await;
        shop.until_all_are_terminal().await;
        let again = shop.send_patiently(order).await;
        assert_eq!(again.header("idempotent-replayed"), "true");
        let placed = again.expect(201);
        let (mut first, mut accepted) = (0, 0);
        for reply in &replies {
            match reply.problem() {
                (201, _) => {
                    assert_eq!(reply.body, placed, "round {round}");
                    first += usize::from(reply.header("idempotent-replayed").is_empty());
                }
                (202, _) => {
                    assert_eq!(reply.body["id"], placed["id"], "round {round}");
                    accepted += 1;
                }
                (409, "idempotency_in_progress") => {}
                other => panic!("round {round}: {other:?} {reply:?}"),
            }
        }
        assert!(first == 1 || (first == 0 && accepted > 0), "round {round}: {first} bought, {accepted} were put off");
        assert_eq!(orders_of(&shop, &buyer).await.len(), 1, "round {round}");
        assert_eq!(shop.balance(&buyer).await, 900, "round {round}");
    }
    let sold = i64::try_from(rounds).expect("small");
    assert_eq!(shop.shelf("PEN").await, (100_000 - sold, 0));
    shop.verify();
}
