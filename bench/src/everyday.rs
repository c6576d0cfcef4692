//! What a shop does all day: reads, transfers, orders and all of it mixed.

use std::time::Duration;

use crate::bench::Bench;
use crate::closed::Closed;
use crate::report::Target::{AtLeast, AtMost};
use crate::report::{Load, Report};
use crate::request::get;
use crate::{bare, batch, catalogue, disk, loads, postgres};

/// Connections of a load when nothing else is said.
const CONNECTIONS: usize = 64;
/// Connections that place orders.
const ORDERING: [usize; 4] = [1, 8, 64, 256];
/// Requests a second that arrive whether or not earlier ones were answered: what two cores answer with time to spare.
mod rate {
    pub const READ: u32 = 10_000;
    pub const LIST: u32 = 1_000;
    pub const SEARCH: u32 = 500;
    pub const TRANSFER: u32 = 2_000;
    pub const ORDER: u32 = 300;
    pub const MIXED: u32 = 3_000;
}
/// What 99 of 100 orders stay below: this, or on a slow disk so many fdatasyncs.
const LONGEST_ORDER_MILLIS: f64 = 150.0;
const LONGEST_ORDER_SYNCS: f64 = 40.0;

/// Pages, lists and searches, beside a handler that does nothing else.
pub fn read(bench: &mut Bench) -> anyhow::Result<()> {
    let shop = bench.shop()?;
    let page = [get(&format!("/v1/products/{}", catalogue::slug(0)))];
    let bodies = batch::seed(shop.server.public, &page, 1)?;
    let bare = bare(bench, bodies.first().map_or(&[], Vec::as_slice))?;
    let read = bench.load(&shop, "read one product", CONNECTIONS, &loads::one_product())?;
    bench.load(&shop, "read 100 products", CONNECTIONS, &loads::hundred_products())?;
    bench.load(&shop, "list 25 products", CONNECTIONS, &loads::list())?;
    bench.load(&shop, "search one word", CONNECTIONS, &loads::search())?;
    bench.steady(&shop, "read one product", rate::READ, &loads::one_product())?;
    bench.steady(&shop, "list 25 products", rate::LIST, &loads::list())?;
    bench.steady(&shop, "search one word", rate::SEARCH, &loads::search())?;
    bench.report.fact("read / bare", read.per_second / bare.per_second, "", Some(AtLeast(0.7)))?;
    shop.server.stop()
}

fn bare(bench: &mut Bench, body: &[u8]) -> anyhow::Result<Load> {
    let (process, address) = bare::start(bench.folder(), body)?;
    let ask = loads::same("/");
    let tally =
        Closed { address, connections: CONNECTIONS, measured: bench.measured, comes_back: Duration::ZERO, ask: &ask }
            .run()?;
    let seconds = bench.measured.as_secs_f64();
    let load = Load::of("bare handler", CONNECTIONS, seconds, &tally, process.memory()?);
    bench.report.load(load.clone())?;
    Ok(load)
}

/// Transfers, beside the same in PostgreSQL.
pub fn transfer(bench: &mut Bench) -> anyhow::Result<()> {
    let raw = postgres::transfers_per_second(bench.folder(), bench.measured);
    match &raw {
        Ok(Some(raw)) => bench.report.fact("pgbench, two-row transfers", *raw, "/s", None)?,
        Ok(None) => bench.report.say("  PostgreSQL is not installed here: no yardstick for transfers")?,
        Err(error) => bench.report.say(&format!("  PostgreSQL cannot be used here: {error:#}"))?,
    }
    let shop = bench.shop()?;
    let load = bench.load(&shop, "transfer", CONNECTIONS, &loads::transfer(&shop.people))?;
    bench.steady(&shop, "transfer", rate::TRANSFER, &loads::transfer(&shop.people))?;
    bench.report.fact("transfers", load.per_second, "/s", Some(AtLeast(4_000.0)))?;
    if let Ok(Some(raw)) = raw {
        bench.report.fact("transfer / pgbench", load.per_second / raw, "", Some(AtLeast(1.0)))?;
    }
    bench.close(shop, "transfers")
}

/// Orders through the whole saga.
pub fn order(bench: &mut Bench) -> anyhow::Result<()> {
    let shop = bench.shop()?;
    for connections in ORDERING {
        bench.load(&shop, "order", connections, &loads::order(&shop.people))?;
    }
    bench.steady(&shop, "order", rate::ORDER, &loads::order(&shop.people))?;
    let syncs = disk::syncs_per_second(bench.folder(), bench.measured / 4)?;
    bench.report.fact("fdatasync after the orders", syncs, "/s", None)?;
    orders_against_targets(&mut bench.report, syncs)?;
    bench.close(shop, "orders")
}

fn orders_against_targets(report: &mut Report, syncs: f64) -> anyhow::Result<()> {
    let Some(order) = report.find("order", CONNECTIONS).cloned() else { return Ok(()) };
    let transfer = report.find("transfer", CONNECTIONS).map(|load| load.per_second);
    report.fact("orders", order.per_second, "/s", Some(AtLeast(600.0)))?;
    if let Some(transfer) = transfer {
        report.fact("order / transfer", order.per_second / transfer, "", Some(AtLeast(1.0 / 6.0)))?;
    }
    let p99 = f64::from(u32::try_from(order.latency.p99).unwrap_or(u32::MAX)) / 1_000.0;
    let sync = 1_000.0 / syncs;
    report.fact("order p99 in fdatasyncs", p99 / sync, "", None)?;
    report.fact("order p99", p99, "ms", Some(AtMost(LONGEST_ORDER_MILLIS.max(LONGEST_ORDER_SYNCS * sync))))
}

/// Everything at once, as customers do it.
pub fn mixed(bench: &mut Bench) -> anyhow::Result<()> {
    let shop = bench.shop()?;
    bench.load(&shop, "mixed", CONNECTIONS, &loads::mixed(&shop.people))?;
    bench.steady(&shop, "mixed", rate::MIXED, &loads::mixed(&shop.people))?;
    shop.server.stop()
}
