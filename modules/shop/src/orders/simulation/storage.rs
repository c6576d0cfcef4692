//! The shop's database: what its instances commit in batches that may be lost, fail, be unknown, or come twice.

use std::collections::{BTreeMap, BTreeSet};

use super::coordinator::Order;
use super::events::{Event, Outbox, Rare, RunId, Told};
use super::mutant::Mutant;
use super::world::World;
use crate::orders::order::Step;
use crate::orders::saga::{Cause, Point, Transition};

/// How long an order is left to who drives it.
const LEASE: u64 = 30_000;
/// Why an order ends that its buyer cancelled.
pub(super) const CANCELLED: &str = "cancelled_by_customer";

/// A key of a client: the order that it is for, and 0 for placing it or the number of a cancel.
pub(super) type ClientKey = (usize, u64);

/// A transaction of the shop.
#[derive(Debug)]
pub(super) enum Job {
    /// Stores an order as pending, with its key.
    Create { order: usize },
    /// Takes a pending order to aborting for a client.
    Cancel { order: usize, key: u64 },
    /// Takes a durable point.
    Record { run: RunId, order: usize, seen: Order, transition: Box<Transition> },
    /// Puts an order off, unless another has taken it over.
    Defer { order: usize, seen: u64, until: u64, raise_attempt: bool },
    /// Takes an order over whose lease ran out.
    Claim { order: usize, seen: u64 },
    /// Writes a row apart from its cause.
    Beside(Beside),
}

/// A row that belongs into the transaction of its cause.
#[derive(Clone, Copy, Debug)]
pub(super) enum Beside {
    Key(ClientKey),
    Happened(Told),
    Told(Told),
}

/// A transaction as an instance began it.
#[derive(Debug)]
pub(super) struct Begun {
    /// Rises as transactions begin, not as they commit; the id of its rows.
    seq: u64,
    at: u64,
    job: Job,
}

/// The tables of the shop beside the orders themselves.
#[derive(Debug, Default)]
pub(super) struct Tables {
    keys: BTreeSet<ClientKey>,
    /// Transactions that were carried out and would not be repeatable by themselves.
    applied: BTreeSet<u64>,
    pub(super) history: BTreeMap<(usize, i64), &'static str>,
    pub(super) outbox: Outbox,
}

/// What becomes of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Done,
    /// The storage is full or busy: nothing was done, and everybody is told so.
    Failed,
    /// It was done, and everybody is told that nobody knows.
    Unknown,
    /// It was done, nobody knew, and everything was carried out once more.
    Again,
}

impl World {
    /// Begins a transaction, which an instance commits with whatever else has queued by then.
    pub(super) fn begin(&mut self, node: usize, job: Job) {
        if self.shop_down[node] {
            return;
        }
        let (seq, at) = (self.next_seq(), self.now);
        self.begun[node].push(Begun { seq, at, job });
        if self.begun[node].len() == 1 {
            self.after(self.commit_delay(), Event::ShopCommitted { node });
        }
    }

    pub(super) fn shop_committed(&mut self, node: usize) -> Result<(), String> {
        let batch = std::mem::take(&mut self.begun[node]);
        if batch.is_empty() {
            return Ok(());
        }
        let fate = self.fate();
        self.note(|| format!("  shop {node} commits {} of its transactions: {fate:?}", batch.len()));
        let mut rows = if fate == Fate::Failed { vec![None; batch.len()] } else { self.execute(node, &batch)? };
        if fate == Fate::Again {
            rows = self.execute(node, &batch)?;
        }
        let told = fate == Fate::Done || fate == Fate::Again;
        for (begun, row) in batch.into_iter().zip(rows) {
            match (begun.job, row) {
                (Job::Record { run, .. }, Some(row)) if told => self.recorded(run, row),
                (Job::Record { run, .. }, _) => self.give_up(run, false),
                (Job::Create { order } | Job::Cancel { order, .. } | Job::Claim { order, .. }, Some(row)) if told => {
                    self.begin_run(node, order, row);
                }
                _ => {}
            }
        }
        // A consumer may wait for exactly this.
        if self.below(2) == 0 {
            self.after(self.short_delay(), Event::Pulled);
        }
        Ok(())
    }

