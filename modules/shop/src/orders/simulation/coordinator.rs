//! Runs of the saga on the instances of the shop: handlers, cancels, recovery and staff.

use emporium_inventory_api::lifecycle::Request as OfStock;
use emporium_kernel::Outage;
use emporium_wallet_api::lifecycle::Request as OfMoney;

use super::events::{Answer, Event, Message, RunId};
use super::mutant::Mutant;
use super::storage::Job;
use super::world::{FREE, World};
use crate::ShopError;
use crate::orders::drive::learn;
use crate::orders::order::{OrderStatus, PaymentStatus, Step};
use crate::orders::recovery::backoff;
use crate::orders::saga::{Cause, Command, Move, Saga, Transition};

/// How long a run waits for an answer.
const PATIENCE: u64 = 5_000;

/// An order as the shop stores it.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) step: Step,
    pub(super) status: OrderStatus,
    pub(super) payment: PaymentStatus,
    pub(super) attempt: i32,
    /// 0 until it is stored.
    pub(super) version: i64,
    pub(super) lease_until: u64,
    pub(super) tries: i32,
    pub(super) reason: Option<String>,
    /// The id of its newest outbox row.
    pub(super) last_told: u64,
}

impl Order {
    pub(super) const UNPLACED: Self = Self {
        step: Step::Pending,
        status: OrderStatus::Pending,
        payment: PaymentStatus::None,
        attempt: 1,
        version: 0,
        lease_until: 0,
        tries: 0,
        reason: None,
        last_told: 0,
    };
}

/// One run of an order's saga in the memory of an instance.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) node: usize,
    order: usize,
    row: Order,
    saga: Saga,
    /// The number of the sending that is not answered yet, and what was sent.
    waits_for: Option<(u64, Command)>,
}

impl World {
    /// Drives an order from where it stood when it was read.
    pub(super) fn begin_run(&mut self, node: usize, order: usize, row: Order) {
        let saga = Saga::new(row.step, row.attempt, FREE[order]);
        self.runs.push(Some(Run { node, order, row, saga, waits_for: None }));
        self.advance(self.runs.len() - 1);
    }

