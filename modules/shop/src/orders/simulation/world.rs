//! The world of one schedule: clock, network, chance and faults.

use std::collections::{BTreeMap, BTreeSet};

use emporium_kernel::{Outage, Random};

use super::coordinator::{Order, Run};
use super::events::{Answer, Event, Message, Rare, Side};
use super::mutant::Mutant;
use super::participants::{Inventory, PRICE, Wallet};
use super::storage::{Begun, ClientKey, Job, Tables};
use crate::orders::order::{OrderStatus, Step};

/// Which orders cost nothing.
pub(super) const FREE: [bool; 4] = [false, false, false, true];
/// Within this time, in milliseconds, faults begin.
pub(super) const FAULTS: u64 = 40_000;
/// Until then all orders are finished.
pub(super) const RECOVERING: u64 = FAULTS + 240_000;
/// A message may be repeated this much later.
const LATE: u64 = 3 * 60 * 60 * 1_000;
/// How long the shop has money held; other times let holds run out.
const DAY: u64 = 24 * 60 * 60 * 1_000;

/// What there was at the start, less what was spent elsewhere.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) on_hand: i64,
    pub(super) balance: [i64; 2],
}

/// What clients know.
#[derive(Debug, Default)]
pub(super) struct Clients {
    /// How they were told that orders ended.
    pub(super) told: Vec<(usize, OrderStatus)>,
    /// Cancels that were accepted.
    pub(super) cancels: BTreeSet<ClientKey>,
}

