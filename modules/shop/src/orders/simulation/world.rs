//! The world of one schedule: clock, network, chance and faults.

use std::collections::BTreeMap;

use emporium_kernel::Random;

use super::coordinator::{LEASE, Order, Run};
use super::events::{Event, Message, Outbox, Side};
use super::mutant::Mutant;
use super::participants::{Inventory, PRICE, Wallet};
use crate::orders::order::{OrderStatus, PaymentStatus, Step};

/// Which orders cost nothing.
pub(super) const FREE: [bool; 4] = [false, false, false, true];
/// Within this time, in milliseconds, faults happen.
const FAULTS: u64 = 40_000;
/// Until then all orders are finished.
const RECOVERING: u64 = FAULTS + 240_000;
/// A message may be repeated this much later.
const LATE: u64 = 3 * 60 * 60 * 1_000;

/// What there was at the start.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) on_hand: i64,
    pub(super) balance: [i64; 2],
}

/// Everything.
pub(super) struct World {
    pub(super) now: u64,
    pub(super) mutant: Option<Mutant>,
    pub(super) orders: Vec<Order>,
    pub(super) runs: Vec<Option<Run>>,
    pub(super) inventory: Inventory,
    pub(super) wallet: Wallet,
    pub(super) outbox: Outbox,
    pub(super) shop_down: [bool; 2],
    /// What clients were told of their orders.
    pub(super) told_clients: Vec<(usize, OrderStatus)>,
    pub(super) started_with: Start,
    down: [bool; 2],
    batches: [Vec<Message>; 2],
    queue: BTreeMap<(u64, u64), Event>,
    seq: u64,
    faults: bool,
    /// How far the clocks of a participant's instances are apart, in milliseconds.
    skew: u64,
    random: Random,
    trace: Option<Vec<String>>,
}

impl World {
    pub(super) fn new(seed: u64, mutant: Option<Mutant>, traced: bool) -> Self {
        let random = Random::seeded(seed);
        let pick = |choices: [u64; 3]| choices[usize::try_from(random.below(3)).unwrap_or(0)];
        let pieces = || i64::try_from(random.below(3)).unwrap_or(0);
        let balance = [PRICE * pieces(), PRICE * (1 + pieces())];
        let started_with = Start { on_hand: 1 + pieces(), balance };
        let inventory = Inventory {
            on_hand: started_with.on_hand,
            reserved: 0,
            rows: BTreeMap::new(),
            ttl: pick([2_000, 20_000, 900_000]),
        };
        let wallet = Wallet { balance, held: [0, 0], rows: BTreeMap::new(), ttl: pick([3_000, 30_000, 86_400_000]) };
        let skew = pick([0, 500, 5_000]);
        let mut world = Self {
            now: 10_000,
            mutant,
            orders: Vec::new(),
            runs: Vec::new(),
            inventory,
            wallet,
            outbox: Outbox::default(),
            shop_down: [false; 2],
            told_clients: Vec::new(),
            started_with,
            down: [false; 2],
            batches: [Vec::new(), Vec::new()],
            queue: BTreeMap::new(),
            seq: 0,
            faults: true,
            skew,
            random,
            trace: traced.then(Vec::new),
        };
        world.plan();
        world
    }

    /// Who asks for what, and what goes wrong, when.
    fn plan(&mut self) {
        let unplaced = Order {
            step: Step::Pending,
            status: OrderStatus::Pending,
            payment: PaymentStatus::None,
            attempt: 1,
            version: 0,
            lease_until: 0,
            tries: 0,
        };
        for order in 0..usize::try_from(2 + self.below(3)).unwrap_or(2) {
            self.orders.push(unplaced.clone());
            let at = self.below(FAULTS / 2);
            self.after(at, Event::Placed { order });
            if self.below(3) == 0 {
                let soon = self.below(if self.below(2) == 0 { 200 } else { 20_000 });
                self.after(at + soon, Event::Cancelled { order });
            }
        }
        for _ in 0..self.below(4) {
            let (at, back) = (self.below(FAULTS), 1 + self.below(8_000));
            let node = usize::try_from(self.below(2)).unwrap_or(0);
            let (crash, restart) = match self.below(4) {
                0 => (Event::Crashed(Side::Inventory), Event::Restarted(Side::Inventory)),
                1 => (Event::Crashed(Side::Wallet), Event::Restarted(Side::Wallet)),
                _ => (Event::ShopCrashed { node }, Event::ShopRestarted { node }),
            };
            self.after(at, crash);
            self.after(at + back, restart);
        }
        self.after(FAULTS + 10_000, Event::FaultsEnded);
        self.plan_ticks();
    }

    /// Ticks every second while there are faults, rarer while orders recover, and ever rarer until all times are over.
    fn plan_ticks(&mut self) {
        let mut at = 0;
        while at < 30 * 60 * 60 * 1_000 {
            for node in 0..2 {
                self.after(at + self.below(250), Event::RecoveryTicked { node });
            }
            self.after(at + self.below(250), Event::Swept(Side::Inventory));
            self.after(at + self.below(250), Event::Swept(Side::Wallet));
            let pulls = if at < FAULTS { 8 } else { 1 };
            for part in 0..pulls {
                self.after(at + 125 * part + self.below(100), Event::Pulled);
            }
            at += if at < FAULTS {
                1_000
            } else if at < RECOVERING {
                5_000
            } else {
                at / 4
            };
        }
    }