    fn fate(&mut self) -> Fate {
        let chance = if self.faults { self.below(100) } else { 100 };
        let (fate, rare) = match chance {
            0..4 => (Fate::Failed, Rare::CommitFailed),
            4..7 => (Fate::Unknown, Rare::CommitUnknown),
            7..10 => (Fate::Again, Rare::CommitRepeated),
            _ => return Fate::Done,
        };
        self.met.insert(rare);
        fate
    }

    /// Carries out all of a batch. For each, the order as it stands then, when whoever asked is to go on with it.
    fn execute(&mut self, node: usize, batch: &[Begun]) -> Result<Vec<Option<Order>>, String> {
        batch.iter().map(|begun| self.execute_one(node, begun)).collect()
    }

    fn execute_one(&mut self, node: usize, begun: &Begun) -> Result<Option<Order>, String> {
        match &begun.job {
            Job::Create { order } => return self.create(node, begun, *order),
            Job::Cancel { order, key } => return self.cancel(node, begun, *order, *key),
            Job::Claim { order, seen } => return Ok(self.claim(begun, *order, *seen)),
            Job::Record { order, seen, transition, .. } => {
                if self.orders[*order].version == seen.version || self.mutant == Some(Mutant::NoVersionCheck) {
                    self.take_point(node, begun, *order, seen, transition)?;
                }
                return Ok(Some(self.orders[*order].clone()));
            }
            Job::Defer { order, seen, until, raise_attempt } => self.defer(*order, *seen, *until, *raise_attempt),
            Job::Beside(row) => self.store(begun.seq, *row),
        }
        Ok(None)
    }

    /// An instance is killed: its batch is lost, or it was committed and nobody was told.
    pub(super) fn crash_shop(&mut self, node: usize) -> Result<(), String> {
        let batch = std::mem::take(&mut self.begun[node]);
        self.shop_down[node] = true;
        self.runs.iter_mut().for_each(|run| *run = run.take().filter(|run| run.node != node));
        let committed = self.below(2) == 0;
        if !batch.is_empty() {
            self.note(|| format!("  shop {node} leaves {} transactions, committed: {committed}", batch.len()));
            self.met.insert(if committed { Rare::CrashAfterCommit } else { Rare::CrashBeforeCommit });
        }
        if committed { self.execute(node, &batch).map(drop) } else { Ok(()) }
    }

    fn create(&mut self, node: usize, begun: &Begun, order: usize) -> Result<Option<Order>, String> {
        if self.tables.applied.contains(&begun.seq) {
            return Ok(Some(self.orders[order].clone()));
        }
        if self.came_before((order, 0), Rare::RequestRepeated) {
            return Ok(None);
        }
        let row = &mut self.orders[order];
        if row.version > 0 {
            return Err(format!("order {order} was placed twice with one key"));
        }
        (row.version, row.lease_until) = (1, begun.at + LEASE);
        self.tables.applied.insert(begun.seq);
        self.write(node, begun.seq, Beside::Key((order, 0)));
        self.tell(node, begun, (order, 1, "created"));
        Ok(Some(self.orders[order].clone()))
    }

    /// From `pending` only.
    fn cancel(&mut self, node: usize, begun: &Begun, order: usize, key: u64) -> Result<Option<Order>, String> {
        let row = self.orders[order].clone();
        if self.tables.applied.contains(&begun.seq) {
            return Ok(Some(row));
        }
        if row.version == 0 || self.came_before((order, key), Rare::CancelRepeated) {
            return Ok(None);
        }
        let late = self.mutant == Some(Mutant::CancelAfterCommitted) && row.step == Step::Committed;
        if row.step != Step::Pending && !late {
            self.met.insert(Rare::CancelRefused);
            if self.clients.cancels.contains(&(order, key)) {
                return Err(format!("cancel {key} of order {order} was accepted and then refused"));
            }
            return Ok(None);
        }
        self.tables.applied.insert(begun.seq);
        self.write(node, begun.seq, Beside::Key((order, key)));
        let cause = Cause { reason: CANCELLED.to_owned(), refusal: None };
        self.take_point(node, begun, order, &row, &Transition::Abort(cause))?;
        self.clients.cancels.insert((order, key));
        Ok(Some(self.orders[order].clone()))
    }

