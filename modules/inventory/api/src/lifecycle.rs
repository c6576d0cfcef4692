//! The life of a reservation, as a rule without a database.
//!
//! ```text
//! (none) --reserve--> reserved --commit--> committed --release--> returned
//!    |                   +--release--> released     +--expire--> expired
//!    +--release--> tombstone        (a refused one is stored as refused)
//! ```

use emporium_kernel::Verdict;

use crate::ReservationState::{self, Committed, Expired, Refused, Released, Reserved, Returned, Tombstone};

/// What is asked of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// To promise its stock. Whether there is enough is for the shelf to say.
    Reserve,
    /// To take its stock off the shelf.
    Commit,
    /// To give its stock back, committed or not: a cancel may overtake a commit.
    Release,
    /// To give its stock back because its time is over. Only a sweeper asks this.
    Expire,
}

impl ReservationState {
    /// What follows when this is asked of a reservation in this state, or of one that nobody has heard of.
    pub const fn verdict(state: Option<Self>, request: Request) -> Verdict<Self> {
        match request {
            Request::Reserve => match state {
                None => Verdict::Becomes(Reserved),
                Some(state @ (Reserved | Committed | Refused)) => Verdict::Stays(state),
                Some(state @ (Released | Returned | Expired | Tombstone)) => Verdict::Ended(state),
            },
            Request::Commit => match state {
                None => Verdict::Unknown,
                Some(Reserved) => Verdict::Becomes(Committed),
                Some(Committed) => Verdict::Stays(Committed),
                Some(state @ (Released | Returned | Expired | Refused | Tombstone)) => Verdict::Ended(state),
            },
            Request::Release => match state {
                None => Verdict::Becomes(Tombstone),
                Some(Reserved) => Verdict::Becomes(Released),
                Some(Committed) => Verdict::Becomes(Returned),
                Some(state @ (Released | Returned | Expired | Refused | Tombstone)) => Verdict::Stays(state),
            },
            Request::Expire => match state {
                None => Verdict::Unknown,
                Some(Reserved) => Verdict::Becomes(Expired),
                Some(state) => Verdict::Stays(state),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ReservationState; 7] = [Reserved, Committed, Released, Returned, Expired, Refused, Tombstone];

    #[test]
    fn what_was_applied_once_is_done_for_good() {
        for request in [Request::Reserve, Request::Commit, Request::Release, Request::Expire] {
            for state in [None].into_iter().chain(ALL.map(Some)) {
                if let Verdict::Becomes(next) = ReservationState::verdict(state, request) {
                    assert_eq!(ReservationState::verdict(Some(next), request), Verdict::Stays(next), "{request:?}");
                }
            }
        }
    }

    #[test]
    fn stock_is_never_promised_again_after_it_was_given_back() {
        for ended in [Released, Returned, Expired, Tombstone] {
            assert_eq!(ReservationState::verdict(Some(ended), Request::Reserve), Verdict::Ended(ended));
            assert_eq!(ReservationState::verdict(Some(ended), Request::Commit), Verdict::Ended(ended));
        }
    }
}
