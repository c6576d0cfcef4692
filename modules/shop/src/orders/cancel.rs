//! Cancelling: a compare-and-set from pending to aborting; from `committed` on it is refused.

use std::sync::Arc;

use emporium_database::idempotency::{self, Seen};
use emporium_database::{Db, Failure, Lane, overtaken, refuse};
use emporium_kernel::{Caller, Idempotency, Timestamp};
use emporium_shop_api::OrderId;

use super::order::{Placing, Step, find};
use super::place::{Placement, Started};
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
        let command = self.random.token::<16>();
        let cancel = move |db: &mut Db| match idempotency::seen(db, &key)? {
            Seen::Never => {
                idempotency::point(db, &key, id.as_str(), now)?;
                idempotency::already_applied::<ShopError>(db, &command, now)?;
                let order = own(db, id.as_str(), (!staff).then_some(actor.as_str()))?;
                Ok(Cancelled::Now(begin(db, order, reason, &actor, now, lease)?))
            }
            // This very request was carried out before, and only its commit was in doubt.
            Seen::Target(target) if target == id.as_str() && idempotency::was_applied(db, &command)? => {
                Ok(Cancelled::Now(own(db, &target, (!staff).then_some(actor.as_str()))?))
            }
            Seen::Target(target) if target == id.as_str() => {
                Ok(Cancelled::Before(own(db, &target, (!staff).then_some(actor.as_str()))?))
            }
            Seen::Target(_) | Seen::Answered(_) | Seen::Reused => Ok(Cancelled::KeyReused),
        };
        let shop = self.clone();
        let begin = async move {
            Ok(match shop.database.write_step("cancel_order", Lane::New, cancel).await? {
                Cancelled::Now(order) => shop.start(order, None),
                Cancelled::Before(order) => Started::answered(before(order)?),
                Cancelled::KeyReused => Started::answered(Placement::KeyReused),
            })
        };
        self.in_task(begin).await
    }
}

/// The answer to a repeated key.
fn before(order: Placing) -> Result<Placement, ShopError> {
    let (done, accepted) = (order.row.step == Step::Done.name(), order.row.accepted == 1);
    let view = |order: Placing| order.view().map_err(Failure::into_fault);
    match (done, accepted) {
        (true, _) => Ok(Placement::Finished { order: view(order)?, refusal: None, replayed: true }),
        (false, true) => Ok(Placement::Accepted(view(order)?)),
        (false, false) => Ok(Placement::InProgress),
    }
}

/// The order, when it is the buyer's; any order for `None`.
pub(crate) fn own(db: &mut Db, id: &str, buyer: Option<&str>) -> Done<Placing> {
    let order = find(db, id)?.filter(|order| buyer.is_none_or(|buyer| order.row.buyer == buyer));
    order.map_or_else(|| refuse(ShopError::NotFound), Ok)
}

fn begin(db: &mut Db, order: Placing, reason: &str, actor: &str, now: Timestamp, lease: Timestamp) -> Done<Placing> {
    if order.step()? != Step::Pending {
        return not_allowed(&order);
    }
    let cause = Cause { reason: reason.to_owned(), refusal: None };
    // Another was faster: whatever it did, it is not undone, and even if it aborted, it did so for a cause of its own.
    take(db, &order, Transition::Abort(cause), actor, now, lease)?.map_or_else(overtaken, Ok)
}

fn not_allowed<T>(order: &Placing) -> Done<T> {
    let done = order.step()? == Step::Done;
    let order_status = if done { order.row.status.clone() } else { order.row.step.clone() };
    refuse(ShopError::NotAllowed { order_status, allowed_actions: Vec::new() })
}
