//! Inventory and wallet: the rules of their contracts over plain maps. What is executed here counts as committed.

use std::collections::BTreeMap;

use emporium_inventory_api::lifecycle::Request as OfStock;
use emporium_inventory_api::{InventoryError, ReservationState};
use emporium_kernel::Verdict;
use emporium_wallet_api::lifecycle::Request as OfMoney;
use emporium_wallet_api::{HoldState, WalletError};

use super::mutant::Mutant;

/// Names a reservation or hold: order, attempt, and the try where ids are broken.
pub(super) type Key = (usize, i32, i32);

/// A promise with what it promises.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<S> {
    pub(super) state: S,
    expires_at: u64,
}

impl<S: PartialEq> Row<S> {
    /// Whether it still stands as `open` although its time is over: the sweeper has not come by yet.
    fn is_due(&self, open: S, now: u64) -> bool {
        self.state == open && self.expires_at <= now
    }
}

/// The stock of one SKU; every order wants one piece.
#[derive(Debug)]
pub(super) struct Inventory {
    pub(super) on_hand: i64,
    pub(super) reserved: i64,
    pub(super) rows: BTreeMap<Key, Row<ReservationState>>,
    ttl: u64,
}

impl Inventory {
    pub(super) fn new(on_hand: i64, ttl: u64) -> Self {
        Self { on_hand, reserved: 0, rows: BTreeMap::new(), ttl }
    }

    pub(super) fn ask(
        &mut self,
        key: Key,
        request: OfStock,
        now: u64,
        mutant: Option<Mutant>,
    ) -> Result<(), InventoryError> {
        let row = self.rows.get(&key).copied();
        let due = row.is_some_and(|row| row.is_due(ReservationState::Reserved, now));
        if mutant == Some(Mutant::ClockInCommit) && request == OfStock::Commit && due {
            return Err(InventoryError::ReservationEnded { state: ReservationState::Expired });
        }
        let forgets = mutant == Some(Mutant::AcceptedForgotten) && request == OfStock::Reserve;
        let state = row.map(|row| row.state).filter(|state| !forgets || *state != ReservationState::Reserved);
        match ReservationState::verdict(state, request) {
            Verdict::Becomes(ReservationState::Reserved) => self.reserve(key, now, mutant),
            Verdict::Becomes(ReservationState::Tombstone) if mutant == Some(Mutant::NoStockTombstones) => Ok(()),
            Verdict::Becomes(ReservationState::Returned) if mutant == Some(Mutant::CommittedIsKept) => Ok(()),
            Verdict::Becomes(next) => {
                self.becomes(key, next, now);
                Ok(())
            }
            Verdict::Stays(ReservationState::Refused) if request == OfStock::Reserve => out_of_stock(),
            Verdict::Stays(_) => Ok(()),
            Verdict::Ended(state) => Err(InventoryError::ReservationEnded { state }),
            Verdict::Unknown => Err(InventoryError::UnknownReservation),
        }
    }

    /// What is due is promised to others only after a sweep.
    fn reserve(&mut self, key: Key, now: u64, mutant: Option<Mutant>) -> Result<(), InventoryError> {
        if self.on_hand - self.reserved >= 1 {
            self.becomes(key, ReservationState::Reserved, now);
            return Ok(());
        }
        if mutant != Some(Mutant::RefusalsForgotten) {
            self.becomes(key, ReservationState::Refused, now);
        }
        out_of_stock()
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

    pub(super) fn sweep(&mut self, now: u64) {
        let due = |row: &Row<ReservationState>| row.is_due(ReservationState::Reserved, now);
        let keys: Vec<Key> = self.rows.iter().filter(|(_, row)| due(row)).map(|(key, _)| *key).collect();
        for key in keys {
            assert_eq!(self.ask(key, OfStock::Expire, now, None), Ok(()));
        }
    }
}

fn out_of_stock() -> Result<(), InventoryError> {
    Err(InventoryError::OutOfStock { short: Vec::new() })
}

/// The money of two buyers.
#[derive(Debug)]
pub(super) struct Wallet {
    pub(super) balance: [i64; 2],
    pub(super) held: [i64; 2],
    pub(super) rows: BTreeMap<Key, Row<HoldState>>,
    ttl: u64,
}

/// What an order costs.
pub(super) const PRICE: i64 = 10;

impl Wallet {
    pub(super) fn new(balance: [i64; 2], ttl: u64) -> Self {
        Self { balance, held: [0, 0], rows: BTreeMap::new(), ttl }
    }

    /// Who pays for an order.
    pub(super) fn buyer(order: usize) -> usize {
        order % 2
    }

    pub(super) fn ask(
        &mut self,
        key: Key,
        request: OfMoney,
        now: u64,
        mutant: Option<Mutant>,
    ) -> Result<(), WalletError> {
        let row = self.rows.get(&key).copied();
        let due = row.is_some_and(|row| row.is_due(HoldState::Held, now));
        if mutant == Some(Mutant::ClockInCapture) && request == OfMoney::Capture && due {
            return Err(WalletError::HoldEnded { state: HoldState::Expired });
        }
        let forgets = mutant == Some(Mutant::AcceptedForgotten) && request == OfMoney::Hold;
        let state = row.map(|row| row.state).filter(|state| !forgets || *state != HoldState::Held);
        match HoldState::verdict(state, request) {
            Verdict::Becomes(HoldState::Held) => self.hold(key, now, mutant),
            Verdict::Becomes(HoldState::Tombstone) if mutant == Some(Mutant::NoMoneyTombstones) => Ok(()),
            Verdict::Becomes(next) => {
                self.becomes(key, next, now);
                Ok(())
            }
            Verdict::Stays(HoldState::Refused) if request == OfMoney::Hold => insufficient_funds(),
            Verdict::Stays(_) => Ok(()),
            Verdict::Ended(state) => Err(WalletError::HoldEnded { state }),
            Verdict::Unknown => Err(WalletError::UnknownHold),
        }
    }

    fn hold(&mut self, key: Key, now: u64, mutant: Option<Mutant>) -> Result<(), WalletError> {
        let buyer = Self::buyer(key.0);
        if self.balance[buyer] - self.held[buyer] >= PRICE {
            self.becomes(key, HoldState::Held, now);
            return Ok(());
        }
        if mutant != Some(Mutant::RefusalsForgotten) {
            self.becomes(key, HoldState::Refused, now);
        }
        insufficient_funds()
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

    pub(super) fn sweep(&mut self, now: u64) {
        let due = |row: &Row<HoldState>| row.is_due(HoldState::Held, now);
        let keys: Vec<Key> = self.rows.iter().filter(|(_, row)| due(row)).map(|(key, _)| *key).collect();
        for key in keys {
            assert_eq!(self.ask(key, OfMoney::Expire, now, None), Ok(()));
        }
    }
}

fn insufficient_funds() -> Result<(), WalletError> {
    Err(WalletError::InsufficientFunds { available: 0, currency: String::new() })
}
