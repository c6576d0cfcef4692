//! What a shop says of itself, and how it is held against what people wrote down while it was killed: every
//! acknowledged effect is there, once; every refusal had none; and whatever was left unanswered is answered one way or
//! the other when it is asked again with the same key.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::Value;

use crate::attempts::{Attempt, Company, GOODS, Promise};
use crate::deployment::{Deployment, Person};
use crate::request::{Reply, get};

/// What is there at one moment when nothing goes on.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// What each customer can spend.
    pub available: Vec<i64>,
    /// How much there is of each of the goods.
    pub on_hand: Vec<i64>,
    /// Everything that was ever done, and how often: orders, deposits and withdrawals by id, entries of the ledger and
    /// movements of stock by what was written beside them.
    pub lines: BTreeMap<(&'static str, String), usize>,
}

impl Books {
    /// Reads everything through the public API.
    pub async fn read(shop: &Deployment, company: &Company) -> Self {
        let mut books = Self::default();
        for (sku, _) in GOODS {
            let (on_hand, reserved) = shop.shelf(sku).await;
            assert_eq!(reserved, 0, "{sku} is promised to nobody when nothing goes on");
            books.on_hand.push(on_hand);
        }
        for customer in &company.customers {
            books.available.push(shop.balance(customer).await);
            books.read_ledger(shop, customer).await;
        }
        books.read_orders(shop, &company.staff).await;
        books.read_requests(shop, &company.staff).await;
        books.read_movements(shop, &company.staff).await;
        books
    }

    fn add(&mut self, kind: &'static str, name: &Value) {
        *self.lines.entry((kind, name.as_str().expect("a name").to_owned())).or_default() += 1;
    }

    /// What the customer sent and what staff gave or took. Transfers are counted where they come from.
    async fn read_ledger(&mut self, shop: &Deployment, customer: &Person) {
        for row in rows(shop, customer, "/v1/wallet/transactions?").await {
            if matches!(row["kind"].as_str(), Some("transfer_out" | "credit" | "debit")) {
                self.add("ledger", &row["note"]);
            }
        }
    }

    async fn read_orders(&mut self, shop: &Deployment, staff: &Person) {
        for order in rows(shop, staff, "/v1/admin/orders?").await {
            match (order["status"].as_str(), order["cancel_reason"].as_str()) {
                (Some("placed"), None) => self.add("placed order", &order["id"]),
                (Some("cancelled"), Some("cancelled_by_customer")) => self.add("cancelled order", &order["id"]),
                (Some("cancelled"), Some("insufficient_funds")) => {}
                _ => panic!("how did this end? {order}"),
            }
        }
    }

    async fn read_requests(&mut self, shop: &Deployment, staff: &Person) {
        for deposit in rows(shop, staff, "/v1/admin/deposits?").await {
            assert_eq!(deposit["status"], "confirmed", "{deposit}");
            self.add("deposit", &deposit["id"]);
        }
        for withdrawal in rows(shop, staff, "/v1/admin/withdrawals?").await {
            self.add("withdrawal", &withdrawal["id"]);
            match withdrawal["status"].as_str() {
                Some("paid") => self.add("paid withdrawal", &withdrawal["id"]),
                Some("rejected") => self.add("rejected withdrawal", &withdrawal["id"]),
                _ => {}
            }
        }
    }

    async fn read_movements(&mut self, shop: &Deployment, staff: &Person) {
        for kind in ["receive", "adjust"] {
            let path = format!("/v1/admin/stock/movements?kind={kind}&");
            for movement in rows(shop, staff, &path).await {
                self.add("stock", &movement["reason"]);
            }
        }
    }

    /// Where these books and those that were expected differ.
    fn differences(&self, expected: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let known: BTreeSet<_> = self.lines.keys().chain(expected.lines.keys()).collect();
        for line in known {
            let times = |books: &Self| books.lines.get(line).copied().unwrap_or_default();
            if times(self) != times(expected) {
                found.push(format!("{line:?} is there {} times, not {}", times(self), times(expected)));
            }
        }
        for (client, (is, should)) in self.available.iter().zip(&expected.available).enumerate() {
            if is != should {
                found.push(format!("client {client} has {is}, not {should}"));
            }
        }
        for ((sku, _), (is, should)) in GOODS.iter().zip(self.on_hand.iter().zip(&expected.on_hand)) {
            if is != should {
                found.push(format!("there are {is} of {sku}, not {should}"));
            }
        }
        found
    }
}

