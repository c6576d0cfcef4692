//! Reservations as neighbours and people look at them.

use std::collections::BTreeMap;

use diesel::dsl::not;
use diesel::prelude::*;
use emporium_database::{Db, is, pair};
use emporium_inventory_api::{LocationId, Reservation, ReservationId, ReservationState, Sku};
use emporium_kernel::{Cursor, Limit, Newest, Page, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{name, stored};
use crate::error::Done;
use crate::schema::{Backend, reservation, reservation_line};

/// How many reservations one statement asks for.
const AT_ONCE: usize = 1_000;

/// Where reservations stand; unknown ones are left out.
pub(crate) fn states(db: &mut Db, ids: &[ReservationId]) -> Done<Vec<Reservation>> {
    let names: Vec<&str> = ids.iter().map(ReservationId::as_str).collect();
    let mut found = Vec::new();
    for some in names.chunks(AT_ONCE) {
        let rows: Vec<(String, String)> = reservation::table
            .filter(reservation::id.eq_any(some))
            .select((reservation::id, reservation::state))
            .load(db)?;
        for (id, state) in rows {
            found.push(Reservation { id: ReservationId::stored(id), state: stored(&state)? });
        }
    }
    Ok(found)
}

/// Which reservations to list.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReservationFilter {
    /// In this state.
    pub state: Option<ReservationState>,
    /// For this order.
    pub order: Option<String>,
    /// The only order there is.
    pub sort: Option<Newest>,
    /// Rows of a page.
    #[serde(default)]
    pub limit: Limit,
    /// Where the page begins.
    pub after: Option<Cursor<(i64, String)>>,
}

/// What a reservation holds or held of one SKU at one location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HeldLine {
    /// What.
    pub sku: Sku,
    /// Where.
    pub location: LocationId,
    /// How many.
    pub quantity: i64,
}

/// A reservation with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Held {
    /// Its id.
    pub id: ReservationId,
    /// The order it is for; `null` when it was released before it arrived.
    pub order: Option<String>,
    /// Where it stands.
    pub state: ReservationState,
    /// What it holds or held; empty when it was refused.
    pub lines: Vec<HeldLine>,
    /// When it expires unless it is committed first.
    pub expires_at: Timestamp,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its state changed last.
    pub updated_at: Timestamp,
}

type Row = (String, String, String, i64, i64, i64);

/// A page of reservations, newest first.
pub(crate) fn list(db: &mut Db, filter: ReservationFilter) -> Done<Page<Held>> {
    let mut query = reservation::table
        .select((
            reservation::id,
            reservation::order_id,
            reservation::state,
            reservation::expires_at,
            reservation::created_at,
            reservation::updated_at,
        ))
        .limit(filter.limit.probe())
        .into_boxed::<Backend>();
    if let Some(order) = filter.order {
        if order.is_empty() {
            // What was never asked for has no order; there may be very many.
            return Ok(Page { data: Vec::new(), next_cursor: None, total: None });
        }
        query = query.filter(is(reservation::order_id, order)).order(reservation::order_id.desc());
        // An order has few.
        query = match filter.state {
            Some(state) => query.filter(not(reservation::state.ne(name(state)))),
            None => query,
        };
    } else if let Some(state) = filter.state {
        query = query.filter(is(reservation::state, name(state))).order(reservation::state.desc());
    }
    if let Some(Cursor((at, id))) = filter.after {
        query = query.filter(pair(reservation::created_at, reservation::id).lt((at, id)));
    }
    let newest = query.then_order_by((reservation::created_at.desc(), reservation::id.desc()));
    let rows: Vec<Row> = newest.load(db)?;
    let mut lines = lines(db, &rows)?;
    let held: Vec<Held> = rows.into_iter().map(|row| read(row, &mut lines)).collect::<Done<_>>()?;
    Ok(Page::of(held, filter.limit, |held| (held.created_at.micros(), held.id.to_string())))
}

fn lines(db: &mut Db, rows: &[Row]) -> Done<BTreeMap<String, Vec<HeldLine>>> {
    let ids: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let found: Vec<(String, String, String, i64)> = reservation_line::table
        .filter(reservation_line::reservation.eq_any(ids))
        .order((reservation_line::reservation, reservation_line::sku, reservation_line::location))
        .load(db)?;
    let mut lines: BTreeMap<String, Vec<HeldLine>> = BTreeMap::new();
    for (id, sku, location, quantity) in found {
        let line = HeldLine { sku: Sku::stored(sku), location: LocationId::stored(location), quantity };
        lines.entry(id).or_default().push(line);
    }
    Ok(lines)
}

fn read(row: Row, lines: &mut BTreeMap<String, Vec<HeldLine>>) -> Done<Held> {
    let (id, order, state, expires_at, created_at, updated_at) = row;
    Ok(Held {
        lines: lines.remove(&id).unwrap_or_default(),
        id: ReservationId::stored(id),
        order: Some(order).filter(|order| !order.is_empty()),
        state: stored(&state)?,
        expires_at: Timestamp::from_micros(expires_at),
        created_at: Timestamp::from_micros(created_at),
        updated_at: Timestamp::from_micros(updated_at),
    })
}
