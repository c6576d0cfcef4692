//! Somebody buys something, or is told why not; and nothing moves that should not.

use serde_json::json;

use crate::deployment::{Deployment, Shape};
use crate::request::{get, order_of, post};

everywhere!(
    a_stranger_registers_pays_in_looks_around_and_buys,
    a_refused_order_says_why_and_moves_nothing,
    a_total_that_changed_is_never_charged_silently,
    a_repeated_key_gets_the_same_answer_and_buys_once,
    what_belongs_to_another_is_not_there,
    a_placed_order_can_no_longer_be_cancelled,
    a_supplier_is_paid_for_own_products_and_the_store_for_the_rest,
    a_free_product_is_bought_without_money,
);

async fn a_stranger_registers_pays_in_looks_around_and_buys(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("MUG", 1_250, 5).await;
    let ada = shop.registered("ada@example.com").await;
    assert_eq!(shop.send(get("/v1/me").by(&ada)).await.expect(200)["email"], "ada@example.com");

    shop.deposit(&ada, 10_000).await;
    let found = shop.send(get("/v1/products?q=prod")).await.expect(200);
    assert_eq!(found["data"][0]["skus"][0]["sku"], "MUG");
    let reply = shop.send(post("/v1/orders").by(&ada).once().json(&order_of("MUG", 2))).await;
    let location = reply.header("location").to_owned();
    let order = reply.expect(201);
    assert_eq!((&order["status"], &order["payment_status"]), (&json!("placed"), &json!("paid")));
    assert_eq!(order["total"], json!({"amount": 2_500, "currency": "USD"}));
    assert_eq!(order["items"][0]["unit_price"]["amount"], 1_250);
    assert_eq!(shop.send(get(&location).by(&ada)).await.expect(200)["id"], order["id"]);
    let events = shop.send(get(&format!("{location}/events")).by(&ada)).await.expect(200);
    let kinds: Vec<&str> = events["data"].as_array().expect("rows").iter().filter_map(|e| e["kind"].as_str()).collect();
    assert_eq!(kinds, ["created", "committed", "placed"]);

    assert_eq!(shop.balance(&ada).await, 7_500);
    assert_eq!(shop.shelf("MUG").await, (3, 0));
    let history = shop.send(get("/v1/wallet/transactions").by(&ada)).await.expect(200);
    assert_eq!(history["data"][0]["kind"], "order");
    assert_eq!(
        history["data"][0]["balance_after"]["amount"].as_i64().or(history["data"][0]["balance_after"].as_i64()),
        Some(7_500)
    );
    shop.verify();
}

async fn a_refused_order_says_why_and_moves_nothing(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("CUP", 300, 2).await;
    let poor = shop.buyer();
    let refused = shop.send(post("/v1/orders").by(&poor).once().json(&order_of("CUP", 1))).await;
    assert_eq!(refused.problem(), (402, "insufficient_funds"));
    assert_eq!(refused.body["available"], 0);

    shop.deposit(&poor, 10_000).await;
    let refused = shop.send(post("/v1/orders").by(&poor).once().json(&order_of("CUP", 3))).await;
    assert_eq!(refused.problem(), (409, "out_of_stock"));
    assert_eq!(refused.body["short"], json!([{"sku": "CUP", "requested": 3, "available": 2}]));

    let twice = json!({"items": [{"sku": "CUP", "quantity": 2}, {"sku": "CUP", "quantity": 1}], "payment": {"method": "wallet"}});
    let refused = shop.send(post("/v1/orders").by(&poor).once().json(&twice)).await;
    assert_eq!((refused.problem(), &refused.body["short"][0]["requested"]), ((409, "out_of_stock"), &json!(3)));

    assert_eq!((shop.balance(&poor).await, shop.shelf("CUP").await), (10_000, (2, 0)));
    let orders = shop.send(get("/v1/orders?status=cancelled").by(&poor)).await.expect(200);
    assert_eq!(orders["data"].as_array().map(Vec::len), Some(3));
    assert_eq!(orders["data"][2]["cancel_reason"], "insufficient_funds");
    shop.verify();
}

async fn a_total_that_changed_is_never_charged_silently(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("TEA", 400, 9).await;
    let buyer = shop.buyer();
    shop.deposit(&buyer, 5_000).await;
    let mut order = order_of("TEA", 2);
    order["expected_total"] = json!({"amount": 700, "currency": "USD"});
    let refused = shop.send(post("/v1/orders").by(&buyer).once().json(&order)).await;
    assert_eq!(refused.problem(), (409, "total_changed"));
    assert_eq!(refused.body["current_total"], json!({"amount": 800, "currency": "USD"}));
    order["expected_total"]["amount"] = json!(800);
    shop.send(post("/v1/orders").by(&buyer).once().json(&order)).await.expect(201);
    assert_eq!(shop.balance(&buyer).await, 4_200);
}