/// Every row of a list; `path` ends where its query goes on.
async fn rows(shop: &Deployment, person: &Person, path: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = shop.send_patiently(get(&format!("{path}limit=100{after}")).by(person)).await.expect(200);
        all.extend(page["data"].as_array().expect("rows").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return all,
        }
    }
}

/// What became of an attempt.
struct Outcome<'a> {
    attempt: &'a Attempt,
    /// What it made, when that has a name.
    id: String,
    /// Whether it had been done before it was asked again.
    before: bool,
    /// Whether it is done now.
    after: bool,
}

/// Asks again with the same key until the answer is the last one; and whether the first answer was given before.
async fn ask_again(shop: &Deployment, attempt: &Attempt, company: &Company) -> (bool, Reply) {
    let (began, mut replayed) = (Instant::now(), None);
    loop {
        // Among a hundred thousand requests some meet a connection that the shop is just closing for idleness; a shop
        // that is gone answers none.
        let again = match shop.try_send(attempt.request(company)).await {
            Ok(reply) if reply.status != 503 => reply,
            Ok(_) | Err(_) => shop.send_patiently(attempt.request(company)).await,
        };
        let replayed = *replayed.get_or_insert(again.header("idempotent-replayed") == "true");
        if again.status != 202 && again.problem() != (409, "idempotency_in_progress") {
            return (replayed, again);
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{attempt:?} {again:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks again and holds the answer against the first one and against the books of before.
async fn hold_against<'a>(shop: &Deployment, attempt: &'a Attempt, company: &Company, books: &Books) -> Outcome<'a> {
    let (replayed, again) = ask_again(shop, attempt, company).await;
    let status = again.status.as_u16();
    let after = matches!(status, 200 | 201);
    assert!(after || matches!(status, 402 | 409), "{attempt:?} {again:?}");
    let before = after && replayed;
    let id = again.body["id"].as_str().unwrap_or_default().to_owned();
    let there = books.lines.get(&attempt.line(&id)).copied().unwrap_or_default();
    assert_eq!(there, usize::from(before), "what it says is not what is there: {attempt:?} {again:?}");
    match (attempt.promise(), &attempt.answer) {
        (Promise::Done, Some((first, body))) => {
            assert_eq!((before, status, &again.body), (true, *first, body), "{attempt:?}");
        }
        (Promise::Accepted, Some((_, body))) => {
            assert!(replayed && (!after || again.body["id"] == body["id"]), "{attempt:?} {again:?}");
        }
        // A refusal for a reason is the same for ever.
        (Promise::Refused, Some((first @ (402 | 409), body))) => {
            assert_eq!((status, &again.body["code"]), (*first, &body["code"]), "{attempt:?} {again:?}");
        }
        (Promise::Refused, _) => assert!(!before, "it was refused, and was done all the same: {attempt:?} {again:?}"),
        (Promise::Unknown, _) | (_, None) => {}
    }
    Outcome { attempt, id, before, after }
}

/// The books as they must be when this was done since `start`, and nothing else.
fn booked<'a, 'b: 'a>(start: &Books, done: impl Iterator<Item = &'a Outcome<'b>>) -> Books {
    let mut books = start.clone();
    done.for_each(|outcome| outcome.attempt.book(&outcome.id, &mut books));
    books
}

/// Holds everything that was written down against the shop, which was as `start` says in the beginning.
pub async fn check(shop: &Deployment, company: &Company, written: &[Attempt], start: &Books) {
    let found = Books::read(shop, company).await;
    let books = &found;
    let asked = futures_util::stream::iter(written).map(|attempt| hold_against(shop, attempt, company, books));
    let outcomes: Vec<Outcome<'_>> = asked.buffer_unordered(32).collect().await;
    let expected = booked(start, outcomes.iter().filter(|outcome| outcome.before));
    let differences = found.differences(&expected);
    assert!(differences.is_empty(), "before anything was asked again: {differences:#?}");
    let expected = booked(start, outcomes.iter().filter(|outcome| outcome.after));
    let differences = Books::read(shop, company).await.differences(&expected);
    assert!(differences.is_empty(), "after everything was asked again: {differences:#?}");
    shop.verify();
}
