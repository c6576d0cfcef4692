//! Somebody logs out: what was left open elsewhere ends as well.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::deployment::{Deployment, Shape};
use crate::request::{delete, get, order_of, post};

everywhere!(who_ended_all_sessions_pays_nothing_any_more_and_sees_nothing_soon);

async fn who_ended_all_sessions_pays_nothing_any_more_and_sees_nothing_soon(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 7).await;
    let ada = shop.registered("ada@example.com").await;
    shop.deposit(&ada, 1_000).await;
    assert_eq!(shop.send(get("/v1/orders").by(&ada)).await.expect(200)["data"], json!([]));
    shop.send(delete("/v1/me/sessions").by(&ada)).await.expect(204);
    let ended = Instant::now();

    let refused = (401, "unauthenticated");
    assert_eq!(shop.send(get("/v1/wallet").by(&ada)).await.problem(), refused);
    assert_eq!(shop.send(post("/v1/orders").by(&ada).once().json(&order_of("PEN", 1))).await.problem(), refused);
    let transfer = json!({"to": "bob@example.com", "amount": {"amount": 1, "currency": "USD"}});
    assert_eq!(shop.send(post("/v1/wallet/transfers").by(&ada).once().json(&transfer)).await.problem(), refused);
    loop {
        let seen = shop.send(get("/v1/orders").by(&ada)).await;
        if seen.status == 401 {
            break;
        }
        assert!(ended.elapsed() < Duration::from_secs(5), "{seen:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(shop.shelf("PEN").await, (7, 0));
}
