//! Carts: a guest fills one, logs in, and checks out.

use serde_json::json;

use crate::deployment::{Deployment, Shape};
use crate::request::{delete, get, patch, post};

everywhere!(a_guest_fills_a_cart_claims_it_and_checks_out, lines_are_removed_and_carts_too,);

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
