//! Products in memory: read fast, and never older than the last write that was answered.

mod common;

use std::sync::Arc;

use common::{World, get, patch, post, product};
use emporium_kernel::Call;
use emporium_shop::catalogue::ProductPatch;
use futures_util::FutureExt;
use serde_json::{Value, json};

async fn create(app: &common::Api, by: &str, body: &Value) -> common::Reply {
    post("/v1/admin/products").by(by).json(body).to(app).await
}

fn admin(id: &str) -> String {
    format!("/v1/admin/products/{id}")
}

fn public(key: &str) -> String {
    format!("/v1/products/{key}")
}

fn sku(sku: &str, cents: i64) -> Value {
    json!({"sku": sku, "price": {"amount": cents, "currency": "USD"}})
}

#[actix_web::test]
async fn a_product_in_memory_is_never_older_than_the_last_write() {
    let world = World::new();
    let app = world.app().await;
    let id = create(&app, "staff", &product("Mug", "MUG", 900)).await.expect(201).text("/id").to_owned();
    for round in 0..3 {
        for key in [id.as_str(), "mug", "mug"] {
            let price = &get(&public(key)).to(&app).await.expect(200).body["skus"][0]["price"]["amount"];
            assert_eq!(price, 900 + round, "{key}");
        }
        let dearer = json!({"skus": [sku("MUG", 901 + round)]});
        patch(&admin(&id)).by("staff").header("if-match", "*").json(&dearer).to(&app).await.expect(200);
    }
    let moved = json!({"slug": "cup"});
    patch(&admin(&id)).by("staff").header("if-match", "*").json(&moved).to(&app).await.expect(200);
    get(&public("mug")).to(&app).await.expect(404);
    assert_eq!(get(&public("cup")).to(&app).await.expect(200).text("/slug"), "cup");
    assert_eq!(get(&public(&id)).to(&app).await.expect(200).text("/slug"), "cup");
}

#[actix_web::test]
async fn a_client_that_has_the_product_is_told_so() {
    let world = World::new();
    let app = world.app().await;
    let id = create(&app, "staff", &product("Mug", "MUG", 900)).await.expect(201).text("/id").to_owned();
    let first = get(&public("mug")).to(&app).await.expect(200);
    let etag = first.header("etag").to_owned();
    assert_eq!(first.header("content-type"), "application/json");
    for seen in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
        let same = get(&public("mug")).header("if-none-match", &seen).to(&app).await.expect(304);
        assert_eq!((same.header("etag"), &same.body), (etag.as_str(), &Value::Null));
    }
    let dearer = json!({"skus": [sku("MUG", 901)]});
    patch(&admin(&id)).by("staff").header("if-match", "*").json(&dearer).to(&app).await.expect(200);
    let newer = get(&public("mug")).header("if-none-match", &etag).to(&app).await.expect(200);
    assert_ne!(newer.header("etag"), etag);
}

/// Readers and a writer at once: after a write is answered, no reader may get what was before it.
#[actix_web::test]
async fn readers_beside_a_writer_never_go_back() {
    let world = World::new();
    let app = world.app().await;
    let id = create(&app, "staff", &product("Mug", "MUG", 0)).await.expect(201).text("/id").to_owned();
    let answered = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let order = std::sync::atomic::Ordering::SeqCst;
    let writer = async {
        for price in 1..=60 {
            let dearer = json!({"skus": [sku("MUG", price)]});
            patch(&admin(&id)).by("staff").header("if-match", "*").json(&dearer).to(&app).await.expect(200);
            answered.store(price, order);
        }
    };
    let reader = |key: &'static str| {
        let (app, answered) = (app.clone(), answered.clone());
        async move {
            while answered.load(order) < 60 {
                let least = answered.load(order);
                let seen = get(&public(key)).to(&app).await.expect(200).body["skus"][0]["price"]["amount"].as_i64();
                assert!(seen >= Some(least), "saw {seen:?} after {least} was answered");
                tokio::task::yield_now().await;
            }
        }
    };
    futures_util::future::join5(writer, reader("mug"), reader("mug"), reader("mug"), reader("mug")).await;
}

/// A client that hangs up does not undo what it sent; nor may it leave the old answer in memory.
#[actix_web::test]
async fn a_write_whose_caller_is_gone_is_forgotten_all_the_same() {
    let world = World::new();
    let app = world.app().await;
    let id = create(&app, "staff", &product("Mug", "MUG", 900)).await.expect(201).text("/id").to_owned();
    get(&public("mug")).to(&app).await.expect(200);
    let patch = ProductPatch { title: Some("Cup".to_owned()), ..ProductPatch::default() };
    let (shop, call) = (world.shop.clone(), Call::internal("test"));
    let named = shop.all_products(None, 1).await.expect("reads").remove(0).id;
    let hung_up = shop.change_product(&call, named, None, patch, None).now_or_never();
    assert!(hung_up.is_none(), "it was begun and not waited for");
    while get(&admin(&id)).by("staff").to(&app).await.expect(200).text("/title") != "Cup" {
        tokio::task::yield_now().await;
    }
    for _ in 0..1_000 {
        if get(&public("mug")).to(&app).await.expect(200).text("/title") == "Cup" {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the old answer stayed in memory");
}
