//! More orders than the shop can place: what it still places, how fast it refuses the rest, and how it recovers.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::Value;

use crate::batch;
use crate::bench::{Bench, ratio};
use crate::loads::{self, Ask};
use crate::open::{Open, Opened};
use crate::report::{Target, millis};
use crate::request::write_get;
use crate::shop::Shop;
use crate::tally::{Tally, quantile};

const SATURATING: usize = 64;
/// Connections of an open loop that asks for too much, at most.
const MANY: u32 = 2_000;
/// Connections of an open loop that does not, at most.
const FEW: u32 = 128;
const LIGHT_SECONDS: u32 = 5;
/// Time to write back what saturation has left, before light load is measured.
const REST: Duration = Duration::from_secs(2);

/// What is asked for at so many times of saturation: goodput against saturation.
const GOODPUT: [(u32, f64); 2] = [(2, 0.90), (10, 0.75)];
const REFUSED_MILLIS: f64 = 10.0;
/// At its highest, against saturation before there was an overload.
const MEMORY: f64 = 1.2;
/// When the p99 of light load is this much of what it was before, it is normal again.
const NORMAL: f64 = 1.1;
/// How long after the last arrival of an overload everything is as before, at most.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// The first proof of the books begins after a minute and stands back behind orders.
const PROVED_WITHIN: Duration = Duration::from_secs(240);

/// A shop that is asked for all it can do, and for no more.
struct Saturated {
    /// Orders a second.
    rate: u32,
    /// Memory at its highest, in KiB.
    peak: u64,
}

/// Saturates, overloads two- and tenfold, and looks at light load before and after.
pub fn overload(bench: &mut Bench) -> anyhow::Result<()> {
    let shop = bench.shop()?;
    let ask = loads::order(&shop.people);
    let usual = settled(bench, &shop, &ask)?;
    std::thread::sleep(REST);
    let before = light(bench, &shop, "before", usual.rate / 5, &ask)?;
    let unloaded = quantile(&before.total()?.good, 0.99);
    anyhow::ensure!(unloaded > 0, "no order was placed under light load");
    let mut ended = Instant::now();
    for (times, least) in GOODPUT {
        std::thread::sleep(REST);
        let name = format!("overload {times}x");
        let saturated = bench.load(&shop, &format!("order, saturating before {name}"), SATURATING, &ask)?;
        shop.server.forget_peak()?;
        let (seconds, rate) = (bench.seconds(), whole(saturated.per_second) * times);
        let open = Open { address: shop.server.public, rate, seconds, connections: MANY, ask: &ask }.run()?;
        tell(bench, &name, seconds, (saturated.per_second, least), &open)?;
        let target = Some(Target::AtMost(MEMORY));
        bench.report.fact(
            &format!("{name}, peak memory"),
            ratio(shop.server.memory()?.peak, usual.peak),
            "x",
            target,
        )?;
        ended = open.ended;
        let finished = finished_after(&shop, ended)?;
        let target = Some(Target::AtMost(BACK_WITHIN.as_secs_f64()));
        bench.report.fact(&format!("{name}, all orders finished after"), finished.as_secs_f64(), "s", target)?;
    }
    let after = light(bench, &shop, "after", usual.rate / 5, &ask)?;
    normal_again(bench, &after, ended, unloaded)?;
    bench.close(shop, "overload")
}

/// Saturates until the process has been through what it does rarely, the proof of its books; the round after that.
fn settled(bench: &Bench, shop: &Shop, ask: &Ask) -> anyhow::Result<Saturated> {
    let (closed, started) = (bench.closed(shop, SATURATING, ask), Instant::now());
    loop {
        let proved = bench.quick || shop.server.is_proved()?;
        let settled = proved || started.elapsed() > PROVED_WITHIN;
        shop.server.forget_peak()?;
        let rate = ratio(closed.run()?.good.len(), bench.measured.as_secs());
        let peak = shop.server.memory()?.peak;
        bench.report.say(&format!("  saturated: {rate:.0}/s, at most {} MiB", peak / 1024))?;
        if !proved && settled {
            bench.report.say("  the books were not proved meanwhile, which goes on beside what follows")?;
        }
        if settled {
            return Ok(Saturated { rate: whole(rate), peak });
        }
    }
}

/// A rate for an open loop.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of orders is small and positive")]
fn whole(rate: f64) -> u32 {
    (rate as u32).max(10)
}

