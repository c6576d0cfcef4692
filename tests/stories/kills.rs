//! The process is killed at any moment under load. Clients write down every answer; afterwards the shop is held
//! against what they wrote: every acknowledged effect is there, once; every refusal had none; and whatever was left
//! unanswered is answered one way or the other when it is asked again with the same key.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use emporium_kernel::Random;
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::deployment::{Deployment, Person, Shape};
use crate::request::{Reply, Request, get, order_of, post};

everywhere!(nothing_acknowledged_is_lost_when_the_process_is_killed);

const CLIENTS: usize = 64;
const PRICE: i64 = 100;
const STOCK: i64 = 1_000_000;

/// Every fourth client has little money, so that refusals happen under load as well.
fn purse(client: usize) -> i64 {
    if client.is_multiple_of(4) { 4 * PRICE } else { 1_000_000 * PRICE }
}

/// One request as its client knows it.
#[derive(Clone, Debug)]
struct Attempt {
    client: usize,
    key: String,
    what: What,
    /// Status and body; `None` when the process was gone.
    answer: Option<(u16, Value)>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Order,
    Transfer { to: usize },
}

impl Attempt {
    fn request<'a>(&self, people: &'a [Person]) -> Request<'a> {
        let request = match self.what {
            What::Order => post("/v1/orders").json(&order_of("PEN", 1)),
            What::Transfer { to } => {
                let amount = json!({"amount": PRICE, "currency": "USD"});
                post("/v1/wallet/transfers").json(&json!({"to": people[to].id, "amount": amount}))
            }
        };
        request.by(&people[self.client]).keyed(&self.key)
    }

    fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|(status, _)| *status)
    }
}

/// One client buys, and now and then sends money to its neighbour, until the shop is gone.
async fn trade(
    shop: &Deployment,
    client: usize,
    people: &[Person],
    written: &Mutex<Vec<Attempt>>,
    gone: &AtomicBool,
    random: &Random,
) {
    while !gone.load(Ordering::SeqCst) {
        let to = (client + 1) % people.len();
        let what = if random.below(4) == 0 { What::Transfer { to } } else { What::Order };
        let mut attempt = Attempt { client, key: random.token::<16>(), what, answer: None };
        let reply = shop.try_send(attempt.request(people)).await;
        attempt.answer = reply.ok().map(|Reply { status, body, .. }| (status.as_u16(), body));
        let went = attempt.answer.is_none();
        written.lock().expect("free").push(attempt);
        if went {
            return;
        }
    }
}

/// Lets clients trade until a process is killed, whichever, and starts it again.
async fn kill_under_load(shop: &mut Deployment, people: &[Person], written: &Mutex<Vec<Attempt>>, random: &Random) {
    let gone = AtomicBool::new(false);
    let clients = (0..CLIENTS).map(|client| trade(shop, client, people, written, &gone, random));
    let victim = usize::try_from(random.below(shop.processes.len() as u64)).expect("small");
    let pid = shop.processes[victim].pid();
    let killer = async {
        tokio::time::sleep(Duration::from_millis(40 + random.below(300))).await;
        gone.store(true, Ordering::SeqCst);
        assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().expect("kill").success());
    };
    futures_util::future::join(futures_util::future::join_all(clients), killer).await;
    shop.processes[victim].kill();
    shop.serve();
}

/// The same, but the server that keeps the data is killed and started again, while the shop goes on.
async fn kill_the_server_under_load(
    shop: &mut Deployment,
    people: &[Person],
    written: &Mutex<Vec<Attempt>>,
    random: &Random,
) {
    let gone = AtomicBool::new(false);
    let mut server = shop.server.take().expect("a server");
    let clients = (0..CLIENTS).map(|client| trade(shop, client, people, written, &gone, random));
    let killer = async {
        tokio::time::sleep(Duration::from_millis(40 + random.below(300))).await;
        let back = tokio::task::spawn_blocking(move || {
            server.kill();
            server.serve();
            server
        });
        let server = back.await.expect("comes back");
        tokio::time::sleep(Duration::from_millis(200)).await;
        gone.store(true, Ordering::SeqCst);
        server
    };
    let (_, server) = futures_util::future::join(futures_util::future::join_all(clients), killer).await;
    shop.server = Some(server);
}

