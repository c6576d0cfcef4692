//! The same requests with a thousand, a hundred thousand and a million products and orders: nothing that a request does
//! may grow faster than the logarithm.

use std::sync::Arc;

use anyhow::Context;
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use emporium_kernel::Cursor;
use rand::RngExt;
use rand::rngs::SmallRng;

use crate::bench::Bench;
use crate::loads::{self, Ask};
use crate::people::Person;
use crate::report::{Load, Target};
use crate::request::{write_get, write_post};
use crate::shop::Shop;

const SIZES: [u32; 3] = [1_000, 100_000, 1_000_000];
const QUICK_SIZES: [u32; 2] = [1_000, 10_000];
/// Enough to see how long a request takes, too few to see how many the machine can do at once.
const CONNECTIONS: usize = 4;
/// Few of any number of products are in memory, so that what is compared is the way to those that are not.
pub const SETTINGS: [(&str, &str); 1] = [("EMPORIUM_SHOP__PRODUCT_CACHE", "50")];
/// How the rows of each database are made.
const ROWS: [(&str, &str); 3] = [
    ("shop", include_str!("../growth/shop.sql")),
    ("inventory", include_str!("../growth/inventory.sql")),
    ("wallet", include_str!("../growth/wallet.sql")),
];

/// Measures each size and compares the medians with those of the smallest.
pub fn growth(bench: &mut Bench) -> anyhow::Result<()> {
    let sizes: &[u32] = if bench.quick { &QUICK_SIZES } else { &SIZES };
    let mut smallest: Vec<Load> = Vec::new();
    for size in sizes {
        let shop = bench.grown_shop(*size)?;
        let measured = measure(bench, &shop, *size)?;
        shop.server.stop()?;
        if smallest.is_empty() {
            smallest = measured;
            continue;
        }
        let logarithms = f64::from(*size).ln() / f64::from(sizes[0]).ln();
        for (first, now) in smallest.iter().zip(&measured) {
            let slower = micros(now) / micros(first);
            let name = format!("{}, median against {}", now.name, sizes[0]);
            bench.report.fact(&name, slower, "x", Some(Target::AtMost(logarithms)))?;
        }
    }
    Ok(())
}

fn micros(load: &Load) -> f64 {
    f64::from(u32::try_from(load.latency.p50.max(1)).unwrap_or(u32::MAX))
}

/// What anybody asks for products.
fn of_products(size: u32) -> Vec<(&'static str, Ask)> {
    let listed = |path: &'static str| anybody(move |_| format!("/v1/products?{path}"));
    vec![
        ("any product", anybody(move |random| format!("/v1/products/grown-{}", 1 + random % size))),
        ("list", listed("limit=25&sort=-created_at")),
        ("list from a price", listed("min_price=2000&sort=-created_at")),
        ("list of a category of ten", listed("category=ten")),
        ("list of a category of a quarter", listed("category=quarter&sort=title")),
        ("list of a sparse category", listed("category=sparse&sort=-created_at")),
        ("list of a category of two that are sparse", listed("category=parent&sort=price")),
        ("list of a category, counted", listed("category=quarter&sort=title&include=total")),
        ("list, deep among those of one price", anybody(move |_| among_equals(size))),
        ("list, counted", listed("include=total")),
        ("search, rare word", anybody(move |random| format!("/v1/products?q=term{}", random % (size / 10)))),
        ("search, word of all", listed("q=grown")),
        ("search, word of all, cheapest", listed("q=grown&sort=price")),
        ("search, word of all, category of a quarter", listed("q=grown&category=quarter")),
        ("search, two words that meet in ten", listed("q=even+odd")),
        ("search, two words that meet in ten, by title", listed("q=even+odd&sort=title")),
        ("search, two words that meet in ten, cheapest, counted", listed("q=even+odd&sort=price&include=total")),
    ]
}