/// How long after the end of an overload a second of light load is as it was before.
fn normal_again(bench: &mut Bench, after: &Opened, ended: Instant, unloaded: u64) -> anyhow::Result<()> {
    let slower = |tally: &Tally| ratio(quantile(&tally.good, 0.99), unloaded);
    for (second, tally) in after.seconds.iter().enumerate() {
        let name = format!("light load, second {} after overload, p99", second + 1);
        bench.report.fact(&name, slower(tally), "x", None)?;
    }
    let each = after.offered / u64::from(LIGHT_SECONDS);
    let normal = |tally: &Tally| tally.good.len() >= each && slower(tally) <= NORMAL;
    let first = after.seconds.iter().position(normal);
    let began = after.ended - Duration::from_secs(LIGHT_SECONDS.into());
    let second = |number: usize| began.saturating_duration_since(ended).as_secs_f64() + ratio(number as u64 + 1, 1);
    let target = Some(Target::AtMost(BACK_WITHIN.as_secs_f64()));
    bench.report.fact("normal again after", first.map_or(f64::INFINITY, second), "s", target)
}

/// How long it takes since then until no order is being placed any more.
fn finished_after(shop: &Shop, began: Instant) -> anyhow::Result<Duration> {
    let staff = shop.mint.staff()?;
    let mut request = Vec::new();
    write_get(&mut request, "/v1/admin/orders?status=pending&limit=1", Some(&staff));
    loop {
        let bodies = batch::seed(shop.server.public, std::slice::from_ref(&request), 1)?;
        let page: Value = serde_json::from_slice(bodies.first().map_or(&[], Vec::as_slice))?;
        if page["data"].as_array().is_some_and(Vec::is_empty) {
            return Ok(began.elapsed());
        }
        if began.elapsed() > 12 * BACK_WITHIN {
            anyhow::bail!("orders are still being placed {:?} after an overload", began.elapsed());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn light(bench: &mut Bench, shop: &Shop, when: &str, rate: u32, ask: &Ask) -> anyhow::Result<Opened> {
    let address = shop.server.public;
    let opened = Open { address, rate, seconds: LIGHT_SECONDS, connections: FEW, ask }.run()?;
    let total = opened.total()?;
    bench.report.say(&format!("light load {when}: {rate}/s, {}", outcome(&opened)?))?;
    let seconds: Vec<String> = opened.seconds.iter().map(|second| millis(quantile(&second.good, 0.99))).collect();
    bench.report.say(&format!("  p99 of each second: {} ms", seconds.join(", ")))?;
    bench.report.fact(&format!("light load {when} overload, p99"), in_millis(&total.good), "ms", None)?;
    Ok(opened)
}

fn tell(
    bench: &mut Bench,
    name: &str,
    seconds: u32,
    (saturated, least): (f64, f64),
    open: &Opened,
) -> anyhow::Result<()> {
    let total = open.total()?;
    bench.report.say(&format!("{name}: {}", outcome(open)?))?;
    let goodput = ratio(open.good_in_time, u64::from(seconds)) / saturated;
    bench.report.fact(&format!("{name}, goodput / saturated"), goodput, "", Some(Target::AtLeast(least)))?;
    bench.report.fact(&format!("{name}, good p99"), in_millis(&total.good), "ms", None)?;
    let target = Some(Target::AtMost(REFUSED_MILLIS));
    bench.report.fact(&format!("{name}, refused p99"), in_millis(&total.refused), "ms", target)?;
    let each: Vec<String> = open.seconds.iter().map(|second| millis(quantile(&second.refused, 0.99))).collect();
    bench.report.say(&format!("  p99 of each second's refusals: {} ms", each.join(", ")))?;
    bench.report.fact(&format!("{name}, refused"), ratio(total.refused.len(), open.offered), "", None)?;
    bench.report.fact(&format!("{name}, connections"), ratio(open.connections, 1), "", None)?;
    let unanswered = ratio(total.failed + open.unsent, 1);
    bench.report.fact(&format!("{name}, unanswered"), unanswered, "", Some(Target::AtMost(0.0)))
}

fn outcome(open: &Opened) -> anyhow::Result<String> {
    let total = open.total()?;
    let (offered, connections, statuses) = (open.offered, open.connections, &total.statuses);
    let (failed, unsent) = (total.failed, open.unsent);
    Ok(format!(
        "{offered} offered over {connections} connections, by status {statuses:?}, {failed} unanswered, {unsent} never sent"
    ))
}

fn in_millis(latencies: &Histogram<u64>) -> f64 {
    ratio(quantile(latencies, 0.99), 1_000)
}
