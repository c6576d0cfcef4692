//! Cancelling: a compare-and-set from pending to aborting; from `committed` on it is refused.

use std::sync::Arc;

use emporium_database::idempotency::{self, Seen};
use emporium_database::{Db, Failure, refuse};
use emporium_kernel::{Caller, Idempotency, Timestamp};
use emporium_shop_api::OrderId;

use super::order::{Placing, Step, find};
use super::place::Placement;
use super::saga::{Cause, Transition};
use super::transitions::take;
use crate::error::Done;
use crate::{Shop, ShopError};

/// Who cancels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canceller {
    /// The buyer, an own order.
    Buyer,
    /// Staff, any order.
    Staff,
}

enum Cancelled {
    Now(Placing),
    Before(Placing),
    KeyReused,
}

impl Shop {
    /// Cancels an order that is still being placed.
    pub async fn cancel(
        self: &Arc<Self>,
        caller: &Caller,
        by: Canceller,
        key: Idempotency,
        id: &OrderId,
    ) -> Result<Placement, ShopError> {
        let reason = match by {
            Canceller::Buyer => "cancelled_by_customer",
            Canceller::Staff => "cancelled_by_staff",
        };
        let (id, actor, staff) = (id.clone(), caller.id.clone(), by == Canceller::Staff);
        let (now, lease) = (self.clock.now(), self.lease_from_now());
        let begun = self
            .database
            .write(move |db| match idempotency::seen(db, &key)? {
                Seen::Never => {
                    let order = own(db, id.as_str(), (!staff).then_some(actor.as_str()))?;
                    let order = begin(db, order, reason, &actor, now, lease)?;
                    idempotency::point(db, &key, id.as_str(), now)?;
                    Ok(Cancelled::Now(order))
                }
                Seen::Target(target) if target == id.as_str() => {
                    Ok(Cancelled::Before(own(db, &target, (!staff).then_some(actor.as_str()))?))
                }
                Seen::Target(_) | Seen::Answered(_) | Seen::Reused => Ok(Cancelled::KeyReused),
            })
            .await?;
        match begun {
            Cancelled::KeyReused => Ok(Placement::KeyReused),
            Cancelled::Now(order) => self.drive_and_wait(order).await,
            Cancelled::Before(order) if order.row.step != Step::Done.name() => {
                Ok(Placement::Accepted(order.view().map_err(Failure::into_fault)?))
            }
            Cancelled::Before(order) => {
                let order = order.view().map_err(Failure::into_fault)?;
                Ok(Placement::Finished { order, refusal: None, replayed: true })
            }
        }
    }
}

/// The order, when it is the buyer's; any order for `None`.
pub(crate) fn own(db: &mut Db, id: &str, buyer: Option<&str>) -> Done<Placing> {
    let order = find(db, id)?.filter(|order| buyer.is_none_or(|buyer| order.row.buyer == buyer));
    order.map_or_else(|| refuse(ShopError::NotFound), Ok)
}

fn begin(db: &mut Db, order: Placing, reason: &str, actor: &str, now: Timestamp, lease: Timestamp) -> Done<Placing> {
    if order.step()? != Step::Pending {
        let done = order.step()? == Step::Done;
        let order_status = if done { order.row.status.clone() } else { order.row.step.clone() };
        return refuse(ShopError::NotAllowed { order_status, allowed_actions: Vec::new() });
    }
    let cause = Cause { reason: reason.to_owned(), refusal: None };
    take(db, &order, Transition::Abort(cause), actor, now, lease)
}
