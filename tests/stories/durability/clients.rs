//! Clients that buy and pay all at once until the process is gone, and write down what was acknowledged.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use emporium_kernel::Random;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::deployment::{Deployment, Person};
use crate::request::{Request, get, order_of, post};

const CLIENTS: usize = 10;
/// Requests of one client, at most.
const MOST: usize = 500;
const PRICE: i64 = 100;
const PURSE: i64 = 10_000_000;
const STOCK: i64 = 100_000;

/// One request as its client knows it.
struct Attempt {
    client: usize,
    key: String,
    what: What,
    /// The order or transfer, when it was acknowledged; `None` when the process was gone.
    id: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Order,
    /// To the next client.
    Transfer,
}

impl Attempt {
    fn request<'a>(&self, people: &'a [Person]) -> Request<'a> {
        let request = match self.what {
            What::Order => post("/v1/orders").json(&order_of("PEN", 1)),
            What::Transfer => {
                let to = &people[(self.client + 1) % people.len()].id;
                let amount = json!({"amount": PRICE, "currency": "USD"});
                post("/v1/wallet/transfers").json(&json!({"to": to, "amount": amount}))
            }
        };
        request.by(&people[self.client]).keyed(&self.key)
    }
}

fn id(body: &Value) -> String {
    body["id"].as_str().expect("an id").to_owned()
}

/// When the process is killed, and what was acknowledged until then.
struct Round {
    pid: String,
    /// After so many answers; `None` when it ends by itself.
    kill_after: Option<usize>,
    answers: AtomicUsize,
    attempts: Mutex<Vec<Attempt>>,
}

impl Round {
    fn note(&self, attempt: Attempt) {
        let answered = attempt.id.is_some();
        self.attempts.lock().expect("free").push(attempt);
        if answered && Some(self.answers.fetch_add(1, Ordering::SeqCst) + 1) == self.kill_after {
            assert!(Command::new("kill").args(["-KILL", &self.pid]).status().expect("kill").success());
        }
    }
}

/// Ten clients, and everything they ever asked for.
pub struct Clients {
    people: Vec<Person>,
    attempts: Vec<Attempt>,
}

impl Clients {
    /// Customers with money, of a shop with something to buy.
    pub async fn of(shop: &Deployment) -> Self {
        shop.sell("PEN", PRICE, STOCK).await;
        let mut people = Vec::new();
        for client in 0..CLIENTS {
            let person = shop.signed_up(&format!("client{client}@example.com")).await;
            shop.deposit(&person, PURSE).await;
            people.push(person);
        }
        Self { people, attempts: Vec::new() }
    }

    /// All of them buy and pay until the process is gone, by itself or killed after so many answers.
    pub async fn trade(&mut self, shop: &Deployment, kill_after: Option<usize>) {
        let pid = shop.processes[0].pid();
        let round = Round { pid, kill_after, answers: AtomicUsize::new(0), attempts: Mutex::new(Vec::new()) };
        join_all((0..CLIENTS).map(|client| self.trade_one(shop, client, &round))).await;
        let attempts = round.attempts.into_inner().expect("free");
        assert!(attempts.iter().any(|attempt| attempt.id.is_some()), "something was acknowledged");
        assert!(attempts.iter().any(|attempt| attempt.id.is_none()), "something was on its way");
        self.attempts.extend(attempts);
    }

    async fn trade_one(&self, shop: &Deployment, client: usize, round: &Round) {
        for n in 0..MOST {
            let what = if n % 3 == 2 { What::Transfer } else { What::Order };
            let mut attempt = Attempt { client, key: Random::system().token::<16>(), what, id: None };
            let Ok(reply) = shop.try_send(attempt.request(&self.people)).await else {
                return round.note(attempt);
            };
            assert!(matches!(reply.status.as_u16(), 201 | 202), "{reply:?}");
            attempt.id = Some(id(&reply.body));
            round.note(attempt);
        }
        panic!("the process did not end");
    }

    /// How much of what was acknowledged is not there any more, when it is asked for with the same key.
    pub async fn count_lost(&self, shop: &Deployment) -> usize {
        let mut lost = 0;
        for attempt in self.attempts.iter().filter(|attempt| attempt.id.is_some()) {
            let again = shop.send(attempt.request(&self.people)).await;
            let there = again.status == 201 && again.body["id"].as_str() == attempt.id.as_deref();
            lost += usize::from(!there);
        }
        lost
    }

    /// Nothing that was acknowledged is lost; what was not is done now; each has its effect once, and the books agree.
    pub async fn check(&mut self, shop: &Deployment) {
        assert_eq!(self.count_lost(shop).await, 0, "lost, of {}", self.attempts.len());
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.id.is_none()) {
            let done = shop.send_patiently(attempt.request(&self.people)).await.expect(201);
            attempt.id = Some(id(&done));
        }
        let ids: BTreeSet<&str> = self.attempts.iter().filter_map(|attempt| attempt.id.as_deref()).collect();
        assert_eq!(ids.len(), self.attempts.len(), "every key had an effect of its own");
        let orders = self.attempts.iter().filter(|attempt| attempt.what == What::Order).count();
        let orders = i64::try_from(orders).expect("small");
        let placed = get("/v1/admin/orders?status=placed&include=total&limit=1");
        let placed = shop.send(placed.by(&shop.staff())).await.expect(200);
        assert_eq!(placed["total"], orders, "no order but those that somebody knows of");
        assert_eq!(shop.shelf("PEN").await, (STOCK - orders, 0));
        for (client, person) in self.people.iter().enumerate() {
            assert_eq!(shop.balance(person).await, self.balance(client), "client {client}");
        }
        shop.verify();
    }

    /// What a client has when everything was done that was ever asked for.
    fn balance(&self, client: usize) -> i64 {
        let change = |attempt: &Attempt| {
            let paid = i64::from(attempt.client == client);
            let got = attempt.what == What::Transfer && (attempt.client + 1) % CLIENTS == client;
            (i64::from(got) - paid) * PRICE
        };
        PURSE + self.attempts.iter().map(change).sum::<i64>()
    }
}
