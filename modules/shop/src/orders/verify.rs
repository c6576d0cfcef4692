//! Proving that orders, stock and money tell the same story.

use std::collections::HashMap;

use diesel::dsl::{count_star, max};
use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_database::walk::Span;
use emporium_inventory_api::{AskReservations, ReservationState};
use emporium_kernel::{Audit, Call, Timestamp};
use emporium_wallet_api::{AskHolds, HoldState, HoldStatus};

use super::order::{OrderRow, OrderStatus, Placing, Step, hold_of, reservation_of, with_lines};
use crate::error::Done;
use crate::patience::patiently;
use crate::schema::{order_event, orders};
use crate::{Shop, ShopError};

const CHUNK: i64 = 100;
/// An order that is not finished after so long is not being recovered.
const OVERDUE: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// One chunk of orders with the number of events each has.
struct Chunk {
    orders: Vec<Placing>,
    events: HashMap<String, i64>,
}

/// What the neighbours say of a chunk.
struct Neighbours {
    reservations: HashMap<String, ReservationState>,
    holds: HashMap<String, HoldStatus>,
}

impl Shop {
    /// Checks every order that there is when it begins against itself, its stock and its money.
    pub async fn verify(&self, call: &Call) -> Result<Audit, ShopError> {
        let (mut audit, now) = (Audit::default(), self.clock.now());
        let mut ids = self.database.read_aside(all).await?;
        loop {
            let next = ids.clone();
            let chunk = self.database.read_aside(move |db| chunk(db, &next)).await?;
            let more = ids.pass(&chunk.orders, CHUNK, |order| order.row.id.clone());
            audit.looked_at(chunk.orders.len());
            let ask = async |call: Call| self.ask_neighbours(&call, &chunk.orders).await;
            let neighbours = patiently(call, ask).await?;
            for order in &chunk.orders {
                check_itself(&mut audit, order, &chunk.events, now);
                if order.row.step == Step::Done.name() {
                    check_stock(&mut audit, order, &neighbours);
                    check_money(&mut audit, order, &neighbours);
                }
            }
            if !more {
                return Ok(audit);
            }
        }
    }

    async fn ask_neighbours(&self, call: &Call, orders: &[Placing]) -> Result<Neighbours, ShopError> {
        let reservations = orders.iter().map(|order| reservation_of(&order.row.id)).collect();
        let holds = orders.iter().flat_map(|o| (1..=o.row.hold_attempt).map(|n| hold_of(&o.row.id, n))).collect();
        let reservations = self.inventory.reservations(call, AskReservations { ids: reservations }).await?;
        let holds = self.wallet.holds(call, AskHolds { ids: holds }).await?;
        Ok(Neighbours {
            reservations: reservations.into_iter().map(|r| (r.id.to_string(), r.state)).collect(),
            holds: holds.into_iter().map(|hold| (hold.id.to_string(), hold)).collect(),
        })
    }
}

/// All orders there are. Who followed what is placed meanwhile might never end.
fn all(db: &mut Db) -> Done<Span<String>> {
    Ok(Span::up_to(orders::table.select(max(orders::id)).first(db)?))
}

fn chunk(db: &mut Db, ids: &Span<String>) -> Done<Chunk> {
    let next = orders::id.gt(&ids.after).and(orders::id.le(&ids.until));
    let rows: Vec<OrderRow> = orders::table.filter(next).order(orders::id).limit(CHUNK).load(db)?;
    let ids: Vec<&String> = rows.iter().map(|row| &row.id).collect();
    let counted: Vec<(String, i64)> = order_event::table
        .filter(order_event::order_id.eq_any(ids))
        .group_by(order_event::order_id)
        .select((order_event::order_id, count_star()))
        .load(db)?;
    Ok(Chunk { orders: with_lines(db, rows)?, events: counted.into_iter().collect() })
}

fn check_itself(audit: &mut Audit, order: &Placing, events: &HashMap<String, i64>, now: Timestamp) {
    let row = &order.row;
    let sum: i64 = order.lines.iter().map(|line| line.total).sum();
    if sum != row.total {
        audit.find("order_total_is_sum_of_lines", &row.id, format!("total {}, lines {sum}", row.total));
    }
    let told = events.get(&row.id).copied().unwrap_or(0);
    if told != row.version {
        audit.find("order_version_is_count_of_events", &row.id, format!("version {}, events {told}", row.version));
    }
    let age = now.since(Timestamp::from_micros(row.created_at));
    if row.step != Step::Done.name() && age > OVERDUE {
        audit.find("order_is_finished_in_time", &row.id, format!("{} for {} s", row.step, age.as_secs()));
    }
}

fn check_stock(audit: &mut Audit, order: &Placing, neighbours: &Neighbours) {
    let state = neighbours.reservations.get(reservation_of(&order.row.id).as_str()).copied();
    let taken = state == Some(ReservationState::Committed);
    let promised = state == Some(ReservationState::Reserved);
    let cancelled = order.row.status == OrderStatus::Cancelled.name();
    if taken == cancelled || promised {
        let detail = format!("order {}, reservation {state:?}", order.row.status);
        audit.find("placed_order_has_committed_stock", &order.row.id, detail);
    }
}

fn check_money(audit: &mut Audit, order: &Placing, neighbours: &Neighbours) {
    let row = &order.row;
    let hold = |attempt| neighbours.holds.get(hold_of(&row.id, attempt).as_str());
    let captured: Vec<&HoldStatus> =
        (1..=row.hold_attempt).filter_map(hold).filter(|hold| hold.state == HoldState::Captured).collect();
    let open = (1..=row.hold_attempt).filter_map(hold).any(|hold| hold.state == HoldState::Held);
    let cancelled = row.status == OrderStatus::Cancelled.name();
    let expected = usize::from(!cancelled && row.total > 0);
    let paid = captured.iter().all(|hold| hold.amount.is_some_and(|amount| amount.amount() == row.total));
    if captured.len() != expected || !paid || open {
        let detail = format!("order {}, {} captures, total {}", row.status, captured.len(), row.total);
        audit.find("placed_order_is_paid_once", &row.id, detail);
    }
}
