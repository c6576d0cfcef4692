//! The rules of the design, taken out one at a time.

/// A rule that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// A participant forgets what it refused.
    RefusalsForgotten,
    /// A participant forgets what it accepted, and does it once more when it is asked again.
    AcceptedForgotten,
    /// Every try has an id of its own.
    IdOfTheTry,
    /// A timeout raises the attempt.
    AttemptAfterTimeout,
    /// A timeout is taken for a refusal.
    TimeoutIsRefusal,
    /// Releasing what never arrived leaves no tombstone.
    NoStockTombstones,
    /// Voiding what never arrived leaves no tombstone.
    NoMoneyTombstones,
    /// Committed stock cannot be released.
    CommittedIsKept,
    /// Money is captured before stock is committed.
    CaptureFirst,
    /// The capture is sent before `committed` is stored.
    CommittedNotStored,
    /// A cancel is accepted after `committed`.
    CancelAfterCommitted,
    /// A hold ends long before the reservation does.
    HoldsEndFirst,
    /// A capture that was refused for good is sent again for ever.
    NoSecondHold,
    /// An order that could not be paid after `committed` gives no stock back.
    AbortWithoutRelease,
    /// An order that is undone gives no money free.
    AbortWithoutVoid,
    /// A cancelled order does not say why.
    ReasonLost,
    /// A durable point is taken whatever the version is.
    NoVersionCheck,
    /// The row of a client's key is written after the commit.
    KeyApart,
    /// The history row is written after the commit.
    HistoryApart,
    /// The outbox row is written after the commit.
    OutboxApart,
    /// Events are numbered when they are written, not after the commit.
    NumbersFromIds,
    /// A stock commit looks at the clock itself instead of leaving expiry to the sweeper.
    ClockInCommit,
    /// A capture looks at the clock itself instead of leaving expiry to the sweeper.
    ClockInCapture,
}

impl Mutant {
    pub(super) const ALL: [Self; 23] = [
        Self::RefusalsForgotten,
        Self::AcceptedForgotten,
        Self::IdOfTheTry,
        Self::AttemptAfterTimeout,
        Self::TimeoutIsRefusal,
        Self::NoStockTombstones,
        Self::NoMoneyTombstones,
        Self::CommittedIsKept,
        Self::CaptureFirst,
        Self::CommittedNotStored,
        Self::CancelAfterCommitted,
        Self::HoldsEndFirst,
        Self::NoSecondHold,
        Self::AbortWithoutRelease,
        Self::AbortWithoutVoid,
        Self::ReasonLost,
        Self::NoVersionCheck,
        Self::KeyApart,
        Self::HistoryApart,
        Self::OutboxApart,
        Self::NumbersFromIds,
        Self::ClockInCommit,
        Self::ClockInCapture,
    ];

    /// The number of the rule in section 6 of the design.
    pub(super) fn rule(self) -> u8 {
        match self {
            Self::RefusalsForgotten | Self::AcceptedForgotten | Self::IdOfTheTry | Self::AttemptAfterTimeout => 1,
            Self::TimeoutIsRefusal => 2,
            Self::NoStockTombstones | Self::NoMoneyTombstones | Self::CommittedIsKept => 3,
            Self::CaptureFirst
            | Self::CommittedNotStored
            | Self::CancelAfterCommitted
            | Self::HoldsEndFirst
            | Self::NoSecondHold
            | Self::AbortWithoutRelease
            | Self::AbortWithoutVoid
            | Self::ReasonLost => 4,
            Self::NoVersionCheck | Self::KeyApart | Self::HistoryApart | Self::OutboxApart | Self::NumbersFromIds => 5,
            Self::ClockInCommit | Self::ClockInCapture => 6,
        }
    }
}
