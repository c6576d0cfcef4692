//! Logins: how many, what they do to everybody else, and whether their time tells who has an account.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::client::Client;
use crate::closed::Closed;
use crate::loads;
use crate::report::Target::AtMost;
use crate::request::post;
use crate::shop::{REGISTERED, Shop, email};

/// More logins at once would be told to come back.
const AT_ONCE: usize = 8;
/// Logins a second that arrive whether or not earlier ones were answered.
const RATE: u32 = 40;
/// People who log in at the same moment.
const CROWD: usize = 200;
/// Connections that read as fast as they can.
const READERS: usize = 64;
/// After which time those come back who are told to: `Retry-After` of a busy shop.
const TOLD: Duration = Duration::from_secs(1);
/// Reads a second while they do.
const READS: u32 = 2_000;

/// Logins, each of which hashes a password.
pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let shop = bench.shop()?;
    bench.load(&shop, "login", AT_ONCE, &loads::login())?;
    bench.steady(&shop, "login", RATE, &loads::login())?;
    beside_a_crowd(bench, &shop)?;
    beside_readers(bench, &shop)?;
    told_by_time(bench, &shop)?;
    shop.server.stop()
}

/// How long everybody else waits while two hundred log in: those who come back when they are told to, and those who ask
/// again at once.
fn beside_a_crowd(bench: &mut Bench, shop: &Shop) -> anyhow::Result<()> {
    let alone = bench.steady(shop, "read one product", READS, &loads::one_product())?;
    let p99 = |micros: u64| f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1_000.0;
    let alone = p99(alone.latency.p99);
    bench.report.fact("read p99 alone", alone, "ms", None)?;
    for (name, comes_back, target) in
        [("200 logins", TOLD, Some(AtMost(2.0))), ("200 logins without pause", Duration::ZERO, None)]
    {
        let (address, measured) = (shop.server.public, bench.measured);
        let crowd = std::thread::spawn(move || {
            let (ask, measured) = (loads::login(), measured + Duration::from_secs(1));
            Closed { address, connections: CROWD, measured, comes_back, ask: &ask }.run()
        });
        let beside = bench.steady(shop, &format!("read beside {name}"), READS, &loads::one_product())?;
        let logins = crowd.join().map_err(|_| anyhow::anyhow!("the crowd panicked"))??;
        let (good, refused) = (logins.good.len(), logins.refused.len());
        bench.report.say(&format!("  ({good} logins succeeded meanwhile, {refused} were told to come back)"))?;
        bench.report.fact(&format!("read p99 beside {name}"), p99(beside.latency.p99), "ms", None)?;
        bench.report.fact(&format!("read p99 beside {name} / alone"), p99(beside.latency.p99) / alone, "", target)?;
    }
    Ok(())
}

/// How many get in while readers take all the time there is.
fn beside_readers(bench: &mut Bench, shop: &Shop) -> anyhow::Result<()> {
    let (address, measured) = (shop.server.public, bench.measured);
    let readers = std::thread::spawn(move || {
        let (ask, measured) = (loads::one_product(), measured + Duration::from_secs(1));
        Closed { address, connections: READERS, measured, comes_back: Duration::ZERO, ask: &ask }.run()
    });
    bench.load(shop, "login beside saturating reads", AT_ONCE, &loads::login())?;
    let reads = readers.join().map_err(|_| anyhow::anyhow!("the readers panicked"))??;
    bench.report.say(&format!("  ({} reads meanwhile)", reads.good.len()))
}

/// The medians of what is answered for addresses that have an account and for those that have none, asked in turns.
fn told_by_time(bench: &mut Bench, shop: &Shop) -> anyhow::Result<()> {
    told_by(
        bench,
        shop,
        "wrong login",
        "/v1/auth/login",
        |email| json!({"email": email, "password": "not the one at all"}),
    )?;
    told_by(bench, shop, "forgot", "/v1/auth/password/forgot", |email| json!({"email": email}))
}

fn told_by(
    bench: &mut Bench,
    shop: &Shop,
    name: &str,
    path: &str,
    body: impl Fn(String) -> Value,
) -> anyhow::Result<()> {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut client = Client::of(shop.server.public);
    for number in 0..REGISTERED {
        for (times, address) in [(&mut known, email(number)), (&mut unknown, format!("nobody-{number}@example.com"))] {
            let request = post(path, None, &body(address));
            let began = Instant::now();
            runtime.block_on(client.ask(&request))?;
            times.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    let (known, unknown) = (median(known), median(unknown));
    bench.report.fact(&format!("{name}, known address, median"), known, "ms", None)?;
    bench.report.fact(&format!("{name}, unknown address, median"), unknown, "ms", None)?;
    bench.report.fact(&format!("{name}, known / unknown"), known / unknown, "", Some(AtMost(1.05)))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}