    /// The saga's next move, but for the mutants that move differently.
    fn next_move(&self, run: &Run) -> Move {
        let next = run.saga.next();
        let uncaptured = !FREE[run.order] && !run.saga.has_captured();
        match (self.mutant, &next) {
            (Some(Mutant::CaptureFirst), Move::Send(Command::CommitStock))
            | (Some(Mutant::CommittedNotStored), Move::Record(Transition::Commit))
                if uncaptured =>
            {
                Move::Send(Command::Capture(run.row.attempt))
            }
            (Some(Mutant::AbortWithoutRelease), Move::Send(Command::Release)) if run.row.version > 2 => {
                Move::Record(Transition::Cancel)
            }
            (Some(Mutant::AbortWithoutVoid), Move::Send(Command::Void(_))) => Move::Record(Transition::Cancel),
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
                self.clients.told.push(told);
            }
            Move::Send(command) => self.send(id, command),
            Move::Record(transition) => {
                let seen = run.row.clone();
                self.note(|| format!("  shop {node} records {transition:?} of order {order}"));
                self.begin(node, Job::Record { run: id, order, seen, transition: Box::new(transition) });
            }
        }
    }

    fn send(&mut self, id: RunId, command: Command) {
        let sent = self.next_seq();
        let id_of_the_try = self.mutant == Some(Mutant::IdOfTheTry);
        let Some(run) = self.runs[id].as_mut() else { return };
        run.waits_for = Some((sent, command));
        let attempt = match command {
            Command::Hold(attempt) | Command::Capture(attempt) | Command::Void(attempt) => attempt,
            Command::Reserve | Command::CommitStock | Command::Release => 0,
        };
        let key = (run.order, attempt, if id_of_the_try { run.row.tries } else { 0 });
        self.travel(Event::Delivered(Message { run: id, sent, key, command }));
        self.after(PATIENCE, Event::TimedOut { run: id, sent });
    }

    /// Carries a command out in its participant.
    pub(super) fn carry_out(&mut self, message: &Message) -> Result<Answer, String> {
        let (key, now, mutant) = (message.key, self.skewed_now(), self.mutant);
        let mut stock = |request| self.inventory.ask(key, request, now, mutant).map_err(ShopError::from);
        let mut money = |request| self.wallet.ask(key, request, now, mutant).map_err(ShopError::from);
        let answer = match message.command {
            Command::Reserve => stock(OfStock::Reserve),
            Command::CommitStock => stock(OfStock::Commit),
            Command::Release => stock(OfStock::Release),
            Command::Hold(_) => money(OfMoney::Hold),
            Command::Capture(_) => money(OfMoney::Capture),
            Command::Void(_) => money(OfMoney::Void),
        };
        self.note(|| format!("  {:?} of {key:?}: {answer:?}", message.command));
        if message.command == Command::CommitStock && answer.is_ok() {
            self.check_hold_stands(key.0)?;
        }
        Ok(answer)
    }

    pub(super) fn answered(&mut self, message: &Message, answer: Answer) {
        let waits_for = Some((message.sent, message.command));
        let Some(run) = self.runs[message.run].as_mut().filter(|run| run.waits_for == waits_for) else { return };
        run.waits_for = None;
        let refused_capture = matches!(message.command, Command::Capture(_)) && answer.is_err();
        if self.mutant == Some(Mutant::NoSecondHold) && refused_capture {
            return self.give_up(message.run, false);
        }
        match learn("simulated", &mut run.saga, message.command, answer) {
            Ok(()) => self.advance(message.run),
            Err(_) => self.give_up(message.run, false),
        }
    }

    pub(super) fn timed_out(&mut self, id: RunId, sent: u64) {
        let Some(run) = self.runs[id].as_mut() else { return };
        let Some((_, command)) = run.waits_for.take_if(|(waits_for, _)| *waits_for == sent) else { return };
        if self.mutant == Some(Mutant::TimeoutIsRefusal) && run.row.step != Step::Aborting {
            run.saga.refused(command, Cause { reason: "timeout".to_owned(), refusal: None }, false);
            return self.advance(id);
        }
        let raise = self.mutant == Some(Mutant::AttemptAfterTimeout) && matches!(command, Command::Hold(_));
        if learn("simulated", &mut run.saga, command, Err(Outage::Unreachable.into())).is_err() {
            self.give_up(id, raise);
        }
    }

    /// The order is put off; recovery goes on with it.
    pub(super) fn give_up(&mut self, id: RunId, raise_attempt: bool) {
        let Some(run) = self.runs[id].take() else { return };
        let wait = u64::try_from(backoff(run.row.tries).as_millis()).unwrap_or(u64::MAX);
        let until = self.now + wait + self.below(100);
        let (order, seen) = (run.order, run.row.lease_until);
        self.begin(run.node, Job::Defer { order, seen, until, raise_attempt });
    }

    /// A durable point was taken, by this run or by another that was faster.
    pub(super) fn recorded(&mut self, id: RunId, row: Order) {
        let Some(run) = self.runs[id].as_mut() else { return };
        run.saga = Saga::new(row.step, row.attempt, FREE[run.order]);
        run.row = row;
        self.after(self.short_delay(), Event::Continues { run: id });
    }

    /// Staff have an order driven, whoever holds its lease.
    pub(super) fn retried(&mut self, order: usize) {
        let (node, row) = (self.any_node(), self.orders[order].clone());
        if row.version > 0 && !self.shop_down[node] {
            self.begin_run(node, order, row);
        }
    }

    /// An instance claims the orders that nobody drives.
    pub(super) fn look_for_work(&mut self, node: usize) {
        for order in 0..self.orders.len() {
            let row = &self.orders[order];
            if row.version > 0 && row.step != Step::Done && row.lease_until <= self.now {
                let seen = row.lease_until;
                self.begin(node, Job::Claim { order, seen });
            }
        }
    }
}
