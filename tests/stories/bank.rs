//! The bank test: money moves between wallets in all directions at once, and none is made or lost.

use emporium_kernel::Random;
use futures_util::StreamExt;
use serde_json::json;

use crate::deployment::{Deployment, Person, Shape};
use crate::request::post;

everywhere!(money_is_neither_made_nor_lost);

const PEOPLE: u64 = 10;
const EACH: i64 = 1_000;
const TRANSFERS: u64 = 1_500;

async fn transfer(shop: &Deployment, people: &[Person], random: &Random) -> u16 {
    let pick = |n: u64| &people[usize::try_from(n).expect("small")];
    let from = random.below(PEOPLE);
    let to = (from + 1 + random.below(PEOPLE - 1)) % PEOPLE;
    let amount = 1 + random.below(400);
    let body = json!({"to": pick(to).id, "amount": {"amount": amount, "currency": "USD"}});
    let reply = shop.send(post("/v1/wallet/transfers").by(pick(from)).once().json(&body)).await;
    assert!([201, 402].contains(&reply.status.as_u16()), "{} {}", reply.status, reply.body);
    reply.status.as_u16()
}

async fn money_is_neither_made_nor_lost(shape: Shape) {
    let shop = Deployment::start(shape);
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        people.push(shop.registered(&format!("p{n}@example.com")).await);
    }
    for person in &people {
        shop.deposit(person, EACH).await;
    }
    let random = Random::seeded(11);
    let done: Vec<u16> = futures_util::stream::iter(0..TRANSFERS)
        .map(|_| transfer(&shop, &people, &random))
        .buffer_unordered(64)
        .collect()
        .await;
    assert!(done.iter().filter(|status| **status == 201).count() > 100, "money moved");
    let mut sum = 0;
    for person in &people {
        let balance = shop.balance(person).await;
        assert!(balance >= 0);
        sum += balance;
    }
    assert_eq!(sum, EACH * i64::try_from(PEOPLE).expect("small"));
    shop.verify();
}
