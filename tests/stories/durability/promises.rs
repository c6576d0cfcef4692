//! Requests of every kind that changes something, and the words that the databases hold once what each acknowledges is
//! done: columns that stand side by side in a row, of which the last says how it ended.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use super::neighbour::Neighbour;
use super::{named, transfer};
use crate::deployment::{Deployment, Person};
use crate::request::{Reply, get, order_of, post};
use crate::strace::Promise;

/// How long the writer of a database waits for a neighbour that holds it.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// Sends all of them, and what their answers promised.
pub async fn of_everything(shop: &Deployment, ada: &Person, bob: &Person) -> Vec<Promise> {
    let mut promises = Vec::new();
    for group in 0..5 {
        let transfers = (0..16).map(|n| sends_money(shop, ada, bob, format!("transfer-{group}-{n}-end")));
        let orders = (0..4).map(|n| buys(shop, ada, format!("order-{group}-{n}-end")));
        let (transfers, orders) = join(join_all(transfers), join_all(orders)).await;
        promises.extend(transfers.concat());
        promises.extend(orders.concat());
    }
    promises.extend(pays_in(shop, ada).await);
    promises.extend(receives_goods(shop).await);
    promises.extend(registers_and_logs_in(shop).await);
    promises.extend(cancels(shop, ada).await);
    promises
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// What one answer promises.
fn promised<const N: usize>(request: &str, words: [(&'static str, String); N]) -> Vec<Promise> {
    words.map(|(database, words)| Promise::new(request, database, words)).into()
}

async fn sends_money(shop: &Deployment, from: &Person, to: &Person, name: String) -> Vec<Promise> {
    let sent = shop.send(transfer(from, to, &name)).await.expect(201);
    promised(&name, [("wallet", name.clone()), ("wallet", format!("{}post", text(&sent["id"])))])
}

/// An order has many durable points, in three databases.
async fn buys(shop: &Deployment, buyer: &Person, name: String) -> Vec<Promise> {
    let order = named(post("/v1/orders").by(buyer).json(&order_of("PEN", 1)), &name);
    let order = shop.send(order).await.expect(201);
    let id = text(&order["id"]);
    let words = [
        ("shop", name.clone()),
        ("shop", format!("order.created{id}")),
        ("inventory", format!("{id}reserved")),
        ("wallet", format!("heldorder{id}")),
        ("inventory", format!("{id}committed")),
        ("shop", format!("order.committed{id}")),
        ("wallet", format!("capturedorder{id}")),
        ("shop", format!("order.placed{id}")),
    ];
    promised(&name, words)
}

async fn pays_in(shop: &Deployment, person: &Person) -> Vec<Promise> {
    let body = json!({"amount": {"amount": 100, "currency": "USD"}});
    let deposit = named(post("/v1/wallet/deposits").by(person).json(&body), "deposit-end");
    let deposit = shop.send(deposit).await.expect(201);
    let credited = format!("deposit{}", text(&deposit["id"]));
    promised("deposit-end", [("wallet", "deposit-end".to_owned()), ("wallet", credited)])
}

async fn receives_goods(shop: &Deployment) -> Vec<Promise> {
    let rows = json!({"adjustments": [{"sku": "PEN", "delta": 5, "reason": "five came in"}]});
    let staff = shop.staff();
    let adjustment = named(post("/v1/admin/stock/adjustments").by(&staff).json(&rows), "adjustment-end");
    shop.send(adjustment).await.expect(200);
    let moved = format!("{}five came in", staff.id);
    promised("adjustment-end", [("inventory", "adjustment-end".to_owned()), ("inventory", moved)])
}

/// Somebody registers, logs in and has the session renewed.
async fn registers_and_logs_in(shop: &Deployment) -> Vec<Promise> {
    let (email, password) = ("eve@example.com", "correct horse battery");
    let who = json!({"email": email, "password": password, "name": "Eve"});
    let user = shop.send(named(post("/v1/auth/register").json(&who), "register-end")).await.expect(201);
    let who = json!({"email": email, "password": password});
    let login = shop.send(named(post("/v1/auth/login").json(&who), "login-end")).await.expect(200);
    let token = json!({"refresh_token": login["refresh_token"]});
    let refresh = shop.send(named(post("/v1/auth/refresh").json(&token), "refresh-end")).await.expect(200);
    let id = text(&user["user"]["id"]);
    let session = |tokens: &Value| format!("{id}{}", hash(text(&tokens["refresh_token"])));
    let mut promises = promised("register-end", [("auth", format!("{id}{email}"))]);
    promises.extend(promised("login-end", [("auth", session(&login))]));
    promises.extend(promised("refresh-end", [("auth", session(&refresh))]));
    promises
}

/// How auth stores a token.
fn hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes()))
}

/// An order whose stock is reserved already is cancelled, and undone.
async fn cancels(shop: &Deployment, buyer: &Person) -> Vec<Promise> {
    for n in 0..30 {
        let name = format!("cancel-{n}-end");
        let neighbour = Neighbour::holding(shop, "wallet");
        let order = shop.send(post("/v1/orders").by(buyer).once().json(&order_of("PEN", 1)));
        let (_, (id, told, held)) = join(order, cancel_while_held(shop, buyer, neighbour, &name)).await;
        shop.until_all_are_terminal().await;
        // Otherwise the hold was not waited for, and it may be its tombstone that the cancel left.
        if told.status == 200 && held < LOCK_PATIENCE {
            let words = [
                ("shop", name.clone()),
                ("shop", format!("order.aborting{id}")),
                ("inventory", format!("{id}released")),
                ("wallet", format!("voidedorder{id}")),
                ("shop", format!("order.cancelled{id}")),
            ];
            return promised(&name, words);
        }
    }
    panic!("no order was cancelled half-way")
}

/// Cancels the order that waits for the wallet, which is given free once the order is being undone: its id, what was
/// answered, and how long it waited at most.
async fn cancel_while_held(
    shop: &Deployment,
    buyer: &Person,
    neighbour: Neighbour,
    name: &str,
) -> (String, Reply, Duration) {
    until(async || shop.shelf("PEN").await.1 > 0).await;
    let newest = shop.send(get("/v1/orders?limit=1").by(buyer)).await.expect(200);
    let id = text(&newest["data"][0]["id"]).to_owned();
    let cancel = named(post(&format!("/v1/orders/{id}/cancel")).by(buyer), name);
    let let_go = async {
        let events = get(&format!("/v1/orders/{id}/events")).by(buyer);
        until(async || shop.send(events.clone()).await.expect(200).to_string().contains("\"aborting\"")).await;
        neighbour.let_go()
    };
    let (told, held) = join(shop.send(cancel), let_go).await;
    (id, told, held)
}

/// Asks until it is so.
async fn until(is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_secs(60), "it never was");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
