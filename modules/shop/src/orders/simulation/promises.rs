//! What must hold all the time, and what must hold when everything is quiet.

use std::collections::BTreeMap;

use emporium_inventory_api::ReservationState;
use emporium_wallet_api::HoldState;

use super::participants::{Key, PRICE, Row, Wallet};
use super::storage::CANCELLED;
use super::world::{FREE, World};
use crate::orders::order::{OrderStatus, PaymentStatus, Step};

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// How many of the rows that `of` chooses are in this state.
fn count<S: PartialEq>(rows: &BTreeMap<Key, Row<S>>, state: &S, of: impl Fn(&Key) -> bool) -> i64 {
    let found = rows.iter().filter(|(key, row)| row.state == *state && of(key)).count();
    i64::try_from(found).unwrap_or(i64::MAX)
}

impl World {
    /// After every commit: nothing is promised twice, and a finished order asks for nothing any more.
    pub(super) fn check_always(&self) -> Result<(), String> {
        self.check_stock()?;
        self.check_money()?;
        let finished = |key: &Key| self.orders[key.0].step == Step::Done;
        let reserved = count(&self.inventory.rows, &ReservationState::Reserved, finished);
        ensure(reserved == 0, || format!("stock is reserved for {reserved} orders that are finished"))?;
        let held = count(&self.wallet.rows, &HoldState::Held, finished);
        ensure(held == 0, || format!("money is held for {held} orders that are finished"))
    }

    fn check_stock(&self) -> Result<(), String> {
        let stock = &self.inventory;
        let counted = |state| count(&stock.rows, &state, |_| true);
        ensure((0..=stock.on_hand).contains(&stock.reserved), || {
            format!("{} of {} on hand are reserved", stock.reserved, stock.on_hand)
        })?;
        let reserved = counted(ReservationState::Reserved);
        ensure(stock.reserved == reserved, || format!("{} are reserved, by {reserved} orders", stock.reserved))?;
        let taken = self.started_with.on_hand - stock.on_hand;
        let committed = counted(ReservationState::Committed);
        ensure(taken == committed, || format!("{taken} were taken off the shelf, by {committed} orders"))
    }

    fn check_money(&self) -> Result<(), String> {
        let wallet = &self.wallet;
        for buyer in 0..2 {
            let (balance, held) = (wallet.balance[buyer], wallet.held[buyer]);
            let counted = |state| PRICE * count(&wallet.rows, &state, |key| Wallet::buyer(key.0) == buyer);
            ensure((0..=balance).contains(&held), || format!("buyer {buyer} has {balance} and {held} are held"))?;
            let holds = counted(HoldState::Held);
            ensure(held == holds, || format!("{held} of buyer {buyer} are held, by holds of {holds}"))?;
            let (paid, captured) = (self.started_with.balance[buyer] - balance, counted(HoldState::Captured));
            ensure(paid == captured, || format!("buyer {buyer} paid {paid}, by captures of {captured}"))?;
        }
        Ok(())
    }

    /// A hold outlives a reservation: whoever commits stock for an order that may still be placed finds its money held.
    pub(super) fn check_hold_stands(&self, order: usize) -> Result<(), String> {
        let promised = self.holds_outlive && !FREE[order] && self.orders[order].step == Step::Pending;
        let stands = |state| count(&self.wallet.rows, &state, |key| key.0 == order) > 0;
        ensure(!promised || stands(HoldState::Held) || stands(HoldState::Captured), || {
            format!("stock was committed for order {order} when no money was held any more")
        })
    }

    /// Some time after the faults ended.
    pub(super) fn check_all_finished(&self) -> Result<(), String> {
        for (order, row) in self.orders.iter().enumerate() {
            let finished = row.version == 0 || row.step == Step::Done;
            ensure(finished, || format!("order {order} is still {:?} long after the faults ended", row.step))?;
        }
        Ok(())
    }

    /// When nothing is on its way any more.
    pub(super) fn check_at_the_end(&self) -> Result<(), String> {
        self.check_all_finished()?;
        self.check_always()?;
        for order in (0..self.orders.len()).filter(|order| self.orders[*order].version > 0) {
            self.check_order(order)?;
            self.check_reason(order)?;
            self.check_events(order)?;
        }
        self.check_clients()
    }

    /// Placed orders have their goods and are paid once; cancelled ones have and cost nothing.
    fn check_order(&self, order: usize) -> Result<(), String> {
        let (status, payment) = (self.orders[order].status, self.orders[order].payment);
        let placed = i64::from(status == OrderStatus::Placed);
        let taken = count(&self.inventory.rows, &ReservationState::Committed, |key| key.0 == order);
        ensure(taken == placed, || format!("order {order} is {status:?}, stock was taken {taken} times"))?;
        let paid = count(&self.wallet.rows, &HoldState::Captured, |key| key.0 == order);
        let due = if FREE[order] { 0 } else { placed };
        ensure(paid == due, || format!("order {order} is {status:?} and was paid {paid} times"))?;
        let said = match status {
            OrderStatus::Placed => payment == PaymentStatus::Paid,
            OrderStatus::Cancelled => matches!(payment, PaymentStatus::None | PaymentStatus::Voided),
            OrderStatus::Pending | OrderStatus::Completed => false,
        };
        ensure(said, || format!("order {order} is {status:?} and its money {payment:?}"))
    }

    /// A cancelled order says why, and it is true; a placed one has nothing to say.
    fn check_reason(&self, order: usize) -> Result<(), String> {
        let row = &self.orders[order];
        let stock = |state| count(&self.inventory.rows, &state, |key| key.0 == order) > 0;
        let money = |state| count(&self.wallet.rows, &state, |key| key.0 == order) > 0;
        let so = match row.reason.as_deref() {
            Some("out_of_stock") => stock(ReservationState::Refused),
            Some("insufficient_funds") => money(HoldState::Refused),
            Some("order_cancelled") => stock(ReservationState::Expired) || money(HoldState::Expired),
            Some(CANCELLED) => self.clients.cancels.iter().any(|(cancelled, _)| *cancelled == order),
            Some(_) => false,
            None => true,
        };
        let said = row.reason.is_some() == (row.status == OrderStatus::Cancelled);
        ensure(so && said, || format!("order {order} is {:?} because of {:?}", row.status, row.reason))
    }

    /// Each version of an order happened once, and the consumer saw all of them in their order.
    fn check_events(&self, order: usize) -> Result<(), String> {
        let row = &self.orders[order];
        let history = self.tables.history.range((order, 0)..(order + 1, 0));
        let happened: Vec<(i64, &str)> = history.map(|((_, version), kind)| (*version, *kind)).collect();
        let versions = happened.iter().map(|(version, _)| *version);
        ensure(versions.eq(1..=row.version), || {
            format!("order {order} has version {}, and what happened is {happened:?}", row.version)
        })?;
        let of_order = self.tables.outbox.seen.iter().filter(|told| told.0 == order);
        let seen: Vec<(i64, &str)> = of_order.map(|told| (told.1, told.2)).collect();
        ensure(seen == happened, || format!("to order {order} happened {happened:?}; a consumer saw {seen:?}"))
    }

    fn check_clients(&self) -> Result<(), String> {
        for (order, status) in &self.clients.told {
            let is = self.orders[*order].status;
            ensure(is == *status, || format!("a client was told that order {order} is {status:?}; it is {is:?}"))?;
        }
        for (order, key) in &self.clients.cancels {
            let is = self.orders[*order].status;
            ensure(is == OrderStatus::Cancelled, || {
                format!("cancel {key} of order {order} was accepted; it is {is:?}")
            })?;
        }
        Ok(())
    }
}
