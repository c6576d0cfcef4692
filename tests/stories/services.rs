//! Modules in processes of their own: who may call whom, and what happens when one of them is gone.

use emporium_kernel::{Clock, Random, Role};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::deployment::{Deployment, Shape};
use crate::request::{get, order_of, post};

/// A credential as `module` would make it for `audience` with the key in its folder.
pub fn credential(shop: &Deployment, holder: &str, module: &str, audience: &str, seconds: i64) -> String {
    credential_since(0, shop, holder, module, audience, seconds)
}

/// One that was made `age` seconds ago.
fn credential_since(age: i64, shop: &Deployment, holder: &str, module: &str, audience: &str, seconds: i64) -> String {
    let key = std::fs::read(shop.holder_of(holder).data.join("service.key")).expect("a key");
    let now = Clock::system().now().seconds() - age;
    let claims = json!({
        "iss": module, "sub": module, "aud": audience, "iat": now, "exp": now + seconds,
        "jti": Random::system().token::<16>(),
    });
    let header = Header { typ: Some("service+jwt".to_owned()), ..Header::new(Algorithm::EdDSA) };
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&key)).expect("signs")
}

/// Asks inventory how much there is of a SKU, as a neighbour would.
fn availability(base: &str) -> RequestBuilder {
    let client = Client::builder().no_proxy().build().expect("a client");
    let call = client.post(format!("{base}/internal/inventory/availability"));
    call.header("X-Request-Id", "req_story_1").json(&json!({"skus": ["PEN"]}))
}

async fn status(call: RequestBuilder) -> u16 {
    call.send().await.expect("answers").status().as_u16()
}

#[tokio::test]
async fn internal_routes_let_in_the_services_that_need_them_and_nobody_else() {
    let shop = Deployment::start(Shape::SplitOnSqlite);
    shop.sell("PEN", 100, 7).await;
    let inventory = shop.holder_of("inventory");
    let internal = || availability(&inventory.management);
    let answer = internal().bearer_auth(credential(&shop, "shop", "shop", "inventory", 60)).send().await;
    let told: Value = answer.expect("answers").json().await.expect("JSON");
    assert_eq!(told, json!([{"sku": "PEN", "available": 7}]));

    assert_eq!(status(internal()).await, 401, "nobody");
    assert_eq!(status(internal().bearer_auth("nonsense")).await, 401);
    for (wrong, expected) in [
        (credential(&shop, "shop", "shop", "wallet", 60), 401),
        (credential_since(120, &shop, "shop", "shop", "inventory", 60), 401),
        (credential(&shop, "shop", "shop", "inventory", 600), 401),
        (credential(&shop, "wallet", "shop", "inventory", 60), 401),
        (credential(&shop, "wallet", "wallet", "inventory", 60), 403),
        (shop.person(&[Role::Admin]).token, 403),
    ] {
        assert_eq!(status(internal().bearer_auth(&wrong)).await, expected, "{wrong}");
    }

    let key = credential(&shop, "shop", "shop", "inventory", 60);
    assert_eq!(status(availability(&inventory.public).bearer_auth(&key)).await, 404, "never on the public listener");
    let user = shop.send(get("/v1/wallet").header("Authorization", &format!("Bearer {key}"))).await;
    assert_eq!(user.status.as_u16(), 401, "no user's token");
}

#[tokio::test]
async fn a_process_that_trusts_nobody_has_no_internal_routes() {
    let shop = Deployment::start(Shape::OnSqlite);
    assert_eq!(status(availability(shop.management())).await, 404);
    assert!(!shop.data().join("service.key").exists(), "nor a key that it has no use for");
}

#[tokio::test]
async fn a_neighbour_that_is_gone_delays_orders_and_loses_none() {
    let mut shop = Deployment::start(Shape::SplitOnSqlite);
    shop.sell("PEN", 100, 7).await;
    let buyer = shop.buyer();
    shop.deposit(&buyer, 1_000).await;
    let at = shop.processes.iter().position(|process| process.name == "inventory").expect("held somewhere");
    shop.processes[at].kill();

    let order = shop.send(post("/v1/orders").by(&buyer).once().json(&order_of("PEN", 2))).await.expect(202);
    let client = Client::builder().no_proxy().build().expect("a client");
    let actuator = async |path: &str| {
        let answer = client.get(format!("{}/actuator/{path}", shop.management())).send().await.expect("answers");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    let (health, components) = actuator("health").await;
    assert_eq!((health, &components["components"]["inventory_service"]["status"]), (200, &json!("DOWN")));
    assert_eq!(actuator("health/readiness").await.0, 200, "it can still be asked");
    assert_eq!(shop.send(get("/v1/products")).await.expect(200)["data"][0]["skus"][0]["sku"], "PEN");

    shop.serve();
    shop.until_all_are_terminal().await;
    let path = format!("/v1/orders/{}", order["id"].as_str().expect("an id"));
    assert_eq!(shop.send(get(&path).by(&buyer)).await.expect(200)["status"], "placed");
    assert_eq!((shop.shelf("PEN").await, shop.balance(&buyer).await), ((5, 0), 800));
    shop.verify();
}

#[tokio::test]
async fn who_asks_is_settled_before_what_is_asked_though_auth_is_far_away() {
    let mut shop = Deployment::start(Shape::SplitOnSqlite);
    let (nobody, buyer) = ("Bearer nonsense", shop.buyer());
    let order = || post("/v1/orders").once().raw("nonsense");
    let refused = shop.send(order().header("Authorization", nobody)).await;
    assert_eq!(refused.problem(), (401, "unauthenticated"));
    let at = shop.processes.iter().position(|process| process.name == "auth").expect("held somewhere");
    let elsewhere = shop.buyer();
    shop.processes[at].kill();
    let unknown = shop.send(order().by(&elsewhere)).await;
    assert_eq!(unknown.problem(), (503, "unreachable"), "nobody can say who asks");
    shop.serve();
    let began = std::time::Instant::now();
    loop {
        match shop.send(order().by(&buyer)).await.status.as_u16() {
            400 => break,
            status => assert!(status == 503 && began.elapsed().as_secs() < 10, "{status}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