async fn a_repeated_key_gets_the_same_answer_and_buys_once(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 9).await;
    let (buyer, other) = (shop.buyer(), shop.buyer());
    shop.deposit(&buyer, 1_000).await;
    shop.deposit(&other, 1_000).await;
    let buy = |person, quantity| post("/v1/orders").by(person).keyed("k1").json(&order_of("PEN", quantity));
    let first = shop.send(buy(&buyer, 1)).await.expect(201);
    let again = shop.send(buy(&buyer, 1)).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.expect(201), first);
    assert_eq!(shop.send(buy(&buyer, 2)).await.problem(), (422, "idempotency_key_reused"));
    let others = shop.send(buy(&other, 1)).await.expect(201);
    assert_ne!(others["id"], first["id"], "the same key of another buyer is another key");

    let refused = post("/v1/orders").by(&buyer).keyed("k2").json(&order_of("PEN", 500));
    assert_eq!(shop.send(refused.clone()).await.problem(), (409, "out_of_stock"));
    shop.stock("PEN", 1_000).await;
    let again = shop.send(refused).await;
    assert_eq!((again.problem(), again.header("idempotent-replayed")), ((409, "out_of_stock"), "true"));
    assert_eq!(shop.balance(&buyer).await, 900);
}

async fn what_belongs_to_another_is_not_there(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 9).await;
    let (ada, eve, staff) = (shop.buyer(), shop.buyer(), shop.staff());
    shop.deposit(&ada, 1_000).await;
    let order = shop.send(post("/v1/orders").by(&ada).once().json(&order_of("PEN", 1))).await.expect(201);
    let path = format!("/v1/orders/{}", order["id"].as_str().expect("an id"));
    let missing = shop.send(get("/v1/orders/ord_00000000000000000000000000").by(&eve)).await;
    let foreign = shop.send(get(&path).by(&eve)).await;
    let body = |reply: &crate::request::Reply| {
        let mut body = reply.body.clone();
        body["request_id"] = json!(null);
        body
    };
    assert_eq!((foreign.status.as_u16(), body(&foreign)), (404, body(&missing)));
    assert_eq!(shop.send(get(&format!("{path}/events")).by(&eve)).await.status, 404);
    assert_eq!(shop.send(post(&format!("{path}/cancel")).by(&eve).once().json(&json!({}))).await.status, 404);
    assert_eq!(shop.send(get("/v1/admin/orders").by(&eve)).await.problem(), (403, "forbidden"));
    assert_eq!(shop.send(get("/v1/orders")).await.problem(), (401, "unauthenticated"));
    let all = shop.send(get("/v1/admin/orders?sku=PEN&payment_status=paid&include=total").by(&staff)).await.expect(200);
    assert_eq!((all["total"].as_i64(), &all["data"][0]["id"]), (Some(1), &order["id"]));
    let none = shop.send(get("/v1/admin/orders?fulfilment_status=fulfilled").by(&staff)).await.expect(200);
    assert_eq!(none["data"], json!([]));
}

async fn a_placed_order_can_no_longer_be_cancelled(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 9).await;
    let buyer = shop.buyer();
    shop.deposit(&buyer, 1_000).await;
    let order = shop.send(post("/v1/orders").by(&buyer).once().json(&order_of("PEN", 1))).await.expect(201);
    let path = format!("/v1/orders/{}/cancel", order["id"].as_str().expect("an id"));
    let refused = shop.send(post(&path).by(&buyer).once().json(&json!({}))).await;
    assert_eq!((refused.problem(), &refused.body["order_status"]), ((409, "not_allowed"), &json!("placed")));
}

async fn a_supplier_is_paid_for_own_products_and_the_store_for_the_rest(shape: Shape) {
    let shop = Deployment::start(shape);
    let (supplier, buyer) = (shop.person(&[emporium_kernel::Role::Supplier]), shop.buyer());
    let product = json!({
        "title": "Honey", "status": "active",
        "skus": [{"sku": "HONEY", "price": {"amount": 900, "currency": "USD"}}],
    });
    shop.send(post("/v1/admin/products").by(&supplier).json(&product)).await.expect(201);
    let rows = json!({"adjustments": [{"sku": "HONEY", "delta": 4, "reason": "harvest"}]});
    shop.send(post("/v1/admin/stock/adjustments").by(&supplier).once().json(&rows)).await.expect(200);
    shop.sell("JAR", 100, 9).await;
    shop.deposit(&buyer, 5_000).await;
    let order = json!({
        "items": [{"sku": "HONEY", "quantity": 2}, {"sku": "JAR", "quantity": 3}],
        "payment": {"method": "wallet"},
    });
    shop.send(post("/v1/orders").by(&buyer).once().json(&order)).await.expect(201);
    assert_eq!((shop.balance(&supplier).await, shop.balance(&buyer).await), (1_800, 2_900));
    shop.verify();
}

async fn a_free_product_is_bought_without_money(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("FLYER", 0, 2).await;
    let buyer = shop.buyer();
    let order = shop.send(post("/v1/orders").by(&buyer).once().json(&order_of("FLYER", 1))).await.expect(201);
    assert_eq!((&order["status"], &order["total"]["amount"]), (&json!("placed"), &json!(0)));
    assert_eq!(shop.shelf("FLYER").await, (1, 0));
    shop.verify();
}
