//! What is known of a user is told whole, and forgotten when the user is erased.

mod common;

use common::{World, get, post, user};
use emporium_kernel::{Currency, Money};
use emporium_shop::Settings;
use serde_json::json;

const ADA: &str = "customer-ada";

#[actix_web::test]
async fn a_user_is_told_everything_however_much_it_is() {
    let world = World::with(Settings { order_patience_millis: 5_000, ..Settings::default() });
    world.selling(&[("PEN", 1)]).await;
    world.inventory.stock("PEN", 1_000);
    world.wallet.fund(&user(ADA), Money::new(1_000, Currency::USD).expect("money"));
    let app = world.app().await;
    let order = json!({"items": [{"sku": "PEN", "quantity": 1}], "payment": {"method": "wallet"}});
    for n in 0..120 {
        let key = format!("k{n}");
        post("/v1/orders").by(ADA).header("idempotency-key", &key).json(&order).to(&app).await.expect(201);
    }
    post("/v1/carts").by(ADA).json(&json!({"items": [{"sku": "PEN", "quantity": 2}]})).to(&app).await.expect(201);
    let told = get("/v1/me/export").by(ADA).to(&app).await.expect(200).body;
    assert_eq!(told["auth"]["profile"]["id"], json!(user(ADA)));
    assert_eq!(told["orders"].as_array().map(Vec::len), Some(120), "more than a page");
    assert_eq!(told["wallet"]["transactions"].as_array().map(Vec::len), Some(3), "two parts");
    assert_eq!(told["carts"][0]["items"][0]["quantity"], 2);
    let other = get("/v1/me/export").by("customer-eve").to(&app).await.expect(200).body;
    assert_eq!((&other["orders"], &other["carts"]), (&json!([]), &json!([])), "nothing of anybody else");
}

#[actix_web::test]
async fn carts_of_whoever_is_erased_go_and_orders_stay() {
    let world = World::with(Settings { order_patience_millis: 5_000, ..Settings::default() });
    world.selling(&[("PEN", 1)]).await;
    world.wallet.fund(&user(ADA), Money::new(1_000, Currency::USD).expect("money"));
    let app = world.app().await;
    let order = json!({"items": [{"sku": "PEN", "quantity": 1}], "payment": {"method": "wallet"}});
    post("/v1/orders").by(ADA).header("idempotency-key", "k").json(&order).to(&app).await.expect(201);
    let cart = |who: &str| post("/v1/carts").by(who).json(&json!({"items": []}));
    let adas = cart(ADA).to(&app).await.expect(201).text("/id").to_owned();
    let eves = cart("customer-eve").to(&app).await.expect(201).text("/id").to_owned();
    for _ in 0..150 {
        world.users.erase("usr_somebody");
    }
    world.users.erase(&user(ADA));
    world.shop.forget_erased().await.expect("forgets");
    world.shop.forget_erased().await.expect("again");
    get(&format!("/v1/carts/{adas}")).by(ADA).to(&app).await.expect(404);
    get(&format!("/v1/carts/{eves}")).by("customer-eve").to(&app).await.expect(200);
    let kept = get(&format!("/v1/admin/orders?customer={}", user(ADA))).by("staff").to(&app).await.expect(200);
    assert_eq!(kept.body["data"].as_array().map(Vec::len), Some(1), "the books need it");
}
