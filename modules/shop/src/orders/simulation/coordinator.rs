//! Runs of the saga on the instances of the shop: handlers, cancels and recovery.

use emporium_inventory_api::lifecycle::Request as OfStock;
use emporium_wallet_api::lifecycle::Request as OfMoney;

use super::events::{Event, Message, RunId, Side};
use super::mutant::Mutant;
use super::participants::Answer;
use super::world::{FREE, World};
use crate::orders::order::{OrderStatus, PaymentStatus, Step};
use crate::orders::recovery::backoff;
use crate::orders::saga::{Cause, Command, Move, Point, Saga, Transition};

/// How long a run waits for an answer.
const PATIENCE: u64 = 5_000;
/// How long an order is left to who drives it.
pub(super) const LEASE: u64 = 30_000;

/// An order as the shop stores it.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) step: Step,
    pub(super) status: OrderStatus,
    pub(super) payment: PaymentStatus,
    pub(super) attempt: i32,
    pub(super) version: i64,
    pub(super) lease_until: u64,
    pub(super) tries: i32,
}

/// One run of an order's saga in the memory of an instance.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) node: usize,
    pub(super) order: usize,
    pub(super) row: Order,
    saga: Saga,
    waits_for: Option<u64>,
}

fn cause() -> Cause {
    Cause { reason: "refused".to_owned(), refusal: None }
}

impl World {
    pub(super) fn begin_run(&mut self, node: usize, order: usize) {
        let row = self.orders[order].clone();
        let saga = Saga::new(row.step, row.attempt, FREE[order]);
        self.runs.push(Some(Run { node, order, row, saga, waits_for: None }));
        self.advance(self.runs.len() - 1);
    }

    /// The saga's next move, but for the mutants that move differently.
    fn next_move(&self, run: &Run) -> Move {
        let next = run.saga.next();
        match (self.mutant, &next) {
            (Some(Mutant::CaptureFirst), Move::Send(Command::CommitStock))
                if !FREE[run.order] && !run.saga.has_captured() =>
            {
                Move::Send(Command::Capture(run.row.attempt))
            }
            (Some(Mutant::CommittedNotStored), Move::Record(Transition::Commit))
                if !FREE[run.order] && !run.saga.has_captured() =>
            {
                Move::Send(Command::Capture(run.row.attempt))
            }
            (Some(Mutant::AbortWithoutRelease), Move::Send(Command::Release)) if run.row.version > 2 => {
                Move::Record(Transition::Cancel)
            }
            _ => next,
        }
    }

    pub(super) fn advance(&mut self, id: RunId) {
        let Some(run) = self.runs[id].as_ref() else { return };
        let (node, order) = (run.node, run.order);
        match self.next_move(run) {
            Move::Finished => {
                let told = (order, run.row.status);
                self.runs[id] = None;
                self.told_clients.push(told);
            }
            Move::Send(command) => self.send(id, command),
            Move::Record(transition) => {
                let (delay, seq) = (self.short_delay(), self.next_seq());
                self.note(|| format!("shop {node} records {transition:?} of order {order}"));
                self.after(delay, Event::Recorded { run: id, transition, seq });
            }
        }
    }

    fn send(&mut self, id: RunId, command: Command) {
        let sent = self.next_seq();
        let id_of_the_try = self.mutant == Some(Mutant::IdOfTheTry);
        let Some(run) = self.runs[id].as_mut() else { return };
        run.waits_for = Some(sent);
        let attempt = match command {
            Command::Hold(attempt) | Command::Capture(attempt) | Command::Void(attempt) => attempt,
            Command::Reserve | Command::CommitStock | Command::Release => 0,
        };
        let key = (run.order, attempt, if id_of_the_try { run.row.tries } else { 0 });
        self.travel(Event::Delivered(Message { run: id, sent, key, command }));
        self.after(PATIENCE, Event::TimedOut { run: id, sent });
    }

    /// Carries a command out in its participant.
    pub(super) fn carry_out(&mut self, message: &Message, now: u64) -> Answer {
        let key = message.key;
        match message.command {
            Command::Reserve => self.inventory.ask(key, OfStock::Reserve, now, self.mutant),
            Command::CommitStock => self.inventory.ask(key, OfStock::Commit, now, self.mutant),
            Command::Release => self.inventory.ask(key, OfStock::Release, now, self.mutant),
            Command::Hold(_) => self.wallet.ask(key, OfMoney::Hold, now, self.mutant),
            Command::Capture(_) => self.wallet.ask(key, OfMoney::Capture, now, self.mutant),
            Command::Void(_) => self.wallet.ask(key, OfMoney::Void, now, self.mutant),
        }
    }