    /// Whether a request came before; then it is answered from the order, and nothing goes on.
    fn came_before(&mut self, key: ClientKey, rare: Rare) -> bool {
        let before = self.tables.keys.contains(&key);
        if before {
            self.met.insert(rare);
            let row = &self.orders[key.0];
            let (finished, told) = (row.step == Step::Done, (key.0, row.status));
            self.clients.told.extend(finished.then_some(told));
        }
        before
    }

    fn claim(&mut self, begun: &Begun, order: usize, seen: u64) -> Option<Order> {
        let row = &mut self.orders[order];
        if !self.tables.applied.contains(&begun.seq) {
            if row.lease_until != seen {
                return None;
            }
            self.tables.applied.insert(begun.seq);
            row.lease_until = begun.at + LEASE;
            row.tries += 1;
        }
        Some(row.clone())
    }

    fn defer(&mut self, order: usize, seen: u64, until: u64, raise_attempt: bool) {
        let row = &mut self.orders[order];
        if row.lease_until != seen {
            self.met.insert(Rare::TakenOver);
        } else if row.step != Step::Done {
            row.lease_until = until;
            row.attempt += i32::from(raise_attempt);
        }
    }

    /// Takes a durable point, with its history and outbox rows.
    fn take_point(
        &mut self,
        node: usize,
        begun: &Begun,
        order: usize,
        seen: &Order,
        transition: &Transition,
    ) -> Result<(), String> {
        let point = Point::of(transition.clone(), seen.payment, seen.attempt);
        let row = &mut self.orders[order];
        if row.step == Step::Done {
            return Err(format!("order {order} was finished as {:?} and became {}", row.status, point.kind));
        }
        (row.step, row.status, row.payment, row.attempt) =
            (point.step, point.status, point.payment, point.hold_attempt);
        (row.version, row.lease_until) = (row.version + 1, begun.at + LEASE);
        if let Some(cause) = point.cause.filter(|_| self.mutant != Some(Mutant::ReasonLost)) {
            row.reason = Some(cause.reason);
        }
        let told = (order, row.version, point.kind);
        self.tell(node, begun, told);
        Ok(())
    }

    /// The rows get their ids when they are written: after those of a transaction on the same order, for which this one
    /// had to wait.
    fn tell(&mut self, node: usize, begun: &Begun, told: Told) {
        let waited = begun.seq < self.orders[told.0].last_told;
        let seq = if waited { self.next_seq() } else { begun.seq };
        self.orders[told.0].last_told = seq;
        self.write(node, seq, Beside::Happened(told));
        self.write(node, seq, Beside::Told(told));
    }

    /// Writes a row in the transaction of its cause, but for the mutants that begin another one for it.
    fn write(&mut self, node: usize, seq: u64, row: Beside) {
        let apart = match row {
            Beside::Key(_) => Mutant::KeyApart,
            Beside::Happened(_) => Mutant::HistoryApart,
            Beside::Told(_) => Mutant::OutboxApart,
        };
        if self.mutant == Some(apart) {
            self.begin(node, Job::Beside(row));
        } else {
            self.store(seq, row);
        }
    }

    fn store(&mut self, seq: u64, row: Beside) {
        match row {
            Beside::Key(key) => {
                self.tables.keys.insert(key);
            }
            Beside::Happened((order, version, kind)) => {
                self.tables.history.insert((order, version), kind);
            }
            Beside::Told(told) => self.tables.outbox.put(seq, told),
        }
    }
}
