//! The life of a hold, as a rule without a database.
//!
//! ```text
//! (none) --hold--> held --capture--> captured
//!    |               +--void--> voided   +--expire--> expired
//!    +--void--> tombstone   (a refused one is stored as refused)
//! ```

use emporium_kernel::Verdict;

use crate::HoldState::{self, Captured, Expired, Held, Refused, Tombstone, Voided};

/// What is asked of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// To set money aside. Whether there is enough is for the account to say.
    Hold,
    /// To pay.
    Capture,
    /// To give the money free.
    Void,
    /// To give the money free because its time is over. Only a sweeper asks this.
    Expire,
}

impl HoldState {
    /// What follows when this is asked of a hold in this state, or of one that nobody has heard of.
    pub const fn verdict(state: Option<Self>, request: Request) -> Verdict<Self> {
        match request {
            Request::Hold => match state {
                None => Verdict::Becomes(Held),
                Some(state @ (Held | Captured | Refused)) => Verdict::Stays(state),
                Some(state @ (Voided | Expired | Tombstone)) => Verdict::Ended(state),
            },
            Request::Capture => match state {
                None => Verdict::Unknown,
                Some(Held) => Verdict::Becomes(Captured),
                Some(Captured) => Verdict::Stays(Captured),
                Some(state @ (Voided | Expired | Refused | Tombstone)) => Verdict::Ended(state),
            },
            Request::Void => match state {
                None => Verdict::Becomes(Tombstone),
                Some(Held) => Verdict::Becomes(Voided),
                Some(Captured) => Verdict::Ended(Captured),
                Some(state @ (Voided | Expired | Refused | Tombstone)) => Verdict::Stays(state),
            },
            Request::Expire => match state {
                None => Verdict::Unknown,
                Some(Held) => Verdict::Becomes(Expired),
                Some(state) => Verdict::Stays(state),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [HoldState; 6] = [Held, Captured, Voided, Expired, Refused, Tombstone];

    #[test]
    fn what_was_applied_once_is_done_for_good() {
        for request in [Request::Hold, Request::Capture, Request::Void, Request::Expire] {
            for state in [None].into_iter().chain(ALL.map(Some)) {
                if let Verdict::Becomes(next) = HoldState::verdict(state, request) {
                    assert_eq!(HoldState::verdict(Some(next), request), Verdict::Stays(next), "{request:?}");
                }
            }
        }
    }

    #[test]
    fn a_hold_resolves_at_most_once() {
        for ended in [Captured, Voided, Expired, Refused, Tombstone] {
            for request in [Request::Capture, Request::Void, Request::Expire] {
                assert!(!matches!(HoldState::verdict(Some(ended), request), Verdict::Becomes(_)), "{ended:?}");
            }
        }
    }
}