/// Everything.
pub(super) struct World {
    pub(super) now: u64,
    pub(super) mutant: Option<Mutant>,
    pub(super) orders: Vec<Order>,
    pub(super) tables: Tables,
    pub(super) runs: Vec<Option<Run>>,
    /// What each instance of the shop has begun and not committed.
    pub(super) begun: [Vec<Begun>; 2],
    pub(super) shop_down: [bool; 2],
    pub(super) inventory: Inventory,
    pub(super) wallet: Wallet,
    pub(super) clients: Clients,
    pub(super) started_with: Start,
    /// Whether holds last so much longer than reservations that whoever commits stock finds the money held.
    pub(super) holds_outlive: bool,
    /// How often each participant's sweeper comes by, in milliseconds.
    pub(super) sweeps_every: [u64; 2],
    pub(super) faults: bool,
    pub(super) met: BTreeSet<Rare>,
    down: [bool; 2],
    batches: [Vec<Message>; 2],
    /// What each participant has committed and not answered.
    unanswered: [Vec<(Message, Answer)>; 2],
    queue: BTreeMap<(u64, u64), Event>,
    seq: u64,
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
        let (reserved_for, held_for) = (pick([2_000, 20_000, 900_000]), pick([3_000, 30_000, DAY]));
        let holds_outlive = held_for == DAY;
        let ends_first = holds_outlive && mutant == Some(Mutant::HoldsEndFirst);
        let sweeps_every = [pick([1_000, 3_000, 10_000]), pick([1_000, 5_000, 20_000])];
        let skew = pick([0, 500, 5_000]);
        let mut world = Self {
            now: 10_000,
            mutant,
            orders: Vec::new(),
            tables: Tables::default(),
            runs: Vec::new(),
            begun: [Vec::new(), Vec::new()],
            shop_down: [false; 2],
            inventory: Inventory::new(started_with.on_hand, reserved_for),
            wallet: Wallet::new(balance, if ends_first { 1_000 } else { held_for }),
            clients: Clients::default(),
            started_with,
            holds_outlive,
            sweeps_every,
            faults: true,
            met: BTreeSet::new(),
            down: [false; 2],
            batches: [Vec::new(), Vec::new()],
            unanswered: [Vec::new(), Vec::new()],
            queue: BTreeMap::new(),
            seq: 0,
            skew,
            random,
            trace: traced.then(Vec::new),
        };
        world.plan();
        world
    }

    /// Lets everything happen; the first promise that is broken ends it.
    pub(super) fn run(&mut self) -> Result<(), String> {
        let mut asked = false;
        while let Some(((at, _), event)) = self.queue.pop_first() {
            self.now = self.now.max(at);
            self.note(|| format!("{event:?}"));
            let commits = event.commits();
            self.happens(event)?;
            if commits {
                self.check_always()?;
            }
            if !asked && self.now > RECOVERING {
                asked = true;
                self.check_all_finished()?;
            }
        }
        self.check_at_the_end()
    }

    fn happens(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Placed { order } => self.begin(self.any_node(), Job::Create { order }),
            Event::Cancelled { order, key } => self.begin(self.any_node(), Job::Cancel { order, key }),
            Event::Retried { order } => self.retried(order),
            Event::Spent { buyer } => self.spent(buyer),
            Event::Delivered(message) => self.delivered(message),
            Event::BatchCommitted(side) => self.batch_committed(side)?,
            Event::BatchAnswered(side) => self.batch_answered(side),
            Event::Answered { message, answer } => self.answered(&message, answer),
            Event::TimedOut { run, sent } => self.timed_out(run, sent),
            Event::ShopCommitted { node } => self.shop_committed(node)?,
            Event::Continues { run } => self.advance(run),
            Event::RecoveryTicked { node } => self.look_for_work(node),
            Event::ShopCrashed { node } => self.crash_shop(node)?,
            Event::ShopRestarted { node } => self.restart_shop(node),
            Event::Crashed(side) => self.crash(side)?,
            Event::Restarted(side) => self.down[side as usize] = false,
            Event::Swept(side) => self.sweep(side),
            Event::Pulled => self.tables.outbox.pull(self.mutant == Some(Mutant::NumbersFromIds)),
            Event::FaultsEnded => self.end_faults(),
        }
        Ok(())
    }

    fn spent(&mut self, buyer: usize) {
        if self.wallet.balance[buyer] - self.wallet.held[buyer] >= PRICE {
            self.wallet.balance[buyer] -= PRICE;
            self.started_with.balance[buyer] -= PRICE;
        }
    }

    fn delivered(&mut self, message: Message) {
        let side = message.side();
        if self.down[side as usize] {
            return;
        }
        self.batches[side as usize].push(message);
        if self.batches[side as usize].len() == 1 {
            self.after(self.commit_delay(), Event::BatchCommitted(side));
        }
    }

    fn batch_committed(&mut self, side: Side) -> Result<(), String> {
        let full = self.faults && self.below(50) == 0;
        for message in std::mem::take(&mut self.batches[side as usize]) {
            let answer = if full { Err(Outage::StorageFull.into()) } else { self.carry_out(&message)? };
            self.unanswered[side as usize].push((message, answer));
        }
        self.after(self.commit_delay(), Event::BatchAnswered(side));
        Ok(())
    }

    fn batch_answered(&mut self, side: Side) {
        for (message, answer) in std::mem::take(&mut self.unanswered[side as usize]) {
            self.travel(Event::Answered { message, answer });
        }
    }

    /// An instance that believes itself alone takes over every unfinished order at once, whoever drives it.
    fn restart_shop(&mut self, node: usize) {
        self.shop_down[node] = false;
        if self.below(2) == 0 {
            self.orders.iter_mut().filter(|row| row.step != Step::Done).for_each(|row| row.lease_until = 0);
        }
    }

    /// A participant is killed: its batch is lost, or it was committed; what it has not answered it never will.
    fn crash(&mut self, side: Side) -> Result<(), String> {
        let batch = std::mem::take(&mut self.batches[side as usize]);
        let unanswered = std::mem::take(&mut self.unanswered[side as usize]);
        self.down[side as usize] = true;
        if !unanswered.is_empty() {
            self.met.insert(Rare::AnswersLost);
        }
        if self.below(2) == 0 {
            for message in batch {
                self.carry_out(&message).map(drop)?;
            }
        }
        Ok(())
    }

    fn sweep(&mut self, side: Side) {
        let now = self.skewed_now();
        match side {
            _ if self.down[side as usize] => {}
            Side::Inventory => self.inventory.sweep(now),
            Side::Wallet => self.wallet.sweep(now),
        }
    }

    fn end_faults(&mut self) {
        self.faults = false;
        self.shop_down = [false; 2];
        self.down = [false; 2];
    }

    /// Sends a message through the network. While there are faults it may be lost or late, and a copy may come as well:
    /// mostly while its order still runs, now and then long after.
    pub(super) fn travel(&mut self, event: Event) {
        let fate = if self.faults { self.below(100) } else { 100 };
        if self.faults && self.below(8) == 0 {
            let later = match self.below(8) {
                0 => self.below(LATE),
                1..4 => self.below(20_000),
                _ => self.below(400),
            };
            self.after(later, event.clone());
        }
        match fate {
            0..8 => {}
            8..16 => self.after(self.below(12_000), event),
            _ => self.after(self.short_delay(), event),
        }
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

    /// A message on a good day.
    pub(super) fn short_delay(&self) -> u64 {
        1 + self.below(25)
    }

    /// A commit; now and then the disk is slow.
    pub(super) fn commit_delay(&self) -> u64 {
        let slow = self.faults && self.below(8) == 0;
        if slow { self.below(400) } else { self.short_delay() }
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
