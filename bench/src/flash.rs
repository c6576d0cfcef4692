//! The flash sale: two thousand buyers at once for a hundred pieces.

use anyhow::Context;
use serde_json::json;

use crate::batch;
use crate::bench::Bench;
use crate::people::Person;
use crate::report::Target::{AtLeast, AtMost};
use crate::request::post;
use crate::shop::{count, deposit};

const BUYERS: u32 = 2_000;
const PIECES: u32 = 100;
const CONNECTIONS: usize = 500;
const PRICE_CENTS: i64 = 4_900;

/// Sells out, and counts who got one.
pub fn sale(bench: &mut Bench) -> anyhow::Result<()> {
    let shop = bench.shop()?;
    let staff = shop.mint.staff()?;
    let price = json!({"amount": PRICE_CENTS, "currency": "USD"});
    let product = json!({"title": "Drop", "status": "active", "skus": [{"sku": "DROP", "title": "", "price": price}]});
    batch::seed(shop.server.public, &[post("/v1/admin/products", Some(&staff), &product)], 1).context("the drop")?;
    count(&shop.server, &staff, &["DROP".to_owned()], i64::from(PIECES))?;
    let buyer = |_| shop.mint.customer(shop.mint.stranger());
    let buyers: Vec<Person> = (0..BUYERS).map(buyer).collect::<Result<_, _>>()?;
    deposit(&shop.server, &buyers, PRICE_CENTS)?;

    let order = json!({"items": [{"sku": "DROP", "quantity": 1}], "payment": {"method": "wallet"}});
    let orders: Vec<_> = buyers.iter().map(|buyer| post("/v1/orders", Some(buyer), &order)).collect();
    let batch = batch::send(shop.server.public, &orders, CONNECTIONS)?;
    let exact = (batch.tally.of(201), batch.tally.of(409)) == (u64::from(PIECES), u64::from(BUYERS - PIECES));
    let (statuses, failed, came_back) = (&batch.tally.statuses, batch.tally.failed, batch.came_back);
    bench
        .report
        .say(&format!("flash sale: {statuses:?}, {failed} unanswered, {came_back} came back after a second"))?;
    bench.report.fact("flash sale exact", f64::from(u8::from(exact)), "yes=1", Some(AtLeast(1.0)))?;
    bench.report.fact("flash sale", batch.took.as_secs_f64(), "s", Some(AtMost(5.0)))?;
    bench.close(shop, "the flash sale")
}
