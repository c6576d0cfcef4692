//! What only a server lets happen: two change the shop at the same moment, and the second sees what the first has done.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::disallowed_methods, reason = "the server is waited for by the clock")]

mod common;
#[path = "../../../tests/support/mariadbd.rs"]
mod mariadbd;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{World, get, patch, post, product, user};
use diesel::connection::SimpleConnection;
use emporium_database::{Db, Url};
use emporium_kernel::{Currency, Money};
use emporium_shop::{Settings, ShopError};
use mariadbd::Mariadbd;
use serde_json::json;
use tokio::sync::Notify;

const BUYER: &str = "customer-ada";

fn server() -> (Arc<Mariadbd>, Url) {
    let server = Mariadbd::start();
    let url = Url::parse(&server.url("shopdb")).expect("a URL");
    (Arc::new(server), url)
}

/// Whether somebody waits for a row that somebody else has changed. (`innodb_trx` is not read anew while it is asked often.)
fn somebody_waits(server: &Mariadbd) -> bool {
    let waits = "select variable_value from information_schema.global_status \
        where variable_name = 'INNODB_ROW_LOCK_CURRENT_WAITS'";
    server.told(waits) != "0\n"
}

/// Does `second` when `first` was done but not committed, which it is as soon as the second waits for it.
async fn after<T>(first: String, server: &Arc<Mariadbd>, world: &World, second: impl Future<Output = T>) -> T {
    let done = Arc::new(Notify::new());
    let (server, told) = (server.clone(), done.clone());
    let first = world.shop.database().write::<_, ShopError, _>(move |db: &mut Db| {
        db.batch_execute(&first)?;
        told.notify_one();
        let began = Instant::now();
        while !somebody_waits(&server) {
            assert!(began.elapsed() < Duration::from_secs(60), "the second has not come");
        }
        Ok(())
    });
    let second = async {
        done.notified().await;
        second.await
    };
    let (first, second) = futures_util::future::join(first, second).await;
    first.expect("commits");
    second
}

#[actix_web::test]
async fn a_cancel_that_comes_second_is_refused_though_the_first_cancelled_as_well() {
    let (server, url) = server();
    let world = World::at(url, Settings { order_patience_millis: 60_000, ..Settings::default() });
    world.selling(&[("PEN", 100)]).await;
    world.wallet.fund(&user(BUYER), Money::new(1_000, Currency::USD).expect("money"));
    let app = world.app().await;
    let gate = world.wallet.script.gate("hold");
    let buying = app.clone();
    let placing = actix_web::rt::spawn(async move {
        let order = json!({"items": [{"sku": "PEN", "quantity": 2}], "payment": {"method": "wallet"}});
        post("/v1/orders").by(BUYER).header("idempotency-key", "k").json(&order).to(&buying).await
    });
    while world.wallet.script.count("hold") == 0 {
        tokio::task::yield_now().await;
    }
    let order = world.shop.unfinished().await.expect("lists").remove(0).id;

    let first = format!(
        "update orders set step = 'aborting', cancel_reason = 'insufficient_funds', version = version + 1
         where id = '{order}'"
    );
    let cancel = post(&format!("/v1/orders/{order}/cancel")).by(BUYER).header("idempotency-key", "c");
    let second = after(first, &server, &world, cancel.json(&json!({})).to(&app)).await;
    assert_eq!((second.status, second.code()), (409, "not_allowed"), "{}", second.body);
    gate.add_permits(10);
    placing.await.expect("no panic").expect(409);
    assert_eq!(world.wallet.balance(&user(BUYER), "USD"), (1_000, 0));
}

#[actix_web::test]
async fn a_product_that_enters_a_category_while_this_is_renamed_is_found_by_the_new_name() {
    let (server, url) = server();
    let world = World::at(url, Settings::default());
    let app = world.app().await;
    let kitchen = json!({"name": "Kitchen"});
    post("/v1/admin/categories").by("staff").json(&kitchen).to(&app).await.expect(201);
    let mug = post("/v1/admin/products").by("staff").json(&product("Mug", "MUG", 100)).to(&app).await.expect(201);
    let rename = "update category set name = 'Household' where slug = 'kitchen'".to_owned();
    let enter = patch(&format!("/v1/admin/products/{}", mug.text("/id"))).by("staff").header("if-match", "*");
    let entered = after(rename, &server, &world, enter.json(&json!({"category": "kitchen"})).to(&app)).await;
    entered.expect(200);
    for (word, titles) in [("household", vec!["Mug"]), ("kitchen", vec![])] {
        let found = get(&format!("/v1/products?q={word}")).to(&app).await.expect(200);
        assert_eq!(found.column("title"), titles, "{word}");
    }
}

/// Each move is fine by itself, and both would make a cycle.
#[actix_web::test]
async fn of_two_categories_that_are_moved_below_each_other_one_moves() {
    let (server, url) = server();
    let world = World::at(url, Settings::default());
    let app = world.app().await;
    let mut ids = Vec::new();
    for name in ["Kitchen", "Cups"] {
        let made = post("/v1/admin/categories").by("staff").json(&json!({"name": name})).to(&app).await.expect(201);
        ids.push(made.text("/id").to_owned());
    }
    let below_cups = format!("update category set parent = '{}' where id = '{}'", ids[1], ids[0]);
    let below_kitchen = patch("/v1/admin/categories/cups").by("staff").header("if-match", "*");
    let moved = after(below_cups, &server, &world, below_kitchen.json(&json!({"parent": "kitchen"})).to(&app)).await;
    assert_eq!((moved.status, moved.code()), (422, "category_cycle"), "{}", moved.body);
}
