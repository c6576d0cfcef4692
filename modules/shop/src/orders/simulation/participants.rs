//! Inventory and wallet: the rules of their contracts over plain maps. What is executed here counts as committed.

use std::collections::BTreeMap;

use emporium_inventory_api::ReservationState;
use emporium_inventory_api::lifecycle::Request as OfStock;
use emporium_kernel::Verdict;
use emporium_wallet_api::HoldState;
use emporium_wallet_api::lifecycle::Request as OfMoney;

use super::mutant::Mutant;

/// Names a reservation or hold: order, attempt, and the try where ids are broken.
pub(super) type Key = (usize, i32, i32);

/// What a participant answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Refused { ended: bool },
}

/// A promise with what it promises.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<S> {
    pub(super) state: S,
    pub(super) expires_at: u64,
}

/// The stock of one SKU; every order wants one piece.
#[derive(Debug)]
pub(super) struct Inventory {
    pub(super) on_hand: i64,
    pub(super) reserved: i64,
    pub(super) rows: BTreeMap<Key, Row<ReservationState>>,
    pub(super) ttl: u64,
}

impl Inventory {
    pub(super) fn ask(&mut self, key: Key, request: OfStock, now: u64, mutant: Option<Mutant>) -> Answer {
        let state = self.rows.get(&key).map(|row| row.state);
        match ReservationState::verdict(state, request) {
            Verdict::Becomes(ReservationState::Reserved) => self.reserve(key, now, mutant),
            Verdict::Becomes(ReservationState::Tombstone) if mutant == Some(Mutant::NoTombstones) => Answer::Done,
            Verdict::Becomes(ReservationState::Returned) if mutant == Some(Mutant::CommittedIsKept) => Answer::Done,
            Verdict::Becomes(next) => {
                self.becomes(key, next, now);
                Answer::Done
            }
            Verdict::Stays(ReservationState::Refused) if request == OfStock::Reserve => {
                Answer::Refused { ended: false }
            }
            Verdict::Stays(_) => Answer::Done,
            Verdict::Ended(_) => Answer::Refused { ended: true },
            Verdict::Unknown => Answer::Refused { ended: false },
        }
    }

    /// Whoever finds nothing left expires what is due and looks again.
    fn reserve(&mut self, key: Key, now: u64, mutant: Option<Mutant>) -> Answer {
        if self.on_hand - self.reserved < 1 {
            self.expire_due(now);
        }
        if self.on_hand - self.reserved >= 1 {
            self.becomes(key, ReservationState::Reserved, now);
            return Answer::Done;
        }
        if mutant != Some(Mutant::RefusalsForgotten) {
            self.becomes(key, ReservationState::Refused, now);
        }
        Answer::Refused { ended: false }
    }

    fn becomes(&mut self, key: Key, state: ReservationState, now: u64) {
        let (on_hand, reserved) = match state {
            ReservationState::Reserved => (0, 1),
            ReservationState::Committed => (-1, -1),
            ReservationState::Released | ReservationState::Expired => (0, -1),
            ReservationState::Returned => (1, 0),
            ReservationState::Refused | ReservationState::Tombstone => (0, 0),
        };
        self.on_hand += on_hand;
        self.reserved += reserved;
        let expires_at = self.rows.get(&key).map_or(now + self.ttl, |row| row.expires_at);
        self.rows.insert(key, Row { state, expires_at });
    }

    pub(super) fn expire_due(&mut self, now: u64) {
        let held = |row: &Row<ReservationState>| row.state == ReservationState::Reserved && row.expires_at <= now;
        let due: Vec<Key> = self.rows.iter().filter(|(_, row)| held(row)).map(|(key, _)| *key).collect();
        due.into_iter().for_each(|key| {
            self.ask(key, OfStock::Expire, now, None);
        });
    }
}

/// The money of two buyers.
#[derive(Debug)]
pub(super) struct Wallet {
    pub(super) balance: [i64; 2],
    pub(super) held: [i64; 2],
    pub(super) rows: BTreeMap<Key, Row<HoldState>>,
    pub(super) ttl: u64,
}

/// What an order costs.
pub(super) const PRICE: i64 = 10;

impl Wallet {
    /// Who pays for an order.
    pub(super) fn buyer(order: usize) -> usize {
        order % 2
    }

    pub(super) fn ask(&mut self, key: Key, request: OfMoney, now: u64, mutant: Option<Mutant>) -> Answer {
        let row = self.rows.get(&key).copied();
        let late = row.is_some_and(|row| row.state == HoldState::Held && row.expires_at <= now);
        if mutant == Some(Mutant::ClockInCapture) && request == OfMoney::Capture && late {
            return Answer::Refused { ended: true };
        }
        match HoldState::verdict(row.map(|row| row.state), request) {
            Verdict::Becomes(HoldState::Held) => self.hold(key, now, mutant),
            Verdict::Becomes(HoldState::Tombstone) if mutant == Some(Mutant::NoTombstones) => Answer::Done,
            Verdict::Becomes(next) => {
                self.becomes(key, next, now);
                Answer::Done
            }
            Verdict::Stays(HoldState::Refused) if request == OfMoney::Hold => Answer::Refused { ended: false },
            Verdict::Stays(_) => Answer::Done,
            Verdict::Ended(_) => Answer::Refused { ended: true },
            Verdict::Unknown => Answer::Refused { ended: false },
        }
    }

    fn hold(&mut self, key: Key, now: u64, mutant: Option<Mutant>) -> Answer {
        let buyer = Self::buyer(key.0);
        if self.balance[buyer] - self.held[buyer] >= PRICE {
            self.becomes(key, HoldState::Held, now);
            return Answer::Done;
        }
        if mutant != Some(Mutant::RefusalsForgotten) {
            self.becomes(key, HoldState::Refused, now);
        }
        Answer::Refused { ended: false }
    }

    fn becomes(&mut self, key: Key, state: HoldState, now: u64) {
        let buyer = Self::buyer(key.0);
        let (balance, held) = match state {
            HoldState::Held => (0, PRICE),
            HoldState::Captured => (-PRICE, -PRICE),
            HoldState::Voided | HoldState::Expired => (0, -PRICE),
            HoldState::Refused | HoldState::Tombstone => (0, 0),
        };
        self.balance[buyer] += balance;
        self.held[buyer] += held;
        let expires_at = self.rows.get(&key).map_or(now + self.ttl, |row| row.expires_at);
        self.rows.insert(key, Row { state, expires_at });
    }

    pub(super) fn expire_due(&mut self, now: u64) {
        let held = |row: &Row<HoldState>| row.state == HoldState::Held && row.expires_at <= now;
        let due: Vec<Key> = self.rows.iter().filter(|(_, row)| held(row)).map(|(key, _)| *key).collect();
        due.into_iter().for_each(|key| {
            self.ask(key, OfMoney::Expire, now, None);
        });
    }
}
