//! Driving an order: carries out the moves of its saga.

use std::sync::Arc;
use std::time::Duration;

use emporium_database::Failure;
use emporium_inventory_api::{InventoryError, OfReservation, Reserve, ReserveLine, Sku};
use emporium_kernel::{Call, Fault, Outage, PositiveMoney, Quantity};
use emporium_wallet_api::{Capture, Hold, OfHold, WalletError};

use super::order::Placing;
use super::saga::{Cause, Command, Move, Saga, Transition};
use crate::{Shop, ShopError};

impl Shop {
    /// Drives an order from where it stands as far as it goes: to its end, or to a neighbour that does not answer,
    /// in which case recovery goes on later. Several may drive the same order: the commands are the same, and each
    /// durable point is taken once.
    pub(crate) async fn drive(self: &Arc<Self>, mut order: Placing) -> Result<Placing, ShopError> {
        loop {
            match self.advance(&order).await {
                Ok(Some(next)) => order = next,
                Ok(None) => return Ok(order),
                Err(error) => {
                    self.defer(&order, &error).await;
                    return Err(error);
                }
            }
        }
    }

    /// Takes an order to its next durable point; `None` when it is finished.
    async fn advance(self: &Arc<Self>, order: &Placing) -> Result<Option<Placing>, ShopError> {
        let step = order.step().map_err(Failure::into_fault)?;
        let mut saga = Saga::new(step, order.row.hold_attempt, order.row.total == 0);
        let Some(transition) = self.run_to_next_point(order, &mut saga).await? else { return Ok(None) };
        self.record(order.clone(), transition).await.map(Some)
    }

    /// Sends commands until the order itself has something to store; `None` when it is finished.
    async fn run_to_next_point(&self, order: &Placing, saga: &mut Saga) -> Result<Option<Transition>, ShopError> {
        loop {
            match saga.next() {
                Move::Finished => return Ok(None),
                Move::Record(transition) => return Ok(Some(transition)),
                Move::Send(command) => {
                    let answer = self.send(order, command).await;
                    learn(&order.row.id, saga, command, answer)?;
                }
            }
        }
    }

    async fn send(&self, order: &Placing, command: Command) -> Result<(), ShopError> {
        let call = Call::current("order-saga").within(Duration::from_secs(5));
        match command {
            Command::Reserve => {
                self.inventory.reserve(&call, self.reserve(order)?).await?;
            }
            Command::Hold(attempt) => {
                self.wallet.hold(&call, self.hold(order, attempt)?).await?;
            }
            Command::CommitStock => {
                self.inventory.commit(&call, OfReservation { id: order.reservation() }).await?;
            }
            Command::Capture(attempt) => {
                let payees = order.shares().map_err(Failure::into_fault)?;
                self.wallet.capture(&call, Capture { hold: order.hold(attempt), payees }).await?;
            }
            Command::Release => {
                self.inventory.release(&call, OfReservation { id: order.reservation() }).await?;
            }
            Command::Void(attempt) => {
                self.wallet.void(&call, OfHold { hold: order.hold(attempt) }).await?;
            }
        }
        Ok(())
    }

    fn reserve(&self, order: &Placing) -> Result<Reserve, ShopError> {
        let line = |line: &super::order::LineRow| {
            let quantity = Quantity::new(line.quantity).ok_or(Outage::Internal)?;
            Ok(ReserveLine { sku: Sku::stored(line.sku.clone()), quantity })
        };
        let lines: Result<Vec<ReserveLine>, ShopError> = order.lines.iter().map(line).collect();
        Ok(Reserve {
            id: order.reservation(),
            order: order.row.id.clone(),
            lines: lines?,
            expires_in_secs: self.settings.reservation_secs,
        })
    }

    fn hold(&self, order: &Placing, attempt: i32) -> Result<Hold, ShopError> {
        let total = order.total().map_err(Failure::into_fault)?;
        let amount = PositiveMoney::new(total).ok_or(ShopError::Outage(Outage::Internal))?;
        Ok(Hold {
            id: order.hold(attempt),
            order: order.row.id.clone(),
            buyer: order.row.buyer.clone(),
            amount,
            expires_in_secs: self.settings.hold_secs,
        })
    }
}

/// Takes in what became of a command; an error says that the order is put off.
pub(super) fn learn(
    order: &str,
    saga: &mut Saga,
    command: Command,
    answer: Result<(), ShopError>,
) -> Result<(), ShopError> {
    match answer {
        Ok(()) => saga.done(command),
        // A timeout is unknown, never a refusal: the same id is sent again later.
        Err(error) if error.outage().is_some() => return Err(error),
        Err(refusal) => take_refusal(order, saga, command, refusal)?,
    }
    Ok(())
}

/// Undoing cannot be refused; that it was says that an invariant is broken, and the order stays for people to look at.
fn take_refusal(order: &str, saga: &mut Saga, command: Command, refusal: ShopError) -> Result<(), ShopError> {
    if matches!(command, Command::Release | Command::Void(_)) {
        tracing::error!(order, ?command, %refusal, "an order cannot be undone");
        return Err(Outage::Internal.into());
    }
    let ended = has_ended(&refusal);
    let cause = Cause::of(match refusal {
        // That a reservation or hold ran out is the shop's affair, not the buyer's.
        _ if ended => ShopError::OrderCancelled,
        ShopError::Inventory(InventoryError::UnknownSku { sku }) => ShopError::UnknownSku { sku },
        other => other,
    });
    saga.refused(command, cause, ended);
    Ok(())
}

fn has_ended(refusal: &ShopError) -> bool {
    let reservation = matches!(refusal, ShopError::Inventory(InventoryError::ReservationEnded { .. }));
    reservation || matches!(refusal, ShopError::Wallet(WalletError::HoldEnded { .. }))
}
