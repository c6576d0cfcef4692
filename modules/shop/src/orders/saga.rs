//! The order saga as a pure step function, and the driver that carries out its moves.
//!
//! ```text
//! pending --reserve--> --hold--> --commit stock--> committed --capture--> placed
//!    any refusal before committed, or a cancel --> aborting --release, void--> cancelled
//! ```
//!
//! Only the points that the order itself stores are durable. What happened in between is learnt again by sending the
//! same commands with the same ids.

use std::sync::Arc;
use std::time::Duration;

use emporium_database::Failure;
use emporium_inventory_api::{InventoryError, OfReservation, Reserve, ReserveLine, Sku};
use emporium_kernel::{Call, Fault, Outage, PositiveMoney, Problem, Quantity};
use emporium_wallet_api::{Capture, Hold, OfHold, WalletError};

use super::order::{Placing, Step};
use crate::{Shop, ShopError};

/// How often money is held for one order, when the first hold was lost.
const MOST_HOLDS: i32 = 2;

/// A command to a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Reserve,
    Hold(i32),
    CommitStock,
    Capture(i32),
    Release,
    Void(i32),
}

/// What the order itself stores next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    /// Stock is committed: forward only from here.
    Commit,
    /// The hold was lost: hold once more.
    HoldAgain,
    /// Paid.
    Place,
    /// Undo what may have been done.
    Abort(Cause),
    /// Nothing was done that could be undone.
    Refuse(Cause),
    /// Everything is undone.
    Cancel,
}

/// Why an order is cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) reason: String,
    pub(crate) refusal: Option<Problem>,
}

impl Cause {
    fn of(refusal: ShopError) -> Self {
        let problem = Problem::from(refusal);
        Self { reason: problem.code.clone(), refusal: Some(problem) }
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Send(Command),
    Record(Transition),
    Finished,
}

/// What one run of the saga has learnt since it read the order.
#[derive(Clone, Debug, Default)]
struct Learnt {
    reserved: bool,
    held: bool,
    stock_committed: bool,
    captured: bool,
    released: bool,
    /// Holds that are known not to exist or to be void, the first `n` attempts.
    voided: i32,
    refused: Option<Refusal>,
}

/// A stored refusal of a command.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    command: Command,
    cause: Cause,
    /// Whether what was asked for had been given in an earlier run and has ended since.
    ended: bool,
}

/// The saga of one order between two durable points.
#[derive(Clone, Debug)]
pub(crate) struct Saga {
    step: Step,
    attempt: i32,
    /// Nothing to pay, so nothing to hold.
    free: bool,
    learnt: Learnt,
}

impl Saga {
    pub(crate) fn new(step: Step, attempt: i32, free: bool) -> Self {
        Self { step, attempt, free, learnt: Learnt::default() }
    }

    /// The next move: the only place that knows the order of the steps.
    pub(crate) fn next(&self) -> Move {
        let learnt = &self.learnt;
        match self.step {
            Step::Done => Move::Finished,
            Step::Pending => match &learnt.refused {
                // What was refused from the start was never followed by a hold, in this run or another.
                Some(Refusal { command: Command::Reserve, cause, ended: false }) => {
                    Move::Record(Transition::Refuse(cause.clone()))
                }
                Some(refusal) => Move::Record(Transition::Abort(refusal.cause.clone())),
                None if !learnt.reserved => Move::Send(Command::Reserve),
                None if !self.free && !learnt.held => Move::Send(Command::Hold(self.attempt)),
                None if !learnt.stock_committed => Move::Send(Command::CommitStock),
                None => Move::Record(Transition::Commit),
            },
            Step::Committed => match &learnt.refused {
                Some(Refusal { command: Command::Capture(_), ended: true, .. }) if self.attempt < MOST_HOLDS => {
                    Move::Record(Transition::HoldAgain)
                }
                Some(refusal) => Move::Record(Transition::Abort(refusal.cause.clone())),
                None if self.free || learnt.captured => Move::Record(Transition::Place),
                None if self.attempt > 1 && !learnt.held => Move::Send(Command::Hold(self.attempt)),
                None => Move::Send(Command::Capture(self.attempt)),
            },
            Step::Aborting if !learnt.released => Move::Send(Command::Release),
            Step::Aborting if !self.free && learnt.voided < self.attempt => {
                Move::Send(Command::Void(learnt.voided + 1))
            }
            Step::Aborting => Move::Record(Transition::Cancel),
        }
    }

