//! Carts: a guest fills one, logs in, and checks out.

use reqwest::StatusCode;
use serde_json::json;

use crate::deployment::{Deployment, Shape};
use crate::request::{delete, get, patch, post};

everywhere!(
    a_guest_fills_a_cart_claims_it_and_checks_out,
    a_guests_cart_is_the_users_from_the_first_change_after_the_login,
    a_cart_and_a_line_sent_twice_with_one_key_are_made_once,
    lines_are_removed_and_carts_too,
);

async fn a_guest_fills_a_cart_claims_it_and_checks_out(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 9).await;
    shop.sell("INK", 250, 9).await;
    let cart = shop.send(post("/v1/carts").json(&json!({"items": [{"sku": "PEN", "quantity": 1}]}))).await.expect(201);
    let (path, token) =
        (format!("/v1/carts/{}", cart["id"].as_str().expect("an id")), cart["token"].as_str().expect("a token"));
    let guest = |request: crate::request::Request<'static>| request.header("X-Cart-Token", token);
    assert_eq!(shop.send(get(&path)).await.status, 404, "without its token it is not there");

    let add = |sku, quantity| guest(post(&format!("{path}/items"))).json(&json!({"sku": sku, "quantity": quantity}));
    shop.send(add("INK", 2)).await.expect(200);
    let cart = shop.send(add("PEN", 2)).await.expect(200);
    assert_eq!(cart["items"].as_array().map(Vec::len), Some(2), "one line for each SKU");
    assert_eq!((&cart["items"][0]["quantity"], &cart["totals"][0]["amount"]), (&json!(3), &json!(800)));
    let line = format!("{path}/items/{}", cart["items"][0]["id"].as_str().expect("an id"));
    let cart = shop.send(guest(patch(&line)).json(&json!({"quantity": 1}))).await.expect(200);
    assert_eq!(cart["totals"][0]["amount"], 600);
    assert_eq!(shop.send(add("NOWHERE", 1)).await.problem(), (422, "unknown_sku"));

    let (buyer, eve) = (shop.buyer(), shop.buyer());
    assert_eq!(shop.send(post(&format!("{path}/claim")).by(&eve).json(&json!({}))).await.status, 404);
    shop.send(guest(post(&format!("{path}/claim"))).by(&buyer).json(&json!({}))).await.expect(200);
    assert_eq!(shop.send(guest(get(&path))).await.status, 404, "the guest's token is spent");
    let pay = json!({"payment": {"method": "wallet"}, "expected_total": {"amount": 600, "currency": "USD"}});
    let checkout = |key: &str| post(&format!("{path}/checkout")).by(&buyer).keyed(key).json(&pay);
    assert_eq!(shop.send(checkout("poor")).await.problem(), (402, "insufficient_funds"));
    let cart = shop.send(get(&path).by(&buyer)).await.expect(200);
    assert_eq!(cart["items"].as_array().map(Vec::len), Some(2), "a refused checkout leaves the cart");

    shop.deposit(&buyer, 1_000).await;
    let order = shop.send(checkout("rich")).await.expect(201);
    assert_eq!((&order["total"]["amount"], &order["cart_id"]), (&json!(600), &cart["id"]));
    let again = shop.send(checkout("another")).await;
    assert_eq!((again.problem(), &again.body["order"]), ((409, "cart_ordered"), &order["id"]));
    assert_eq!(shop.send(delete(&path).by(&buyer)).await.problem(), (409, "cart_ordered"));
    assert_eq!(shop.balance(&buyer).await, 400);
    shop.verify();
}

async fn a_guests_cart_is_the_users_from_the_first_change_after_the_login(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 9).await;
    let one = json!({"sku": "PEN", "quantity": 1});
    let cart = shop.send(post("/v1/carts").json(&json!({"items": [one]}))).await.expect(201);
    let (path, token) =
        (format!("/v1/carts/{}", cart["id"].as_str().expect("an id")), cart["token"].as_str().expect("a token"));
    let buyer = shop.buyer();
    let add = || post(&format!("{path}/items")).header("X-Cart-Token", token).json(&one);
    assert_eq!(shop.send(add().by(&buyer)).await.expect(200)["items"][0]["quantity"], 2);
    assert_eq!(shop.send(get(&path).by(&buyer)).await.expect(200)["items"][0]["quantity"], 2, "without the token");
    assert_eq!(shop.send(add()).await.status, 404, "the guest's token is spent");
    assert_eq!(shop.send(add().by(&shop.buyer())).await.status, 404, "whoever else has it");
}

async fn a_cart_and_a_line_sent_twice_with_one_key_are_made_once(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 9).await;
    let (buyer, one) = (shop.buyer(), json!({"sku": "PEN", "quantity": 1}));
    let lines = json!({"items": [one]});
    let make = || post("/v1/carts").by(&buyer).keyed("cart").json(&lines);
    let (first, again) = (shop.send(make()).await, shop.send(make()).await);
    assert_eq!(
        (first.status, again.status, again.header("idempotent-replayed")),
        (StatusCode::CREATED, StatusCode::CREATED, "true")
    );
    assert_eq!(first.body["id"], again.body["id"]);
    let path = format!("/v1/carts/{}/items", first.body["id"].as_str().expect("an id"));
    let add = |key: &str, line: &serde_json::Value| post(&path).by(&buyer).keyed(key).json(line);
    assert_eq!(shop.send(add("line", &one)).await.expect(200)["items"][0]["quantity"], 2);
    let again = shop.send(add("line", &one)).await;
    assert_eq!((&again.body["items"][0]["quantity"], again.header("idempotent-replayed")), (&json!(2), "true"));
    let other = json!({"sku": "PEN", "quantity": 3});
    assert_eq!(shop.send(add("line", &other)).await.problem(), (422, "idempotency_key_reused"));
    assert_eq!(shop.send(add("another", &one)).await.expect(200)["items"][0]["quantity"], 3);
}

async fn lines_are_removed_and_carts_too(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 9).await;
    let buyer = shop.buyer();
    let lines = json!({"items": [{"sku": "PEN", "quantity": 2}, {"sku": "PEN", "quantity": 3}]});
    let cart = shop.send(post("/v1/carts").by(&buyer).json(&lines)).await.expect(201);
    assert_eq!((&cart["items"][0]["quantity"], &cart["token"]), (&json!(5), &json!(null)));
    let path = format!("/v1/carts/{}", cart["id"].as_str().expect("an id"));
    let line = format!("{path}/items/{}", cart["items"][0]["id"].as_str().expect("an id"));
    let cart = shop.send(delete(&line).by(&buyer)).await.expect(200);
    assert_eq!((&cart["items"], &cart["totals"]), (&json!([]), &json!([])));
    assert_eq!(shop.send(delete(&line).by(&buyer)).await.status, 404);
    let pay = json!({"payment": {"method": "wallet"}});
    let checkout = shop.send(post(&format!("{path}/checkout")).by(&buyer).once().json(&pay)).await;
    assert_eq!(checkout.problem(), (422, "empty"));
    shop.send(patch(&path).by(&buyer).json(&lines)).await.expect(200);
    assert_eq!(shop.send(delete(&path).by(&buyer)).await.status, 204);
    assert_eq!(shop.send(get(&path).by(&buyer)).await.status, 404);
}
