//! More orders than the shop can place: what it still places, how fast it refuses the rest, and how it recovers.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::bench::{Bench, ratio};
use crate::loads::{self, Ask};
use crate::open::{Open, Opened};
use crate::report::millis;
use crate::shop::Shop;
use crate::tally::quantile;

const SATURATING: usize = 64;
/// Connections of an open loop that asks for too much.
const MANY: u32 = 2_000;
/// Connections of an open loop that does not.
const FEW: u32 = 128;
const LIGHT_SECONDS: u32 = 5;
/// Time to write back what saturation has left, before light load is measured.
const REST: Duration = Duration::from_secs(2);

/// Saturates, overloads two- and tenfold, and looks at light load before and after.
pub fn overload(bench: &mut Bench) -> anyhow::Result<()> {
    let shop = bench.shop()?;
    let ask = loads::order(&shop.people);
    let saturated = bench.load(&shop, "order, saturating", SATURATING, &ask)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate of orders is small and positive"
    )]
    let most = (saturated.per_second as u32).max(10);
    std::thread::sleep(REST);
    let before = light(bench, &shop, "before", most / 5, &ask)?;
    let peak = shop.server.memory()?.peak;
    let seconds = u32::try_from(bench.measured.as_secs()).unwrap_or(1).max(1);
    for times in [2, 10] {
        let open =
            Open { address: shop.server.public, rate: most * times, seconds, connections: MANY, ask: &ask }.run()?;
        tell(bench, times, seconds, saturated.per_second, &open)?;
        let after = shop.server.memory()?.peak;
        bench.report.fact(&format!("overload {times}x, peak memory"), ratio(after, peak), "x", None)?;
    }
    let after = light(bench, &shop, "after", most / 5, &ask)?;
    let unloaded = quantile(&before.total()?.good, 0.99);
    for (second, tally) in after.seconds.iter().enumerate() {
        let slower = ratio(quantile(&tally.good, 0.99), unloaded);
        bench.report.fact(&format!("light load, second {} after overload, p99", second + 1), slower, "x", None)?;
    }
    bench.close(shop, "overload")
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

fn tell(bench: &mut Bench, times: u32, seconds: u32, saturated: f64, open: &Opened) -> anyhow::Result<()> {
    let total = open.total()?;
    let name = format!("overload {times}x");
    bench.report.say(&format!("{name}: {}", outcome(open)?))?;
    let goodput = ratio(open.good_in_time, u64::from(seconds)) / saturated;
    bench.report.fact(&format!("{name}, goodput / saturated"), goodput, "", None)?;
    bench.report.fact(&format!("{name}, good p99"), in_millis(&total.good), "ms", None)?;
    bench.report.fact(&format!("{name}, refused p99"), in_millis(&total.refused), "ms", None)?;
    bench.report.fact(&format!("{name}, refused"), ratio(total.refused.len(), open.offered), "", None)
}

fn outcome(open: &Opened) -> anyhow::Result<String> {
    let total = open.total()?;
    let (offered, statuses, failed, unsent) = (open.offered, &total.statuses, total.failed, open.unsent);
    Ok(format!("{offered} offered, by status {statuses:?}, {failed} unanswered, {unsent} never sent"))
}

fn in_millis(latencies: &Histogram<u64>) -> f64 {
    ratio(quantile(latencies, 0.99), 1_000)
}
