//! Two want to decide on an order at the same moment: exactly one of them does, and the other is told so.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::disallowed_methods, reason = "the server is waited for by the clock")]

mod common;
#[path = "../../../tests/support/engines.rs"]
#[expect(unused_macros, unused_imports, dead_code, reason = "this race happens on a server alone")]
mod engines;
#[path = "../../../tests/support/mariadbd.rs"]
mod mariadbd;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{World, post, user};
use diesel::connection::SimpleConnection;
use emporium_database::Db;
use emporium_kernel::{Currency, Money};
use emporium_shop::{Settings, ShopError};
use mariadbd::Mariadbd;
use serde_json::json;
use tokio::sync::Notify;

const BUYER: &str = "customer-ada";

/// Whether somebody waits for a row that somebody else has changed.
fn somebody_waits(server: &Mariadbd) -> bool {
    server.told("select count(*) from information_schema.innodb_trx where trx_state = 'LOCK WAIT'") != "0\n"
}

#[actix_web::test]
async fn a_cancel_that_comes_second_is_refused_though_the_first_cancelled_as_well() {
    let (server, url) = engines::server("shopdb");
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

    let (server, changed) = (Arc::new(server), Arc::new(Notify::new()));
    let first = {
        let (server, changed, order) = (server.clone(), changed.clone(), order.to_string());
        world.shop.database().write::<_, ShopError, _>(move |db: &mut Db| {
            db.batch_execute(&format!(
                "update orders set step = 'aborting', cancel_reason = 'insufficient_funds', version = version + 1
                 where id = '{order}'"
            ))?;
            changed.notify_one();
            let began = Instant::now();
            while !somebody_waits(&server) {
                assert!(began.elapsed() < Duration::from_secs(60), "the cancel has not come");
            }
            Ok(())
        })
    };
    let second = async {
        changed.notified().await;
        let cancel = post(&format!("/v1/orders/{order}/cancel")).by(BUYER).header("idempotency-key", "c");
        cancel.json(&json!({})).to(&app).await
    };
    let (first, second) = futures_util::future::join(first, second).await;
    first.expect("commits");
    assert_eq!((second.status, second.code()), (409, "not_allowed"), "{}", second.body);
    gate.add_permits(10);
    placing.await.expect("no panic").expect(409);
    assert_eq!(world.wallet.balance(&user(BUYER), "USD"), (1_000, 0));
}