    /// Lets everything happen; the first promise that is broken ends it.
    pub(super) fn run(&mut self) -> Result<(), String> {
        let mut asked = false;
        while let Some(((at, _), event)) = self.queue.pop_first() {
            self.now = self.now.max(at);
            self.note(|| format!("{event:?}"));
            self.happens(event)?;
            self.check_always()?;
            if !asked && self.now > RECOVERING {
                asked = true;
                self.check_all_finished()?;
            }
        }
        self.check_at_the_end()
    }

    fn happens(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Placed { order } => self.placed(order),
            Event::Cancelled { order } => self.cancelled(order)?,
            Event::Delivered(message) => self.delivered(message),
            Event::BatchCommitted(side) => self.batch_committed(side),
            Event::Answered { message, answer } => self.answered(&message, answer),
            Event::TimedOut { run, sent } => self.timed_out(run, sent),
            Event::Recorded { run, transition, seq } => self.recorded(run, &transition, seq)?,
            Event::Continues { run } => self.advance(run),
            Event::Deferred { order, until, raise_attempt } => self.deferred(order, until, raise_attempt),
            Event::RecoveryTicked { node } => self.look_for_work(node),
            Event::Claimed { node, order, seen } => self.claimed(node, order, seen),
            Event::ShopCrashed { node } => self.crash_shop(node),
            Event::ShopRestarted { node } => self.restart_shop(node),
            Event::Crashed(side) => self.crash(side),
            Event::Restarted(side) => self.down[side as usize] = false,
            Event::Swept(side) if !self.down[side as usize] => self.sweep(side),
            Event::Swept(_) => {}
            Event::Pulled => self.outbox.pull(self.mutant == Some(Mutant::NumbersFromIds)),
            Event::Told { node, told, seq } if !self.shop_down[node] => self.outbox.put(seq, told),
            Event::Told { .. } => {}
            Event::FaultsEnded => self.end_faults(),
        }
        Ok(())
    }

    /// The order is stored as pending and driven.
    fn placed(&mut self, order: usize) {
        let node = self.any_node();
        if self.shop_down[node] {
            return;
        }
        let row = &mut self.orders[order];
        (row.version, row.lease_until) = (1, self.now + LEASE);
        let seq = self.next_seq();
        self.outbox.put(seq, (order, 1, "created"));
        self.begin_run(node, order);
    }

    fn delivered(&mut self, message: Message) {
        let side = message.side();
        if self.down[side as usize] {
            return;
        }
        self.batches[side as usize].push(message);
        if self.batches[side as usize].len() == 1 {
            let delay = self.short_delay();
            self.after(delay, Event::BatchCommitted(side));
        }
    }

    fn batch_committed(&mut self, side: Side) {
        for message in std::mem::take(&mut self.batches[side as usize]) {
            let now = self.skewed_now();
            let answer = self.carry_out(&message, now);
            self.note(|| format!("  {:?} of {:?}: {answer:?}", message.command, message.key));
            self.travel(Event::Answered { message, answer });
        }
    }

    fn deferred(&mut self, order: usize, until: u64, raise_attempt: bool) {
        let row = &mut self.orders[order];
        if row.step != Step::Done {
            row.lease_until = until;
            row.attempt += i32::from(raise_attempt);
        }
    }

    fn crash_shop(&mut self, node: usize) {
        self.shop_down[node] = true;
        self.runs.iter_mut().for_each(|run| *run = run.take().filter(|run| run.node != node));
    }

    /// An instance that believes itself alone takes over every unfinished order at once, whoever drives it.
    fn restart_shop(&mut self, node: usize) {
        self.shop_down[node] = false;
        if self.below(2) == 0 {
            self.orders.iter_mut().filter(|row| row.step != Step::Done).for_each(|row| row.lease_until = 0);
        }
    }

    fn crash(&mut self, side: Side) {
        self.down[side as usize] = true;
        self.batches[side as usize].clear();
        self.queue.retain(|_, event| !matches!(event, Event::BatchCommitted(other) if *other == side));
    }

    fn end_faults(&mut self) {
        self.faults = false;
        self.shop_down = [false; 2];
        self.down = [false; 2];
    }

    /// Sends a message through the network: lost, late or repeated while there are faults.
    pub(super) fn travel(&mut self, event: Event) {
        let fate = if self.faults { self.below(100) } else { 100 };
        if fate < 12 {
            let late = self.below(LATE);
            self.after(late, event.clone());
        }
        if (8..16).contains(&fate) {
            return;
        }
        let delay = if fate < 24 { self.below(12_000) } else { self.short_delay() };
        self.after(delay, event);
    }

    pub(super) fn after(&mut self, delay: u64, event: Event) {
        let seq = self.next_seq();
        self.queue.insert((self.now + delay, seq), event);
    }

    pub(super) fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    pub(super) fn below(&self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// A commit, or a message on a good day.
    pub(super) fn short_delay(&self) -> u64 {
        1 + self.below(25)
    }

    pub(super) fn any_node(&self) -> usize {
        usize::try_from(self.below(2)).unwrap_or(0)
    }

    /// What the clock of one of a participant's instances shows.
    pub(super) fn skewed_now(&self) -> u64 {
        self.now + self.below(self.skew + 1)
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:>10} {}", line()));
        }
    }

    pub(super) fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }
}