    pub(super) fn answered(&mut self, message: &Message, answer: Answer) {
        let Some(run) = self.runs[message.run].as_mut().filter(|run| run.waits_for == Some(message.sent)) else {
            return;
        };
        run.waits_for = None;
        let undo = matches!(message.command, Command::Release | Command::Void(_));
        let stuck = self.mutant == Some(Mutant::NoSecondHold) && matches!(message.command, Command::Capture(_));
        match answer {
            Answer::Done => run.saga.done(message.command),
            Answer::Refused { .. } if undo || stuck => return self.give_up(message.run, false),
            Answer::Refused { ended } => run.saga.refused(message.command, cause(), ended),
        }
        self.advance(message.run);
    }

    pub(super) fn timed_out(&mut self, id: RunId, sent: u64) {
        let Some(run) = self.runs[id].as_mut().filter(|run| run.waits_for == Some(sent)) else { return };
        if self.mutant == Some(Mutant::TimeoutIsRefusal) && run.row.step != Step::Aborting {
            let command = match run.saga.next() {
                Move::Send(command) => command,
                Move::Record(_) | Move::Finished => return,
            };
            run.waits_for = None;
            run.saga.refused(command, cause(), false);
            return self.advance(id);
        }
        let holds = matches!(run.saga.next(), Move::Send(Command::Hold(_)));
        self.give_up(id, holds && self.mutant == Some(Mutant::AttemptAfterTimeout));
    }

    /// The order is put off; recovery goes on with it.
    fn give_up(&mut self, id: RunId, raise_attempt: bool) {
        let Some(run) = self.runs[id].take() else { return };
        let wait = u64::try_from(backoff(run.row.tries).as_millis()).unwrap_or(u64::MAX);
        let (delay, until) = (self.short_delay(), self.now + wait + self.below(100));
        self.after(delay, Event::Deferred { order: run.order, until, raise_attempt });
    }

    /// Commits a durable point, unless the instance was killed before.
    pub(super) fn recorded(&mut self, id: RunId, transition: &Transition, seq: u64) -> Result<(), String> {
        let Some(run) = self.runs[id].as_ref() else { return Ok(()) };
        let (node, order, seen) = (run.node, run.order, run.row.clone());
        let current = &self.orders[order];
        if current.version == seen.version || self.mutant == Some(Mutant::NoVersionCheck) {
            self.take_point(node, order, &seen, transition, seq)?;
        }
        let row = self.orders[order].clone();
        if let Some(run) = self.runs[id].as_mut() {
            run.saga = Saga::new(row.step, row.attempt, FREE[order]);
            run.row = row;
        }
        let delay = self.short_delay();
        self.after(delay, Event::Continues { run: id });
        Ok(())
    }

    fn take_point(
        &mut self,
        node: usize,
        order: usize,
        seen: &Order,
        transition: &Transition,
        seq: u64,
    ) -> Result<(), String> {
        let point = Point::of(transition.clone(), seen.payment, seen.attempt);
        let lease_until = self.now + LEASE;
        let row = &mut self.orders[order];
        if row.step == Step::Done {
            return Err(format!("order {order} was finished as {:?} and became {}", row.status, point.kind));
        }
        (row.step, row.status, row.payment, row.attempt) =
            (point.step, point.status, point.payment, point.hold_attempt);
        (row.version, row.lease_until) = (row.version + 1, lease_until);
        let told = (order, row.version, point.kind);
        if self.mutant == Some(Mutant::OutboxApart) {
            let delay = self.short_delay();
            self.after(delay, Event::Told { node, told, seq });
        } else {
            self.outbox.put(seq, told);
        }
        Ok(())
    }

    /// A client cancels: from `pending` only.
    pub(super) fn cancelled(&mut self, order: usize) -> Result<(), String> {
        let node = self.any_node();
        let row = self.orders[order].clone();
        let late = self.mutant == Some(Mutant::CancelAfterCommitted) && row.step == Step::Committed;
        if self.shop_down[node] || row.version == 0 || !(row.step == Step::Pending || late) {
            return Ok(());
        }
        let seq = self.next_seq();
        self.take_point(node, order, &row, &Transition::Abort(cause()), seq)?;
        self.begin_run(node, order);
        Ok(())
    }

    pub(super) fn look_for_work(&mut self, node: usize) {
        if self.shop_down[node] {
            return;
        }
        for order in 0..self.orders.len() {
            let row = &self.orders[order];
            if row.version > 0 && row.step != Step::Done && row.lease_until <= self.now {
                let (seen, delay) = (row.lease_until, self.short_delay());
                self.after(delay, Event::Claimed { node, order, seen });
            }
        }
    }

    pub(super) fn claimed(&mut self, node: usize, order: usize, seen: u64) {
        let lease = self.now + LEASE;
        let row = &mut self.orders[order];
        if self.shop_down[node] || row.lease_until != seen {
            return;
        }
        row.lease_until = lease;
        row.tries += 1;
        self.begin_run(node, order);
    }

    pub(super) fn sweep(&mut self, side: Side) {
        let now = self.skewed_now();
        match side {
            Side::Inventory => self.inventory.expire_due(now),
            Side::Wallet => self.wallet.expire_due(now),
        }
    }
}
