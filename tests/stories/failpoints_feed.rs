//! Processes are killed between an event and what follows from it: when it is given its number, and when a neighbour
//! does what it asks for.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, RunQueryDsl};
use emporium_database::{Database, Migrations, Url, outbox};
use emporium_kernel::{After, Event, Outage};
use serde_json::{Value, json};

use crate::deployment::{Deployment, Person, Shape};
use crate::failpoints::{died, history, open_shop, serve_until};
use crate::failpoints_split::{process_of, restart_until};
use crate::request::{get, order_of, post};

in_one_process!(
    events_are_numbered_once_wherever_the_process_was_killed,
    what_an_event_asks_for_is_done_wherever_the_process_was_killed,
);

/// Everything that a module tells its neighbours, once all of it has its number.
async fn feed(shop: &Deployment, module: &str, migrations: Migrations) -> Vec<Event> {
    let url = match shop.server() {
        Some(server) => Url::parse(&server.url(&format!("{module}db"))).expect("a URL"),
        None => Url::file(shop.holder_of(module).data.join(format!("{module}.db"))),
    };
    let database = Database::open_read_only(&url, migrations).expect("opens");
    let began = Instant::now();
    loop {
        // Whoever only reads is refused as long as something has no number; a sweeper sees to that within seconds.
        match all_after(&database, 0).await {
            Ok(events) => return events,
            Err(outage) => assert!(began.elapsed() < Duration::from_secs(60), "not numbered yet: {outage}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn all_after(database: &Database, mut number: i64) -> Result<Vec<Event>, Outage> {
    let mut all = Vec::new();
    loop {
        let page = outbox::after::<Outage>(database, After { number, limit: 500 }).await?.events;
        let Some(last) = page.last() else { return Ok(all) };
        number = last.number;
        all.extend(page);
    }
}

fn numbers(events: &[Event]) -> Vec<i64> {
    events.iter().map(|event| event.number).collect()
}

/// Every version of every order is told once, in their order, and nothing else of any order.
async fn tells_every_version_of_orders_once(shop: &Deployment, events: &[Event]) {
    let orders = shop.send(get("/v1/admin/orders?limit=100").by(&shop.staff())).await.expect(200);
    let mut versions = 0;
    for order in orders["data"].as_array().expect("orders") {
        let id = order["id"].as_str().expect("an id");
        let happened: Vec<String> = history(shop, id).await.iter().map(|kind| format!("order.{kind}")).collect();
        let told: Vec<&str> = events.iter().filter(|event| event.subject == id).map(|event| &*event.topic).collect();
        assert_eq!(told, happened, "{id}");
        versions += happened.len();
    }
    let told = events.iter().filter(|event| event.topic.starts_with("order.")).count();
    assert!(told == versions && versions > 0, "{told} of {versions}");
}

/// Every movement of a SKU is told once, in their order.
async fn tells_every_movement_once(shop: &Deployment, events: &[Event], sku: &str) {
    let path = format!("/v1/admin/stock/movements?limit=100&sku={sku}");
    let movements = shop.send(get(&path).by(&shop.staff())).await.expect(200);
    let line = |of: &Value| (of["kind"].clone(), of["on_hand"].clone(), of["reserved"].clone());
    let happened: Vec<_> = movements["data"].as_array().expect("movements").iter().rev().map(line).collect();
    let changes = events.iter().filter(|event| event.topic == "stock.changed" && event.subject == sku);
    let told: Vec<_> = changes.map(|event| line(&event.body)).collect();
    assert_eq!(told, happened, "{sku}");
}

async fn events_are_numbered_once_wherever_the_process_was_killed(shape: Shape) {
    let (mut shop, buyer) = open_shop(shape, 1).await;
    shop.sell("INK", 50, 10).await;
    let staff = shop.staff();
    let rows = json!({"adjustments": [{"sku": "PEN", "delta": 1, "reason": "found"}]});
    for point in ["number_events.before_commit", "number_events.after_commit"] {
        shop.stop();
        serve_until(&mut shop.processes[0], point, &[], &[]);
        let found = || post("/v1/admin/stock/adjustments").by(&staff).keyed(point).json(&rows);
        let bought = || post("/v1/orders").by(&buyer).keyed(point).json(&order_of("INK", 1));
        // What happens is committed before its events are numbered, whoever asks for them first.
        let told = shop.try_send(found()).await;
        let _ = shop.try_send(bought()).await;
        // Who looks at the stream has what is committed numbered at once.
        assert!(shop.try_send(get("/v1/admin/stock/stream").by(&staff)).await.is_err());
        died(&mut shop.processes[0], point).await;
        shop.serve();
        shop.until_all_are_terminal().await;
        let again = shop.send(found()).await;
        assert!(told.is_err() || again.header("idempotent-replayed") == "true", "{point}: {told:?} {again:?}");
        again.expect(200);
        shop.send(bought()).await.expect(201);
    }
    // Each was found once and bought once, however often that was sent: the key is stored with the change.
    assert_eq!((shop.shelf("PEN").await, shop.shelf("INK").await), ((1_002, 0), (8, 0)));
    assert_eq!(shop.balance(&buyer).await, 1);
    let stock = feed(&shop, "inventory", emporium_inventory::MIGRATIONS).await;
    let orders = feed(&shop, "shop", emporium_shop::MIGRATIONS).await;
    for events in [&stock, &orders] {
        assert_eq!(numbers(events), (1..).take(events.len()).collect::<Vec<i64>>(), "without a gap");
    }
    tells_every_version_of_orders_once(&shop, &orders).await;
    tells_every_movement_once(&shop, &stock, "PEN").await;
    tells_every_movement_once(&shop, &stock, "INK").await;
    shop.verify();
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    number: i64,
}

/// A number that a module's database knows, whether its process runs or not.
fn number(shop: &Deployment, module: &str, what: &str, table: &str) -> i64 {
    if let Some(server) = shop.server() {
        let told = server.told(&format!("select {what} from {module}db.{table}"));
        return told.trim().parse().expect("a number");
    }
    let path = shop.holder_of(module).data.join(format!("{module}.db"));
    let mut sqlite = diesel::SqliteConnection::establish(path.to_str().expect("text")).expect("connects");
    sqlite.batch_execute("pragma busy_timeout = 5000").expect("waits");
    let query = diesel::sql_query(format!("select {what} as number from {table}"));
    query.get_result::<Number>(&mut sqlite).expect("a number").number
}

/// How far a module has followed auth, and how much it still knows of the only user who is to be forgotten.
fn followed(shop: &Deployment, module: &str) -> (i64, i64) {
    let place = number(shop, module, "coalesce(max(number), 0)", "feed_cursor");
    let left = match module {
        "wallet" => number(shop, module, "count(note)", "transfer"),
        _ => number(shop, module, "count(*)", "cart"),
    };
    (place, left)
}

const NOT_YET: (i64, i64) = (0, 1);
const FORGOTTEN: (i64, i64) = (1, 0);

async fn until_forgotten(shop: &Deployment) {
    let began = Instant::now();
    while ["wallet", "shop"].iter().any(|module| followed(shop, module) != FORGOTTEN) {
        assert!(began.elapsed() < Duration::from_secs(60), "something is still known");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Somebody of whom the wallet knows a few words, and the shop a cart.
async fn somebody_known(shop: &Deployment) -> Person {
    let (ada, eve) = (shop.registered("ada@example.com").await, shop.signed_up("eve@example.com").await);
    shop.deposit(&ada, 100).await;
    let gift = json!({"to": eve.id, "amount": {"amount": 50, "currency": "USD"}, "note": "from your Ada"});
    shop.send(post("/v1/wallet/transfers").by(&ada).once().json(&gift)).await.expect(201);
    let cart = json!({"items": [{"sku": "PEN", "quantity": 1}]});
    shop.send(post("/v1/carts").by(&ada).json(&cart)).await.expect(201);
    ada
}

/// Erases somebody. The process that does it may end as soon as that is committed.
async fn erase(shop: &Deployment, somebody: &Person) {
    let erase = json!({"current_password": "correct horse battery"});
    if let Ok(reply) = shop.try_send(post("/v1/me/erase").by(somebody).json(&erase)).await {
        assert_eq!(reply.status, 204, "{}", reply.body);
    }
}

async fn what_an_event_asks_for_is_done_wherever_the_process_was_killed(shape: Shape) {
    let (mut shop, _) = open_shop(shape, 0).await;
    let ada = somebody_known(&shop).await;
    shop.stop();
    let point = "follow.before_commit";
    serve_until(&mut shop.processes[0], point, &[], &[]);
    erase(&shop, &ada).await;
    died(&mut shop.processes[0], point).await;
    assert_eq!((followed(&shop, "wallet"), followed(&shop, "shop")), (NOT_YET, NOT_YET));
    let point = "follow.after_commit";
    serve_until(&mut shop.processes[0], point, &[], &[]);
    died(&mut shop.processes[0], point).await;
    // One of them was first. In each, the place in the feed is stored with what was done, or neither is.
    let both = [followed(&shop, "wallet"), followed(&shop, "shop")];
    assert!(both.contains(&FORGOTTEN) && both.iter().all(|one| [NOT_YET, FORGOTTEN].contains(one)), "{both:?}");
    shop.serve();
    until_forgotten(&shop).await;
    assert_eq!(numbers(&feed(&shop, "auth", emporium_auth::MIGRATIONS).await), [1]);
    shop.verify();
}

#[tokio::test]
async fn what_an_event_asks_for_is_done_though_who_tells_and_who_follows_were_killed() {
    let (mut shop, _) = open_shop(Shape::SplitOnSqlite, 0).await;
    let ada = somebody_known(&shop).await;
    process_of(&mut shop, "wallet").stop();
    restart_until(&mut shop, "auth", "number_events.before_commit");
    erase(&shop, &ada).await;
    died(process_of(&mut shop, "auth"), "number_events.before_commit").await;
    restart_until(&mut shop, "auth", "number_events.after_commit");
    died(process_of(&mut shop, "auth"), "number_events.after_commit").await;
    for (point, done) in [("follow.before_commit", NOT_YET), ("follow.after_commit", FORGOTTEN)] {
        restart_until(&mut shop, "wallet", point);
        // And auth, for good.
        shop.serve();
        died(process_of(&mut shop, "wallet"), point).await;
        assert_eq!(followed(&shop, "wallet"), done, "{point}");
    }
    shop.serve();
    until_forgotten(&shop).await;
    assert_eq!(numbers(&feed(&shop, "auth", emporium_auth::MIGRATIONS).await), [1]);
    shop.verify();
}
