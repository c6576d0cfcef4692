//! The rules of the design, taken out one at a time.

/// A rule that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// A participant forgets what it refused.
    RefusalsForgotten,
    /// Every try has an id of its own.
    IdOfTheTry,
    /// A timeout raises the attempt.
    AttemptAfterTimeout,
    /// A timeout is taken for a refusal.
    TimeoutIsRefusal,
    /// Undoing what never arrived leaves no tombstone.
    NoTombstones,
    /// Committed stock cannot be released.
    CommittedIsKept,
    /// Money is captured before stock is committed.
    CaptureFirst,
    /// The capture is sent before `committed` is stored.
    CommittedNotStored,
    /// A cancel is accepted after `committed`.
    CancelAfterCommitted,
    /// A capture that was refused for good is sent again for ever.
    NoSecondHold,
    /// An order that could not be paid after `committed` gives no stock back.
    AbortWithoutRelease,
    /// A durable point is taken whatever the version is.
    NoVersionCheck,
    /// The outbox row is written after the commit.
    OutboxApart,
    /// Events are numbered when they are written, not after the commit.
    NumbersFromIds,
    /// A capture looks at the clock itself instead of leaving expiry to the sweeper.
    ClockInCapture,
}

impl Mutant {
    pub(super) const ALL: [Self; 15] = [
        Self::RefusalsForgotten,
        Self::IdOfTheTry,
        Self::AttemptAfterTimeout,
        Self::TimeoutIsRefusal,
        Self::NoTombstones,
        Self::CommittedIsKept,
        Self::CaptureFirst,
        Self::CommittedNotStored,
        Self::CancelAfterCommitted,
        Self::NoSecondHold,
        Self::AbortWithoutRelease,
        Self::NoVersionCheck,
        Self::OutboxApart,
        Self::NumbersFromIds,
        Self::ClockInCapture,
    ];

    /// The number of the rule in section 6 of the design.
    pub(super) fn rule(self) -> u8 {
        match self {
            Self::RefusalsForgotten | Self::IdOfTheTry | Self::AttemptAfterTimeout => 1,
            Self::TimeoutIsRefusal => 2,
            Self::NoTombstones | Self::CommittedIsKept => 3,
            Self::CaptureFirst
            | Self::CommittedNotStored
            | Self::CancelAfterCommitted
            | Self::NoSecondHold
            | Self::AbortWithoutRelease => 4,
            Self::NoVersionCheck | Self::OutboxApart | Self::NumbersFromIds => 5,
            Self::ClockInCapture => 6,
        }
    }
}