fn measure(bench: &mut Bench, shop: &Shop, size: u32) -> anyhow::Result<Vec<Load>> {
    let people = &shop.people;
    // All orders there are belong to these.
    let buyers = Arc::new(people.iter().take(20).cloned().collect::<Vec<_>>());
    let staff = shop.mint.staff()?;
    let of_staff = |path: &'static str| asking(Arc::new(vec![staff.clone()]), move |_| path.to_owned());
    let by_staff = |path: fn(u32) -> String| asking(Arc::new(vec![staff.clone()]), path);
    let mut requests = of_products(size);
    requests.extend([
        ("own orders", asking(buyers.clone(), |_| "/v1/orders?limit=25".to_owned())),
        ("own orders by status", asking(buyers.clone(), |_| "/v1/orders?status=placed&payment_status=paid".to_owned())),
        (
            "own orders by statuses of none",
            asking(buyers, |_| "/v1/orders?status=cancelled&payment_status=paid".to_owned()),
        ),
        ("orders by status", of_staff("/v1/admin/orders?status=placed&limit=25")),
        ("orders by payment status", of_staff("/v1/admin/orders?payment_status=paid&limit=25")),
        (
            "orders by two statuses that meet in ten",
            of_staff("/v1/admin/orders?status=placed&payment_status=voided&limit=25"),
        ),
        (
            "orders of a rare SKU",
            by_staff(|random| format!("/v1/admin/orders?status=placed&sku=GRW-{}", 1 + random % 1_000)),
        ),
        ("orders of a common SKU", of_staff("/v1/admin/orders?status=placed&sku=GRW-0")),
        ("unfinished orders", of_staff("/v1/admin/orders/unfinished")),
        ("movements", of_staff("/v1/admin/stock/movements?limit=25")),
        (
            "movements of a SKU",
            by_staff(|random| format!("/v1/admin/stock/movements?kind=commit&sku=GRW-{}", 1 + random % 1_000)),
        ),
        (
            "movements of a kind at a place",
            of_staff("/v1/admin/stock/movements?kind=adjust&location=loc_00000000000000000000000000"),
        ),
        ("stock that is not low", of_staff("/v1/admin/stock?below_threshold=false")),
        (
            "cart of 40 lines",
            Arc::new(move |random, into| write_post(into, "/v1/carts", None, &forty_lines(random, size))),
        ),
        ("transfer", loads::transfer(people)),
        ("order", loads::order(people)),
    ]);
    let mut measured = Vec::new();
    for (name, ask) in requests {
        measured.push(bench.load(shop, &format!("{name} of {size}"), CONNECTIONS, &ask)?);
    }
    Ok(measured)
}

/// A page of products by price that begins in the middle of those that cost 29 dollars.
fn among_equals(size: u32) -> String {
    let number = size / 2;
    let after = Cursor::encode(&("price", 2_900, format!("prd_0{number:025}")));
    format!("/v1/products?sort=price&after={after}")
}

/// A cart with a piece of each of forty SKUs that follow one another.
fn forty_lines(random: &mut SmallRng, size: u32) -> String {
    let first = random.random_range(1..=size - 40);
    let lines: Vec<String> = (first..first + 40).map(|n| format!(r#"{{"sku":"GRW-{n}","quantity":1}}"#)).collect();
    format!(r#"{{"items":[{}]}}"#, lines.join(","))
}

fn anybody(path: impl Fn(u32) -> String + Send + Sync + 'static) -> Ask {
    Arc::new(move |random, into| write_get(into, &path(random.random_range(0..u32::MAX)), None))
}

fn asking(people: Arc<Vec<Person>>, path: impl Fn(u32) -> String + Send + Sync + 'static) -> Ask {
    Arc::new(move |random, into| {
        let person = people.get(random.random_range(0..people.len()));
        write_get(into, &path(random.random_range(0..u32::MAX)), person);
    })
}

/// Adds so many products and orders to the databases of a stopped shop.
pub fn grow(data: &std::path::Path, people: &[String], size: u32) -> anyhow::Result<()> {
    for (database, rows) in ROWS {
        let path = data.join(format!("{database}.db")).display().to_string();
        let mut db = SqliteConnection::establish(&path)?;
        let named = people.iter().enumerate().map(|(k, id)| format!("({k}, '{id}')")).collect::<Vec<_>>().join(", ");
        db.batch_execute(&format!(
            "pragma synchronous = off; pragma foreign_keys = off; pragma temp_store = memory; pragma cache_size = -500000;
             create temp table number (n integer primary key);
             insert into number with recursive c(n) as (select 1 union all select n + 1 from c where n < {size}) select n from c;
             create temp table person (k integer primary key, id text not null);
             insert into person values {named};
             begin; {rows} commit; pragma wal_checkpoint(truncate);"
        ))
        .with_context(|| format!("the rows of {database}"))?;
    }
    Ok(())
}
