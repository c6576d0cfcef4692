//! Orders that are caught half-way by a database that takes nothing for a while: they end as soon as it does again.

use futures_util::future::join_all;
use serde_json::json;

use super::neighbour::Neighbour;
use super::{named, open_shop, transfer};
use crate::deployment::{Deployment, Person};
use crate::request::{Reply, Request, get, order_of, post};

/// How many orders are unfinished.
async fn unfinished(shop: &Deployment) -> usize {
    let open = shop.send(get("/v1/admin/orders/unfinished").by(&shop.staff())).await.expect(200);
    open["data"].as_array().expect("rows").len()
}

/// Orders one piece after the other until an order is not placed at once.
async fn order_until_one_is_caught(shop: &Deployment, buyer: &Person) -> Reply {
    for _ in 0..100 {
        let reply = shop.send(post("/v1/orders").by(buyer).once().json(&order_of("PEN", 1))).await;
        if reply.status != 201 {
            return reply;
        }
    }
    panic!("the disk was never full")
}

/// Sends the same request until there is room for it; how often it was refused before.
async fn send_until_there_is_room(shop: &Deployment, request: &Request<'_>) -> usize {
    for refused in 0..100 {
        let reply = shop.send(request.clone()).await;
        if reply.status.is_success() {
            return refused;
        }
        assert_eq!((reply.problem(), reply.header("Retry-After").is_empty()), ((503, "storage_full"), false));
    }
    panic!("there never was room")
}

#[tokio::test]
async fn an_order_that_a_full_disk_catches_half_way_ends_as_soon_as_there_is_room() {
    let (mut shop, ada, bob) = open_shop().await;
    let staff = shop.staff();
    let rows = json!({"adjustments": [{"sku": "PEN", "delta": 1, "reason": "found"}]});
    let adjustment = named(post("/v1/admin/stock/adjustments").by(&staff).json(&rows), "adjustment-end");
    for (database, work) in [("wallet", transfer(&ada, &bob, "transfer-end")), ("inventory", adjustment)] {
        shop.stop();
        let log = shop.data().join(format!("{database}.db-wal")).display().to_string();
        // Every write that fails ends one commit, so that it takes about forty of them until there is room.
        shop.serve_watched(&["-P", &log, "--inject=pwrite64:error=ENOSPC:when=40..80"]);
        let caught = order_until_one_is_caught(&shop, &ada).await;
        assert_eq!((caught.status.as_u16(), unfinished(&shop).await), (202, 1), "{database}: {caught:?}");
        assert!(send_until_there_is_room(&shop, &work).await > 0, "{database}");
        shop.until_all_are_terminal().await;
        assert_eq!(shop.fate(&caught).await, "placed", "{database}");
        assert_eq!(shop.shelf("PEN").await.1, 0, "{database}");
        shop.verify();
    }
}

#[tokio::test]
async fn orders_that_a_foreign_lock_catches_half_way_end_when_it_is_gone() {
    let (shop, ada, _) = open_shop().await;
    for (database, reserved) in [("wallet", 5), ("inventory", 0)] {
        let neighbour = Neighbour::holding(&shop, database);
        let orders = (0..5).map(|_| shop.send(post("/v1/orders").by(&ada).once().json(&order_of("PEN", 1))));
        let caught = join_all(orders).await;
        assert!(caught.iter().all(|reply| reply.status == 202), "{database}: {caught:?}");
        assert_eq!((unfinished(&shop).await, shop.shelf("PEN").await.1), (5, reserved), "{database}: reads go on");
        neighbour.let_go();
        shop.until_all_are_terminal().await;
        for reply in &caught {
            assert_eq!(shop.fate(reply).await, "placed", "{database}");
        }
        assert_eq!(shop.shelf("PEN").await.1, 0, "{database}");
        shop.verify();
    }
}