/// Asks again with the same key: what was answered is answered the same, and what was not is answered now.
async fn hold_against(shop: &Deployment, attempt: &Attempt, people: &[Person]) -> (u16, Value) {
    // Among a hundred thousand requests some meet a connection that the shop is just closing for idleness; a shop that is
    // gone answers none.
    let again = match shop.try_send(attempt.request(people)).await {
        Ok(reply) if reply.status != 503 => reply,
        Ok(_) | Err(_) => shop.send_patiently(attempt.request(people)).await,
    };
    let status = again.status.as_u16();
    match attempt.answer.as_ref() {
        Some((201, first)) => assert_eq!((status, &again.body["id"]), (201, &first["id"]), "{attempt:?}"),
        Some((202, first)) => {
            let is_it = again.body["id"] == first["id"];
            assert!(matches!(status, 200 | 201 | 202 | 402) && (is_it || status == 402), "{attempt:?} {again:?}");
        }
        Some((402, _)) if matches!(attempt.what, What::Order) => assert_eq!(status, 402, "{attempt:?}"),
        // A transfer that was refused, and whatever found the shop busy, had no effect and may have one now.
        Some((402 | 503, _)) | None => assert!(matches!(status, 201 | 402), "{attempt:?} {again:?}"),
        Some((other, body)) => panic!("{other} {body}"),
    }
    (status, again.body)
}

/// A thousand kills take longer than a token lives.
fn renew(shop: &Deployment, people: &mut [Person]) {
    people.iter_mut().for_each(|person| *person = shop.again(person));
}

async fn nothing_acknowledged_is_lost_when_the_process_is_killed(shape: Shape) {
    let rounds = match (std::env::var_os("LONG"), shape) {
        (Some(_), _) => 1_000,
        (None, Shape::OnSqlite) => 50,
        (None, Shape::OnMariadb | Shape::SplitOnSqlite | Shape::SplitOnMariadb) => 10,
    };
    let mut shop = Deployment::start(shape);
    shop.sell("PEN", PRICE, STOCK).await;
    let mut people = Vec::new();
    for client in 0..CLIENTS {
        let person = shop.signed_up(&format!("client{client}@example.com")).await;
        shop.deposit(&person, purse(client)).await;
        people.push(person);
    }
    let (written, random) = (Mutex::new(Vec::new()), Random::seeded(29));
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        if round % 100 == 99 {
            renew(&shop, &mut people);
        }
        if shape.has_server() && round % 2 == 1 {
            kill_the_server_under_load(&mut shop, &people, &written, &random).await;
        } else {
            kill_under_load(&mut shop, &people, &written, &random).await;
        }
        slowest = slowest.max(shop.until_all_are_terminal().await);
        if round % 10 == 9 {
            shop.verify();
        }
    }
    let written = written.into_inner().expect("free");
    renew(&shop, &mut people);
    check(&shop, &people, &written).await;
    let count = |status: Option<u16>| written.iter().filter(|attempt| attempt.status() == status).count();
    println!(
        "{rounds} kills, {} requests: {} acknowledged, {} accepted, {} refused, {} busy, {} unanswered; all orders \
         terminal within {slowest:?} of the start",
        written.len(),
        count(Some(201)),
        count(Some(202)),
        count(Some(402)),
        count(Some(503)),
        count(None)
    );
    assert!(count(Some(201)) > rounds && count(Some(402)) > 0, "the load was real");
    // Where only neighbours of the one that answers were killed, everybody got an answer.
    assert!(count(None) > 0 || shape.is_split(), "the kills were real");
}

/// Holds everything that was written down against the shop.
async fn check(shop: &Deployment, people: &[Person], written: &[Attempt]) {
    let mut effects: BTreeMap<String, usize> = BTreeMap::new();
    let mut balances: Vec<i64> = (0..CLIENTS).map(purse).collect();
    let asked = futures_util::stream::iter(written).map(async |attempt| {
        let (status, body) = hold_against(shop, attempt, people).await;
        (attempt, status, body)
    });
    for (attempt, status, body) in asked.buffer_unordered(32).collect::<Vec<_>>().await {
        if status != 201 {
            continue;
        }
        *effects.entry(body["id"].as_str().expect("an id").to_owned()).or_default() += 1;
        balances[attempt.client] -= PRICE;
        if let What::Transfer { to } = attempt.what {
            balances[to] += PRICE;
        }
    }
    assert!(effects.values().all(|times| *times == 1), "every key had an effect of its own");
    let orders = effects.keys().filter(|id| id.starts_with("ord_")).count();
    let placed = shop.send(get("/v1/admin/orders?status=placed&include=total&limit=1").by(&shop.staff())).await;
    let sold = i64::try_from(orders).expect("small");
    assert_eq!(placed.expect(200)["total"], sold, "no order but those that somebody knows of");
    assert_eq!(shop.shelf("PEN").await, (STOCK - sold, 0));
    for (client, balance) in balances.into_iter().enumerate() {
        assert_eq!(shop.balance(&people[client]).await, balance, "client {client}");
    }
    shop.verify();
}
