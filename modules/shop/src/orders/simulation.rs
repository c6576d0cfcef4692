//! Placing orders, simulated: the pure rules of saga, reservations, holds, backoff and outbox under a seeded scheduler
//! with a virtual clock.
//!
//! Two instances of the shop (handlers, recovery and staff), inventory and wallet commit in batches, crash and come
//! back; a commit may be lost, fail, be carried out twice, or be done without anybody being told. Messages are lost,
//! repeated, delayed and overtaken; clients ask again with the same key and cancel at any moment; sweepers run on
//! clocks that are apart. When the faults stop, every order must end and all books must agree.
//!
//! `SIMULATION_SEED=7 cargo test -p emporium-shop simulation` replays one schedule, and one that breaks a promise is
//! printed step by step; `LONG=1` runs a million schedules (three minutes with `--release`).

mod coordinator;
mod events;
mod mutant;
mod participants;
mod plan;
mod promises;
mod storage;
mod world;

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use events::Rare;
use mutant::Mutant;
use world::World;

/// Schedules in a run that nobody waits long for.
const SCHEDULES: u64 = 10_000;

/// What a broken promise is told with.
#[derive(Debug)]
struct Violation {
    seed: u64,
    what: String,
    trace: Vec<String>,
}

const PANICKED: &str = "panicked: ";

fn simulate(seed: u64, mutant: Option<Mutant>, traced: bool) -> Result<(), Box<Violation>> {
    let mut world: Option<World> = None;
    let ran = catch_panic(|| world.insert(World::new(seed, mutant, traced)).run());
    ran.map_err(|what| {
        let trace = world.as_mut().map(World::take_trace).unwrap_or_default();
        Box::new(Violation { seed, what, trace })
    })
}

/// A panic is a broken promise like any other, to be told with its seed.
fn catch_panic(run: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(format!("{PANICKED}{}", said(&*panic))))
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let formatted = panic.downcast_ref::<String>().map(String::as_str);
    formatted.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests chooses what they run")]
fn schedules() -> std::ops::Range<u64> {
    let chosen = std::env::var("SIMULATION_SEED").ok().and_then(|seed| seed.parse().ok());
    let all = if std::env::var_os("LONG").is_some() { 1_000_000 } else { SCHEDULES };
    chosen.map_or(0..all, |seed: u64| seed..seed + 1)
}

#[test]
fn every_schedule_keeps_every_promise() {
    for seed in schedules() {
        if let Err(violation) = simulate(seed, None, false) {
            let again = simulate(seed, None, true).expect_err("a seed replays exactly");
            panic!("SIMULATION_SEED={}: {}\n{}", violation.seed, violation.what, again.trace.join("\n"));
        }
    }
}

#[test]
fn a_seed_replays_exactly() {
    let traces = |seed| {
        let mut world = World::new(seed, None, true);
        world.run().expect("keeps its promises");
        world.take_trace()
    };
    assert_eq!(traces(3), traces(3));
    assert_ne!(traces(3), traces(4));
}

#[test]
fn a_panic_is_told_like_a_broken_promise() {
    assert_eq!(catch_panic(|| panic!("no such row")), Err("panicked: no such row".to_owned()));
    let row = 7;
    assert_eq!(catch_panic(|| panic!("no row {row}")), Err("panicked: no row 7".to_owned()));
    assert_eq!(catch_panic(|| Ok(())), Ok(()));
}

#[test]
fn the_schedules_go_everywhere() {
    use emporium_inventory_api::ReservationState as OfStock;
    use emporium_wallet_api::HoldState as OfMoney;
    let (mut points, mut stock, mut money) = (BTreeSet::new(), Vec::new(), Vec::new());
    let (mut reasons, mut met) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..1_000 {
        let mut world = World::new(seed, None, false);
        world.run().unwrap_or_else(|what| panic!("SIMULATION_SEED={seed}: {what}"));
        points.extend(world.tables.outbox.seen.iter().map(|told| told.2));
        stock.extend(world.inventory.rows.values().map(|row| row.state));
        money.extend(world.wallet.rows.values().map(|row| row.state));
        reasons.extend(world.orders.iter().filter_map(|row| row.reason.clone()));
        met.extend(world.met);
    }
    assert_eq!(Vec::from_iter(points), ["aborting", "cancelled", "committed", "created", "hold_repeated", "placed"]);
    use OfStock::{Committed, Refused, Released, Returned};
    for state in [Committed, Released, Returned, OfStock::Expired, Refused, OfStock::Tombstone] {
        assert!(stock.contains(&state), "{state:?}");
    }
    for state in [OfMoney::Captured, OfMoney::Voided, OfMoney::Expired, OfMoney::Refused, OfMoney::Tombstone] {
        assert!(money.contains(&state), "{state:?}");
    }
    let said = ["cancelled_by_customer", "insufficient_funds", "order_cancelled", "out_of_stock"];
    assert_eq!(Vec::from_iter(reasons), said);
    assert_eq!(Vec::from_iter(met), Rare::ALL);
}

#[test]
fn every_rule_that_is_taken_out_is_missed() {
    let mut table = Vec::new();
    for mutant in Mutant::ALL {
        let caught = (0..SCHEDULES).find_map(|seed| simulate(seed, Some(mutant), false).err());
        let violation = caught.unwrap_or_else(|| panic!("{mutant:?} was not caught in {SCHEDULES} schedules"));
        // A mutant that breaks the simulation itself proves nothing.
        assert!(!violation.what.starts_with(PANICKED), "{mutant:?}, seed {}: {}", violation.seed, violation.what);
        let row =
            format!("rule {} | {mutant:?} | {} schedules | {}", mutant.rule(), violation.seed + 1, violation.what);
        table.push(row);
    }
    println!("{}", table.join("\n"));
}
