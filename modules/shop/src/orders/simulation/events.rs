//! What happens, in the order of a virtual clock, and the outbox with its consumer.

use std::collections::BTreeMap;

use super::participants::Key;
use crate::ShopError;
use crate::orders::saga::Command;

/// Names a run of the saga; never used twice.
pub(super) type RunId = usize;

/// What a participant answers to a command.
pub(super) type Answer = Result<(), ShopError>;

/// Something that happens at its time.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A client asks for the order, each time with the same key.
    Placed { order: usize },
    /// A client cancels it with one of its keys.
    Cancelled { order: usize, key: u64 },
    /// Staff have it driven, whoever drives it.
    Retried { order: usize },
    /// A buyer spends money elsewhere.
    Spent { buyer: usize },
    /// A command reaches its participant.
    Delivered(Message),
    /// A participant commits what has queued.
    BatchCommitted(Side),
    /// It sends the answers to what it committed.
    BatchAnswered(Side),
    /// An answer reaches the run that waits for it.
    Answered { message: Message, answer: Answer },
    /// A run has waited long enough.
    TimedOut { run: RunId, sent: u64 },
    /// An instance of the shop commits what has queued.
    ShopCommitted { node: usize },
    /// A run goes on after its commit.
    Continues { run: RunId },
    /// An instance of the shop looks for orders that nobody drives.
    RecoveryTicked { node: usize },
    /// An instance of the shop is killed.
    ShopCrashed { node: usize },
    /// And started again.
    ShopRestarted { node: usize },
    /// A participant is killed.
    Crashed(Side),
    /// And started again.
    Restarted(Side),
    /// A sweeper expires what is due.
    Swept(Side),
    /// The consumer of the shop's events pulls.
    Pulled,
    /// No fault from here on.
    FaultsEnded,
}

impl Event {
    /// Whether it may take orders, stock or money where they must not be; what a sweeper gives back is looked at later.
    pub(super) fn commits(&self) -> bool {
        use Event::{BatchCommitted, Crashed, ShopCommitted, ShopCrashed};
        matches!(self, BatchCommitted(_) | Crashed(_) | ShopCommitted { .. } | ShopCrashed { .. })
    }
}

/// Something rare, of which a test wants to know that it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rare {
    /// A commit of the shop failed.
    CommitFailed,
    /// A commit of the shop was done, and nobody was told.
    CommitUnknown,
    /// Transactions of the shop were carried out a second time.
    CommitRepeated,
    /// An instance was killed before the commit of what it had begun.
    CrashBeforeCommit,
    /// An instance was killed after it, before anybody was told.
    CrashAfterCommit,
    /// A participant was killed after its commit, before it answered.
    AnswersLost,
    /// A client asked for the same order again.
    RequestRepeated,
    /// A client sent the same cancel again.
    CancelRepeated,
    /// A cancel came too late, or after another.
    CancelRefused,
    /// A run put its order off when another had taken it over.
    TakenOver,
}

impl Rare {
    pub(super) const ALL: [Self; 10] = [
        Self::CommitFailed,
        Self::CommitUnknown,
        Self::CommitRepeated,
        Self::CrashBeforeCommit,
        Self::CrashAfterCommit,
        Self::AnswersLost,
        Self::RequestRepeated,
        Self::CancelRepeated,
        Self::CancelRefused,
        Self::TakenOver,
    ];
}

/// One of the two neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Inventory,
    Wallet,
}

/// A command on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) run: RunId,
    /// The number of the sending, to tell a late answer.
    pub(super) sent: u64,
    pub(super) key: Key,
    pub(super) command: Command,
}

impl Message {
    pub(super) fn side(&self) -> Side {
        match self.command {
            Command::Reserve | Command::CommitStock | Command::Release => Side::Inventory,
            Command::Hold(_) | Command::Capture(_) | Command::Void(_) => Side::Wallet,
        }
    }
}

/// An event of an order: which version it tells of, and how it is called.
pub(super) type Told = (usize, i64, &'static str);

/// Events that are written with what they tell of, numbered after the commit and pulled by one consumer.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Rows by the id that they got when their transaction began.
    rows: BTreeMap<u64, (Option<u64>, Told)>,
    last_number: u64,
    cursor: u64,
    /// What the consumer has seen, in its order.
    pub(super) seen: Vec<Told>,
}

impl Outbox {
    pub(super) fn put(&mut self, seq: u64, told: Told) {
        self.rows.insert(seq, (None, told));
    }

    /// Numbers what is committed and hands on what is new; the cursor is stored with the effect.
    pub(super) fn pull(&mut self, numbers_are_ids: bool) {
        for (seq, (number, _)) in self.rows.iter_mut().filter(|(_, (number, _))| number.is_none()) {
            self.last_number += 1;
            *number = Some(if numbers_are_ids { *seq } else { self.last_number });
        }
        let mut new: Vec<(u64, Told)> = self.rows.values().filter_map(|(n, told)| n.map(|n| (n, *told))).collect();
        new.retain(|(number, _)| *number > self.cursor);
        new.sort_unstable();
        for (number, told) in new {
            self.cursor = number;
            self.seen.push(told);
        }
    }
}
