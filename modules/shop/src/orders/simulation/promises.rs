//! What must hold all the time, and what must hold when everything is quiet.

use emporium_inventory_api::ReservationState;
use emporium_wallet_api::HoldState;

use super::participants::{Key, PRICE, Wallet};
use super::world::{FREE, World};
use crate::orders::order::{OrderStatus, Step};

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl World {
    /// After every event: nothing is promised twice, and a finished order asks for nothing any more.
    pub(super) fn check_always(&self) -> Result<(), String> {
        let stock = &self.inventory;
        ensure((0..=stock.on_hand).contains(&stock.reserved), || {
            format!("{} of {} on hand are reserved", stock.reserved, stock.on_hand)
        })?;
        for buyer in 0..2 {
            let (balance, held) = (self.wallet.balance[buyer], self.wallet.held[buyer]);
            ensure((0..=balance).contains(&held), || format!("buyer {buyer} has {balance} and {held} are held"))?;
        }
        for (key, row) in &self.inventory.rows {
            let open = row.state == ReservationState::Reserved;
            ensure(!open || self.orders[key.0].step != Step::Done, || {
                format!("stock is reserved for order {}, which is finished", key.0)
            })?;
        }
        for (key, row) in &self.wallet.rows {
            let open = row.state == HoldState::Held;
            ensure(!open || self.orders[key.0].step != Step::Done, || {
                format!("money is held for order {}, which is finished", key.0)
            })?;
        }
        Ok(())
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
        let placed = |order: &usize| self.orders[*order].status == OrderStatus::Placed;
        let bought: Vec<usize> = (0..self.orders.len()).filter(placed).collect();
        for order in 0..self.orders.len() {
            self.check_order(order, bought.contains(&order))?;
        }
        let sold = i64::try_from(bought.len()).unwrap_or(i64::MAX);
        let (stock, started) = (&self.inventory, &self.started_with);
        ensure(stock.on_hand == started.on_hand - sold && stock.reserved == 0, || {
            format!("{} sold of {}, {} on hand, {} reserved", sold, started.on_hand, stock.on_hand, stock.reserved)
        })?;
        for buyer in 0..2 {
            let paid = bought.iter().filter(|order| Wallet::buyer(**order) == buyer && !FREE[**order]).count();
            let left = started.balance[buyer] - PRICE * i64::try_from(paid).unwrap_or(i64::MAX);
            ensure(self.wallet.balance[buyer] == left && self.wallet.held[buyer] == 0, || {
                format!("buyer {buyer} should have {left}: {:?} {:?}", self.wallet.balance, self.wallet.held)
            })?;
        }
        self.check_clients_and_consumers()
    }

    fn check_order(&self, order: usize, placed: bool) -> Result<(), String> {
        let of = |key: &Key| key.0 == order;
        let taken = self.inventory.rows.iter().filter(|(key, row)| of(key) && row.state == ReservationState::Committed);
        let paid = self.wallet.rows.iter().filter(|(key, row)| of(key) && row.state == HoldState::Captured);
        let (taken, paid) = (taken.count(), paid.count());
        ensure(taken == usize::from(placed), || format!("order {order} placed: {placed}, stock taken {taken} times"))?;
        let due = usize::from(placed && !FREE[order]);
        ensure(paid == due, || format!("order {order} placed: {placed}, paid {paid} times"))
    }

    fn check_clients_and_consumers(&self) -> Result<(), String> {
        for (order, status) in &self.told_clients {
            let is = self.orders[*order].status;
            ensure(is == *status, || format!("a client was told that order {order} is {status:?}; it is {is:?}"))?;
        }
        for (order, row) in self.orders.iter().enumerate().filter(|(_, row)| row.version > 0) {
            let seen: Vec<i64> = self.outbox.seen.iter().filter(|told| told.0 == order).map(|told| told.1).collect();
            let told: Vec<i64> = (1..=row.version).collect();
            ensure(seen == told, || format!("the events of order {order} are {told:?}; a consumer saw {seen:?}"))?;
        }
        Ok(())
    }
}