    /// Takes in that a command was carried out.
    pub(crate) fn done(&mut self, command: Command) {
        let learnt = &mut self.learnt;
        match command {
            Command::Reserve => learnt.reserved = true,
            Command::Hold(_) => learnt.held = true,
            Command::CommitStock => learnt.stock_committed = true,
            Command::Capture(_) => learnt.captured = true,
            Command::Release => learnt.released = true,
            Command::Void(attempt) => learnt.voided = attempt,
        }
    }

    /// Takes in a stored refusal.
    pub(crate) fn refused(&mut self, command: Command, cause: Cause, ended: bool) {
        self.learnt.refused = Some(Refusal { command, cause, ended });
    }
}

impl Shop {
    /// Drives an order from where it stands as far as it goes: to its end, or to a neighbour that does not answer,
    /// in which case recovery goes on later. Several may drive the same order: the commands are the same, and each
    /// durable point is taken once.
    pub(crate) async fn drive(self: &Arc<Self>, mut order: Placing) -> Result<Placing, ShopError> {
        loop {
            match self.advance(&order).await {
                Ok(Some(next)) => order = next,
                Ok(None) => return Ok(order),
                Err(error) => {
                    self.defer(&order, &error).await;
                    return Err(error);
                }
            }
        }
    }

    /// Takes an order to its next durable point; `None` when it is finished.
    async fn advance(self: &Arc<Self>, order: &Placing) -> Result<Option<Placing>, ShopError> {
        let step = order.step().map_err(Failure::into_fault)?;
        let mut saga = Saga::new(step, order.row.hold_attempt, order.row.total == 0);
        let Some(transition) = self.run_to_next_point(order, &mut saga).await? else { return Ok(None) };
        self.record(order.clone(), transition).await.map(Some)
    }

    /// Sends commands until the order itself has something to store; `None` when it is finished.
    async fn run_to_next_point(&self, order: &Placing, saga: &mut Saga) -> Result<Option<Transition>, ShopError> {
        loop {
            match saga.next() {
                Move::Finished => return Ok(None),
                Move::Record(transition) => return Ok(Some(transition)),
                Move::Send(command) => match self.send(order, command).await {
                    Ok(()) => saga.done(command),
                    // A timeout is unknown, never a refusal: the same id is sent again later.
                    Err(error) if error.outage().is_some() => return Err(error),
                    Err(refusal) => take_refusal(order, saga, command, refusal)?,
                },
            }
        }
    }

    async fn send(&self, order: &Placing, command: Command) -> Result<(), ShopError> {
        let call = Call::internal("order-saga").within(Duration::from_secs(5));
        match command {
            Command::Reserve => {
                self.inventory.reserve(&call, self.reserve(order)?).await?;
            }
            Command::Hold(attempt) => {
                self.wallet.hold(&call, self.hold(order, attempt)?).await?;
            }
            Command::CommitStock => {
                self.inventory.commit(&call, OfReservation { id: order.reservation() }).await?;
            }
            Command::Capture(attempt) => {
                let payees = order.shares().map_err(Failure::into_fault)?;
                self.wallet.capture(&call, Capture { hold: order.hold(attempt), payees }).await?;
            }
            Command::Release => {
                self.inventory.release(&call, OfReservation { id: order.reservation() }).await?;
            }
            Command::Void(attempt) => {
                self.wallet.void(&call, OfHold { hold: order.hold(attempt) }).await?;
            }
        }
        Ok(())
    }

    fn reserve(&self, order: &Placing) -> Result<Reserve, ShopError> {
        let line = |line: &super::order::LineRow| {
            let quantity = Quantity::new(line.quantity).ok_or(Outage::Internal)?;
            Ok(ReserveLine { sku: Sku::stored(line.sku.clone()), quantity })
        };
        let lines: Result<Vec<ReserveLine>, ShopError> = order.lines.iter().map(line).collect();
        Ok(Reserve {
            id: order.reservation(),
            order: order.row.id.clone(),
            lines: lines?,
            expires_in_secs: self.settings.reservation_secs,
        })
    }

    fn hold(&self, order: &Placing, attempt: i32) -> Result<Hold, ShopError> {
        let total = order.total().map_err(Failure::into_fault)?;
        let amount = PositiveMoney::new(total).ok_or(ShopError::Outage(Outage::Internal))?;
        Ok(Hold {
            id: order.hold(attempt),
            order: order.row.id.clone(),
            buyer: order.row.buyer.clone(),
            amount,
            expires_in_secs: self.settings.hold_secs,
        })
    }
}

