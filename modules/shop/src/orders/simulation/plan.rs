//! The plan of one schedule: who asks for what, and what goes wrong, when.

use super::coordinator::Order;
use super::events::{Event, Side};
use super::participants::Wallet;
use super::world::{FAULTS, RECOVERING, World};

/// Until then consumer and sweepers come by, rarer and rarer: every message has arrived and every time is over.
const TO_THE_END: u64 = 30 * 60 * 60 * 1_000;

impl World {
    pub(super) fn plan(&mut self) {
        // In half of the schedules everybody comes at once.
        let rush = (self.below(2) == 0).then(|| self.below(FAULTS / 2));
        let mut starts = Vec::new();
        for order in 0..usize::try_from(2 + self.below(3)).unwrap_or(2) {
            self.orders.push(Order::UNPLACED);
            let start = rush.map_or_else(|| self.below(FAULTS / 2), |rush| rush + self.below(300));
            starts.push(start);
            self.plan_order(order, start);
        }
        for _ in 0..self.below(4) {
            let start = starts[usize::try_from(self.below(2)).unwrap_or(0)];
            self.plan_crash(start + self.while_it_runs());
        }
        self.after(FAULTS + 10_000, Event::FaultsEnded);
        self.plan_ticks();
    }

    /// A client asks, perhaps twice, and cancels, perhaps often and with the same key again; staff interfere, and
    /// the buyer spends money elsewhere.
    fn plan_order(&mut self, order: usize, start: u64) {
        self.after(start, Event::Placed { order });
        if self.below(3) == 0 {
            let at = start + self.while_it_runs();
            self.after(at, Event::Placed { order });
        }
        let cancels = match self.below(6) {
            0 => 1,
            1 => 3,
            _ => 0,
        };
        for _ in 0..cancels {
            let (at, key) = (start + self.while_it_runs(), 1 + self.below(2));
            self.after(at, Event::Cancelled { order, key });
        }
        if self.below(4) == 0 {
            let at = start + self.while_it_runs();
            self.after(at, Event::Retried { order });
        }
        if self.below(2) == 0 {
            let at = start + self.below(FAULTS);
            self.after(at, Event::Spent { buyer: Wallet::buyer(order) });
        }
    }

    /// How long after its start something happens to an order: in the course of a good run, or of a bad one.
    fn while_it_runs(&self) -> u64 {
        self.below(if self.below(2) == 0 { 400 } else { 20_000 })
    }

    fn plan_crash(&mut self, at: u64) {
        let (node, back) = (self.any_node(), 1 + self.below(8_000));
        let (crash, restart) = match self.below(4) {
            0 => (Event::Crashed(Side::Inventory), Event::Restarted(Side::Inventory)),
            1 => (Event::Crashed(Side::Wallet), Event::Restarted(Side::Wallet)),
            _ => (Event::ShopCrashed { node }, Event::ShopRestarted { node }),
        };
        self.after(at, crash);
        self.after(at + back, restart);
    }

    /// Ticks every second while there are faults, rarer while orders recover, and ever rarer until all times are over.
    fn plan_ticks(&mut self) {
        let mut at = 0;
        while at < TO_THE_END {
            for node in 0..2 {
                self.after(at + self.below(250), Event::RecoveryTicked { node });
            }
            for side in [Side::Inventory, Side::Wallet] {
                if at >= FAULTS || at.is_multiple_of(self.sweeps_every[side as usize]) {
                    self.after(at + self.below(250), Event::Swept(side));
                }
            }
            self.after(at + self.below(1_000), Event::Pulled);
            at += if at < FAULTS {
                1_000
            } else if at < RECOVERING {
                5_000
            } else {
                at / 4
            };
        }
    }
}
