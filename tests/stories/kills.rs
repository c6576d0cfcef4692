//! The process is killed at any moment under load; every acknowledged effect is there afterwards, once.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use emporium_kernel::Random;
use serde_json::json;

use crate::deployment::{Deployment, Person, get, order_of, post};

const CLIENTS: usize = 64;
const ROUNDS: usize = 6;

/// What clients were told: order id to whose it is.
#[derive(Default)]
struct History {
    placed: Mutex<BTreeMap<String, usize>>,
    answered: Mutex<usize>,
}

/// One client buys until the shop is gone.
async fn buy_until_it_is_gone(shop: &Deployment, n: usize, buyer: &Person, history: &History, gone: &AtomicBool) {
    while !gone.load(Ordering::SeqCst) {
        let order = shop.try_send(post("/v1/orders").by(buyer).once().json(&order_of("PEN", 1))).await;
        let Ok(reply) = order else { return };
        *history.answered.lock().expect("free") += 1;
        match reply.status.as_u16() {
            201 => {
                let id = reply.body["id"].as_str().expect("an id").to_owned();
                history.placed.lock().expect("free").insert(id, n);
            }
            202 | 402 | 503 => {}
            other => panic!("{other} {}", reply.body),
        }
    }
}

/// Waits until no order is unfinished; recovery has seconds for it.
async fn until_all_are_terminal(shop: &Deployment) -> Duration {
    let started = std::time::Instant::now();
    let staff = shop.staff();
    loop {
        let open = shop.send(get("/v1/admin/orders/unfinished").by(&staff)).await.expect(200);
        if open["data"] == json!([]) {
            return started.elapsed();
        }
        assert!(started.elapsed() < Duration::from_secs(15), "still unfinished: {open}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let mut shop = Deployment::start();
    shop.sell("PEN", 100, 1_000_000).await;
    let mut buyers = Vec::new();
    for _ in 0..CLIENTS {
        let buyer = shop.buyer();
        shop.deposit(&buyer, 10_000_000).await;
        buyers.push(buyer);
    }
    let (history, random) = (History::default(), Random::seeded(29));
    for round in 0..ROUNDS {
        let gone = AtomicBool::new(false);
        let clients =
            buyers.iter().enumerate().map(|(n, buyer)| buy_until_it_is_gone(&shop, n, buyer, &history, &gone));
        let pid = shop.pid();
        let delay = Duration::from_millis(60 + random.below(400));
        let killer = async {
            tokio::time::sleep(delay).await;
            gone.store(true, Ordering::SeqCst);
            assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().expect("kill").success());
        };
        futures_util::future::join(futures_util::future::join_all(clients), killer).await;
        shop.kill();
        shop.serve();
        let took = until_all_are_terminal(&shop).await;
        println!("round {round}: killed after {delay:?}, all terminal {took:?} after the start");
        shop.verify();
    }
    let placed = history.placed.lock().expect("free").clone();
    println!("{} answers, {} orders acknowledged", history.answered.lock().expect("free"), placed.len());
    assert!(placed.len() > ROUNDS, "the load was real");
    for (id, n) in &placed {
        let order = shop.send(get(&format!("/v1/orders/{id}")).by(&buyers[*n])).await.expect(200);
        assert_eq!(order["status"], "placed", "{id}");
    }
    let all =
        shop.send(get("/v1/admin/orders?status=placed&include=total&limit=1").by(&shop.staff())).await.expect(200);
    let sold = all["total"].as_i64().expect("a total");
    assert_eq!(shop.shelf("PEN").await, (1_000_000 - sold, 0));
    assert!(sold >= i64::try_from(placed.len()).expect("small"));
}
