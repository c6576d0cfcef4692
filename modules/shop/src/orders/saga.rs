//! The order saga as a pure step function.
//!
//! ```text
//! pending --reserve--> --hold--> --commit stock--> committed --capture--> placed
//!    any refusal before committed, or a cancel --> aborting --release, void--> cancelled
//! ```
//!
//! Only the points that the order itself stores are durable. What happened in between is learnt again by sending the
//! same commands with the same ids.

use emporium_kernel::Problem;

use super::order::{OrderStatus, PaymentStatus, Step};
use crate::ShopError;

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

impl Transition {
    /// How it is called where it is stored.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Commit => "committed",
            Self::HoldAgain => "hold_repeated",
            Self::Place => "placed",
            Self::Abort(_) => "aborting",
            Self::Refuse(_) | Self::Cancel => "cancelled",
        }
    }
}

/// Why an order is cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) reason: String,
    pub(crate) refusal: Option<Problem>,
}

impl Cause {
    pub(crate) fn of(refusal: ShopError) -> Self {
        let problem = Problem::from(refusal);
        Self { reason: problem.code.clone(), refusal: Some(problem) }
    }
}

/// What a durable point makes of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// How its event is called.
    pub(crate) kind: &'static str,
    pub(crate) status: OrderStatus,
    pub(crate) payment: PaymentStatus,
    pub(crate) step: Step,
    pub(crate) hold_attempt: i32,
    pub(crate) cause: Option<Cause>,
}

impl Point {
    /// What a transition makes of an order whose money stands at `payment` after `attempt` holds.
    pub(crate) fn of(transition: Transition, payment: PaymentStatus, attempt: i32) -> Self {
        let kind = transition.name();
        let point = |status, payment, step| Self { kind, status, payment, step, hold_attempt: attempt, cause: None };
        match transition {
            Transition::Commit => point(OrderStatus::Pending, PaymentStatus::Authorized, Step::Committed),
            Transition::HoldAgain => {
                let again = point(OrderStatus::Pending, PaymentStatus::None, Step::Committed);
                Self { hold_attempt: attempt + 1, ..again }
            }
            Transition::Place => point(OrderStatus::Placed, PaymentStatus::Paid, Step::Done),
            Transition::Abort(cause) => {
                let abort = point(OrderStatus::Pending, payment, Step::Aborting);
                Self { cause: Some(cause), ..abort }
            }
            Transition::Refuse(cause) => {
                let refuse = point(OrderStatus::Cancelled, PaymentStatus::None, Step::Done);
                Self { cause: Some(cause), ..refuse }
            }
            Transition::Cancel => point(OrderStatus::Cancelled, PaymentStatus::Voided, Step::Done),
        }
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

    /// Whether the money was captured, as far as this run knows.
    #[cfg(test)]
    pub(crate) fn has_captured(&self) -> bool {
        self.learnt.captured
    }

    /// Takes in a stored refusal.
    pub(crate) fn refused(&mut self, command: Command, cause: Cause, ended: bool) {
        self.learnt.refused = Some(Refusal { command, cause, ended });
    }
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
