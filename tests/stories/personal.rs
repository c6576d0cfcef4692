//! What is known of somebody: told when it is asked for, and forgotten when that is wished.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::deployment::{Deployment, Person, Shape};
use crate::request::{get, order_of, post};

everywhere!(a_user_is_told_everything_and_then_forgotten,);

/// The newest thing that happened in a wallet.
async fn newest(shop: &Deployment, of: &Person) -> Value {
    shop.send_patiently(get("/v1/wallet/transactions").by(of)).await.expect(200)["data"][0].clone()
}

async fn a_user_is_told_everything_and_then_forgotten(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 9).await;
    let (ada, eve) = (shop.registered("ada@example.com").await, shop.registered("eve@example.com").await);
    shop.deposit(&ada, 1_000).await;
    let home = json!({"name": "Ada", "line1": "1 Tea Street", "city": "London", "country": "GB"});
    shop.send(post("/v1/me/addresses").by(&ada).json(&home)).await.expect(201);
    let order = shop.send(post("/v1/orders").by(&ada).once().json(&order_of("PEN", 1))).await.expect(201);
    shop.send(post("/v1/carts").by(&ada).json(&json!({"items": [{"sku": "PEN", "quantity": 1}]}))).await.expect(201);
    let gift = json!({"to": eve.id, "amount": {"amount": 50, "currency": "USD"}, "note": "from your Ada"});
    shop.send(post("/v1/wallet/transfers").by(&ada).once().json(&gift)).await.expect(201);

    let told = shop.send(get("/v1/me/export").by(&ada)).await.expect(200);
    assert_eq!(told["auth"]["profile"]["email"], "ada@example.com");
    assert_eq!(told["auth"]["addresses"][0]["line1"], "1 Tea Street");
    assert_eq!(told["orders"][0]["id"], order["id"]);
    assert_eq!(told["wallet"]["balances"][0]["balance"], 850);
    assert_eq!(told["wallet"]["transactions"].as_array().map(Vec::len), Some(3));
    assert_eq!(told["carts"][0]["items"][0]["sku"], "PEN");

    let erase = json!({"current_password": "correct horse battery"});
    assert_eq!(shop.send(post("/v1/me/erase").by(&ada).json(&erase)).await.status, 204);
    assert_eq!(shop.send(get("/v1/me/export").by(&ada)).await.status, 401);
    let started = Instant::now();
    while !newest(&shop, &eve).await["note"].is_null() {
        assert!(started.elapsed() < Duration::from_secs(60), "the words are still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(newest(&shop, &eve).await["amount"]["amount"], 50, "the money is");
    let path = format!("/v1/admin/orders/{}", order["id"].as_str().expect("an id"));
    assert_eq!(shop.send(get(&path).by(&shop.staff())).await.expect(200)["customer"], ada.id.as_str());
    let user = shop.send(get(&format!("/v1/admin/users/{}", ada.id)).by(&shop.staff())).await.expect(200);
    assert_eq!((&user["name"], &user["disabled"]), (&json!("erased"), &json!(true)));
    shop.verify();
}
