//! The durable points of an order: each a compare-and-set on its version, with its event and outbox row.

use std::sync::Arc;

use emporium_database::prelude::*;
use emporium_database::{Db, Failure, Lane, outbox};
use emporium_kernel::Timestamp;
use serde_json::{Value, json};

use super::cancel::own;
use super::order::{OrderStatus, PaymentStatus, Placing};
use super::saga::{Point, Transition};
use crate::error::Done;
use crate::schema::{order_event, orders};
use crate::{Shop, ShopError};

/// Who does what the saga does.
pub(crate) const SAGA: &str = "saga";

impl Shop {
    /// Takes a durable point. When another took one first, the order as it stands now comes back instead.
    pub(crate) async fn record(self: &Arc<Self>, order: Placing, transition: Transition) -> Result<Placing, ShopError> {
        let (now, lease) = (self.clock.now(), self.lease_from_now());
        let step = transition.name();
        self.database
            .write_step(step, Lane::Continuation, move |db| {
                match take(db, &order, transition.clone(), SAGA, now, lease)? {
                    Some(order) => Ok(order),
                    None => own(db, &order.row.id, None),
                }
            })
            .await
    }

    /// Until when the order is left to the one who drives it now.
    pub(crate) fn lease_from_now(&self) -> Timestamp {
        self.clock.now().plus(std::time::Duration::from_secs(self.settings.lease_secs))
    }
}

/// Takes a durable point in the surrounding transaction; `None` when another took one first.
pub(crate) fn take(
    db: &mut Db,
    order: &Placing,
    transition: Transition,
    actor: &str,
    now: Timestamp,
    lease: Timestamp,
) -> Done<Option<Placing>> {
    let payment = PaymentStatus::stored(&order.row.payment_status)?;
    let point = Point::of(transition, payment, order.row.hold_attempt);
    let mut next = order.clone();
    let row = &mut next.row;
    row.status = point.status.name().to_owned();
    row.payment_status = point.payment.name().to_owned();
    row.step = point.step.name().to_owned();
    row.hold_attempt = point.hold_attempt;
    row.version += 1;
    row.lease_until = lease.micros();
    row.updated_at = now.micros();
    row.last_error = None;
    if let Some(cause) = &point.cause {
        row.cancel_reason = Some(cause.reason.clone());
        row.refusal = cause.refusal.as_ref().map(serde_json::to_string).transpose().map_err(Failure::corrupt)?;
    }
    if point.status == OrderStatus::Cancelled {
        row.live_cart = None;
    }
    if !compare_and_set(db, order.row.version, row)? {
        return Ok(None);
    }
    tell(db, &next, point.kind, actor, now)?;
    Ok(Some(next))
}

fn compare_and_set(db: &mut Db, seen: i64, row: &super::order::OrderRow) -> Done<bool> {
    let same = orders::table.filter(orders::id.eq(&row.id).and(orders::version.eq(seen)));
    let changed = diesel::update(same)
        .set((
            orders::status.eq(&row.status),
            orders::payment_status.eq(&row.payment_status),
            orders::step.eq(&row.step),
            orders::hold_attempt.eq(row.hold_attempt),
            orders::version.eq(row.version),
            orders::lease_until.eq(row.lease_until),
            orders::updated_at.eq(row.updated_at),
            orders::last_error.eq(&row.last_error),
            orders::cancel_reason.eq(&row.cancel_reason),
            orders::refusal.eq(&row.refusal),
            orders::live_cart.eq(&row.live_cart),
        ))
        .execute(db)?;
    Ok(changed == 1)
}

/// Writes the event of the version that the order has now, and tells the neighbours.
pub(crate) fn tell(db: &mut Db, order: &Placing, kind: &str, actor: &str, now: Timestamp) -> Done<()> {
    let row = &order.row;
    let detail = row.cancel_reason.as_ref().map_or(Value::Object(serde_json::Map::new()), |r| json!({"reason": r}));
    let event = (
        order_event::order_id.eq(&row.id),
        order_event::version.eq(row.version),
        order_event::kind.eq(kind),
        order_event::actor.eq(actor),
        order_event::detail.eq(detail.to_string()),
        order_event::created_at.eq(now.micros()),
    );
    diesel::insert_into(order_event::table).values(event).execute(db)?;
    let body = json!({"status": row.status, "payment_status": row.payment_status, "customer": row.buyer});
    outbox::put(db, &format!("order.{kind}"), &row.id, &body, now)
}