/// Undoing cannot be refused; that it was says that an invariant is broken, and the order stays for people to look at.
fn take_refusal(order: &Placing, saga: &mut Saga, command: Command, refusal: ShopError) -> Result<(), ShopError> {
    if matches!(command, Command::Release | Command::Void(_)) {
        tracing::error!(order = order.row.id, ?command, %refusal, "an order cannot be undone");
        return Err(Outage::Internal.into());
    }
    let ended = has_ended(&refusal);
    let cause = Cause::of(match refusal {
        // That a reservation or hold ran out is the shop's affair, not the buyer's.
        _ if ended => ShopError::OrderCancelled,
        ShopError::Inventory(InventoryError::UnknownSku { sku }) => ShopError::UnknownSku { sku },
        other => other,
    });
    saga.refused(command, cause, ended);
    Ok(())
}

fn has_ended(refusal: &ShopError) -> bool {
    let reservation = matches!(refusal, ShopError::Inventory(InventoryError::ReservationEnded { .. }));
    reservation || matches!(refusal, ShopError::Wallet(WalletError::HoldEnded { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause() -> Cause {
        Cause { reason: "no".to_owned(), refusal: None }
    }

    /// Carries out every command with success and lists what was sent until the next durable point.
    fn runs_to(mut saga: Saga) -> (Vec<Command>, Move) {
        let mut sent = Vec::new();
        loop {
            match saga.next() {
                Move::Send(command) => {
                    sent.push(command);
                    saga.done(command);
                }
                end => return (sent, end),
            }
        }
    }

    #[test]
    fn stock_is_committed_before_money_is_captured() {
        let (sent, end) = runs_to(Saga::new(Step::Pending, 1, false));
        assert_eq!(sent, [Command::Reserve, Command::Hold(1), Command::CommitStock]);
        assert_eq!(end, Move::Record(Transition::Commit));
        let (sent, end) = runs_to(Saga::new(Step::Committed, 1, false));
        assert_eq!((sent, end), (vec![Command::Capture(1)], Move::Record(Transition::Place)));
    }

    #[test]
    fn a_free_order_holds_nothing() {
        let (sent, end) = runs_to(Saga::new(Step::Pending, 1, true));
        assert_eq!((sent, end), (vec![Command::Reserve, Command::CommitStock], Move::Record(Transition::Commit)));
        assert_eq!(runs_to(Saga::new(Step::Committed, 1, true)), (vec![], Move::Record(Transition::Place)));
        assert_eq!(
            runs_to(Saga::new(Step::Aborting, 1, true)),
            (vec![Command::Release], Move::Record(Transition::Cancel))
        );
    }

    #[test]
    fn a_lost_hold_is_repeated_once_and_then_everything_is_undone() {
        let mut saga = Saga::new(Step::Committed, 1, false);
        saga.refused(Command::Capture(1), cause(), true);
        assert_eq!(saga.next(), Move::Record(Transition::HoldAgain));
        // A hold that still stands is not held a second time beside it.
        let mut saga = Saga::new(Step::Committed, 1, false);
        saga.refused(Command::Capture(1), cause(), false);
        assert_eq!(saga.next(), Move::Record(Transition::Abort(cause())));
        let (sent, _) = runs_to(Saga::new(Step::Committed, 2, false));
        assert_eq!(sent, [Command::Hold(2), Command::Capture(2)]);
        for command in [Command::Hold(2), Command::Capture(2)] {
            let mut saga = Saga::new(Step::Committed, 2, false);
            saga.refused(command, cause(), true);
            assert_eq!(saga.next(), Move::Record(Transition::Abort(cause())));
        }
        let (sent, end) = runs_to(Saga::new(Step::Aborting, 2, false));
        assert_eq!(sent, [Command::Release, Command::Void(1), Command::Void(2)]);
        assert_eq!(end, Move::Record(Transition::Cancel));
    }

    #[test]
    fn only_a_refused_reservation_needs_no_undoing() {
        let refused = |command, ended| {
            let mut saga = Saga::new(Step::Pending, 1, false);
            saga.refused(command, cause(), ended);
            saga.next()
        };
        assert_eq!(refused(Command::Reserve, false), Move::Record(Transition::Refuse(cause())));
        // A reservation that expired may have been followed by a hold in an earlier run.
        for (command, ended) in [(Command::Reserve, true), (Command::Hold(1), false), (Command::CommitStock, true)] {
            assert_eq!(refused(command, ended), Move::Record(Transition::Abort(cause())));
        }
    }

    #[test]
    fn a_finished_order_does_nothing() {
        assert_eq!(Saga::new(Step::Done, 1, false).next(), Move::Finished);
    }
}
