//! The money of an order, whatever is bought of whom: the lines sum to the total, every payee gets exactly what its own
//! lines cost, and the tax of a line is the exact share to half a unit.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use std::time::Duration;

use common::drafts::draft;
use common::{Api, Mishap, Reply, World, post, user};
use emporium_kernel::{Call, Currency, Money};
use emporium_shop::Settings;
use emporium_shop::orders::TaxRate;
use emporium_wallet_api::{Payee, Share};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

const BUYER: &str = "customer-ada";

/// Whose a ware can be: the store's, or a supplier's.
const OWNERS: [Option<&str>; 3] = [None, Some("supplier-bea"), Some("supplier-cem")];

/// So dear that two orders of eight lines, fifty pieces each, can still be paid.
const DEAREST: i64 = 1 << 43;

/// Whose it is, and what a piece costs in cents.
type Ware = (usize, i64);

/// Which ware, and how many pieces.
type Wish = (usize, i64);

fn usd(cents: i64) -> Money {
    Money::new(cents, Currency::USD).expect("an amount")
}

fn sku(ware: usize) -> String {
    format!("W-{ware}")
}

/// A shop that has enough of all wares, and a buyer who can pay for them.
async fn shop_of(wares: &[Ware], hundredths: i64) -> World {
    let tax_rate = TaxRate::try_from(hundredths).expect("a rate");
    let world = World::with(Settings { tax_rate, order_patience_millis: 5_000, ..Settings::default() });
    let mut drafts = Vec::new();
    for (number, (owner, cents)) in wares.iter().enumerate() {
        let mut ware = draft(&format!("w-{number}"), "Ware", &[(&sku(number), *cents)]);
        ware.supplier = OWNERS[*owner].map(user);
        drafts.push(ware);
        world.inventory.stock(&sku(number), 1_000_000);
    }
    let written = world.shop.upsert_products(&Call::internal("test"), drafts).await.expect("written");
    assert!(written.iter().all(|one| one.outcome.is_ok()), "{written:?}");
    world.wallet.fund(&user(BUYER), usd(Money::MAX));
    world
}

async fn buy(app: &Api, key: &str, basket: &[Wish]) -> Reply {
    let line = |(ware, pieces): &Wish| json!({"sku": sku(*ware), "quantity": pieces});
    let items: Vec<Value> = basket.iter().map(line).collect();
    let order = json!({"items": items, "payment": {"method": "wallet"}});
    post("/v1/orders").by(BUYER).header("idempotency-key", key).json(&order).to(app).await
}

/// Who is to be paid how much, in the order in which the basket mentions them.
fn expected(wares: &[Ware], basket: &[Wish]) -> Vec<Share> {
    let mut sums: Vec<(usize, i64)> = Vec::new();
    for (ware, pieces) in basket {
        let (owner, cents) = wares[*ware];
        match sums.iter_mut().find(|(known, _)| *known == owner) {
            Some((_, sum)) => *sum += cents * pieces,
            None => sums.push((owner, cents * pieces)),
        }
    }
    let payee = |owner: usize| OWNERS[owner].map_or(Payee::Store, |name| Payee::Supplier(user(name)));
    sums.into_iter().map(|(owner, sum)| Share { payee: payee(owner), amount: usd(sum) }).collect()
}

fn amount(of: &Value, name: &str) -> i64 {
    of[name]["amount"].as_i64().expect("an amount")
}

/// Lines and taxes sum to what the order says, and each tax is what its line contains.
fn check_sums(order: &Value, hundredths: i64) {
    let lines = order["items"].as_array().expect("lines");
    let sum = |name: &str| lines.iter().map(|line| amount(line, name)).sum::<i64>();
    assert_eq!((sum("total"), sum("tax")), (amount(order, "total"), amount(order, "tax")));
    let parts = i128::from(10_000 + hundredths);
    for line in lines {
        let (total, tax) = (amount(line, "total"), amount(line, "tax"));
        assert_eq!(total, amount(line, "unit_price") * line["quantity"].as_i64().expect("a number"));
        assert!((0..=total).contains(&tax), "{line}");
        let astray = i128::from(tax) * parts - i128::from(total) * i128::from(hundredths);
        assert!((2 * astray).abs() <= parts, "{line}");
    }
}

/// Buys the basket, and once more with a capture that gets lost, which recovery repeats.
async fn sell(wares: &[Ware], basket: &[Wish], hundredths: i64) {
    let world = shop_of(wares, hundredths).await;
    let app = world.app().await;
    let order = buy(&app, "first", basket).await.expect(201).body;
    check_sums(&order, hundredths);
    let total = amount(&order, "total");
    let shares = expected(wares, basket);
    assert_eq!(shares.iter().map(|share| share.amount.amount()).sum::<i64>(), total, "nothing is lost between them");
    if total == 0 {
        assert_eq!(world.wallet.paid(), []);
        return;
    }
    assert_eq!(world.wallet.paid(), shares);
    world.wallet.script.plan("capture", Mishap::Lost);
    buy(&app, "second", basket).await.expect(202);
    world.hand.advance(Duration::from_secs(120));
    assert_eq!(world.shop.recover().await.expect("recovers"), 1);
    assert_eq!(world.shop.unfinished().await.expect("lists"), []);
    assert_eq!(world.wallet.paid()[shares.len()..], shares, "asked again, it is divided the same way");
    assert_eq!(world.wallet.balance(&user(BUYER), "USD"), (Money::MAX - 2 * total, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_payees_get_what_their_lines_cost_and_together_the_total(
        wares in vec((0..OWNERS.len(), prop_oneof![0..100_i64, 0..=DEAREST]), 1..6),
        basket in vec((any::<usize>(), 1..=50_i64), 1..=8),
        hundredths in 0..=10_000_i64,
    ) {
        let basket: Vec<Wish> = basket.into_iter().map(|(ware, pieces)| (ware % wares.len(), pieces)).collect();
        actix_web::rt::System::new().block_on(sell(&wares, &basket, hundredths));
    }
}
