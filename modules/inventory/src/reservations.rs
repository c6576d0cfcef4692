//! Reservations: stock promised to an order, then taken off the shelf or given back.

mod list;
mod reserve;

use std::collections::BTreeSet;
use std::time::Duration;

use emporium_database::prelude::*;
use emporium_database::{Db, Failure, StorageError, overtaken, refuse, savepoint};
use emporium_inventory_api::lifecycle::Request;
use emporium_inventory_api::{InventoryError, Reservation, ReservationId, ReservationState};
use emporium_kernel::{Timestamp, Verdict};

use crate::error::Done;
use crate::items;
use crate::levels::{self, ANY, Change, MOST, Shelf};
use crate::locations::{self, MAIN};
use crate::movements::{Cause, CauseKind, Kind};
use crate::schema::{reservation, reservation_line};

use ReservationState::{Committed, Expired, Refused, Released, Reserved, Returned, Tombstone};

pub use list::{Held, HeldLine, ReservationFilter};
pub(crate) use list::{list, states};
pub(crate) use reserve::{Wanted, reserve};

/// Expires due reservations, at most `at_once`; how many there were.
pub(crate) fn expire_due(db: &mut Db, at_once: u16, now: Timestamp) -> Done<usize> {
    let due = reservation::state.eq(name(Reserved)).and(reservation::expires_at.le(now.micros()));
    let ids: Vec<String> = reservation::table
        .filter(due)
        .select(reservation::id)
        .order((reservation::expires_at, reservation::id))
        .limit(at_once.clamp(1, 500).into())
        .load(db)?;
    expire_each(db, &ids, now)
}

/// How many were expired. One that cannot be is left for `verify` to explain, so that the others go on.
fn expire_each(db: &mut Db, ids: &[String], now: Timestamp) -> Done<usize> {
    let mut expired = 0;
    for id in ids {
        match savepoint(db, |db| expire(db, id, now)) {
            Ok(()) => expired += 1,
            Err(Failure::Storage(error @ StorageError::Corrupt(_))) => {
                tracing::error!(reservation = id, %error, "a reservation could not be expired");
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(expired)
}

fn expire(db: &mut Db, id: &str, now: Timestamp) -> Done<()> {
    settle(db, &ReservationId::stored(id.to_owned()), Request::Expire, now).map(drop)
}

/// Takes reserved stock off the shelf. Repeating it changes nothing.
pub(crate) fn commit(db: &mut Db, id: &ReservationId, now: Timestamp) -> Done<Reservation> {
    settle(db, id, Request::Commit, now)
}

/// Gives reserved or committed stock back, or remembers that it must not be reserved when it is asked for later.
pub(crate) fn release(db: &mut Db, id: &ReservationId, now: Timestamp) -> Done<Reservation> {
    settle(db, id, Request::Release, now)
}

/// Does to a reservation what the rule of its life says.
fn settle(db: &mut Db, id: &ReservationId, request: Request, now: Timestamp) -> Done<Reservation> {
    for _ in 0..TRIES {
        let state = state(db, id)?;
        match ReservationState::verdict(state, request) {
            Verdict::Stays(state) => return Ok(Reservation { id: id.clone(), state }),
            Verdict::Ended(state) => return refuse(InventoryError::ReservationEnded { state }),
            Verdict::Unknown => return refuse(InventoryError::UnknownReservation),
            Verdict::Becomes(next) if take_step(db, id, state, next, now)? => {
                return Ok(Reservation { id: id.clone(), state: next });
            }
            Verdict::Becomes(_) => {}
        }
    }
    overtaken()
}

/// How often a reservation is looked at again that others change meanwhile.
const TRIES: usize = 8;

/// Changes the state and moves the stock that goes with it; `false` when another was faster.
fn take_step(
    db: &mut Db,
    id: &ReservationId,
    from: Option<ReservationState>,
    to: ReservationState,
    now: Timestamp,
) -> Done<bool> {
    let Some(from) = from else { return bury(db, id, now) };
    if !compare_and_set(db, id.as_str(), from, to, now)? {
        return Ok(false);
    }
    let kind = match to {
        Committed => Kind::Commit,
        Returned => Kind::Return,
        Expired => Kind::Expire,
        Released => Kind::Release,
        Reserved | Refused | Tombstone => return Err(Failure::corrupt(format_args!("{id} was {}", name(to)))),
    };
    move_lines(db, id.as_str(), kind, now)?;
    Ok(true)
}

/// How long a tombstone stands: longer than any message can be on its way.
const TOMBSTONE_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Makes whoever asks for this reservation later be refused; `false` when it arrived in between.
fn bury(db: &mut Db, id: &ReservationId, now: Timestamp) -> Done<bool> {
    let row = (
        reservation::id.eq(id.as_str()),
        reservation::order_id.eq(""),
        reservation::state.eq(name(Tombstone)),
        reservation::fingerprint.eq(""),
        reservation::expires_at.eq(now.plus(TOMBSTONE_KEPT).micros()),
        reservation::created_at.eq(now.micros()),
        reservation::updated_at.eq(now.micros()),
    );
    match diesel::insert_into(reservation::table).values(row).execute(db).map_err(Failure::from) {
        Err(failure) if failure.is_duplicate() => Ok(false),
        inserted => inserted.map(|_| true),
    }
}

/// Removes tombstones that no late message can need any more, at most 500 at once.
pub(crate) fn prune_tombstones(db: &mut Db, now: Timestamp) -> Done<usize> {
    let old = || reservation::state.eq(name(Tombstone)).and(reservation::expires_at.le(now.micros()));
    let ids: Vec<String> = reservation::table.filter(old()).select(reservation::id).limit(500).load(db)?;
    diesel::delete(reservation::table.filter(reservation::id.eq_any(&ids).and(old()))).execute(db)?;
    Ok(ids.len())
}

/// Compare-and-set of the state; `false` when it was another.
fn compare_and_set(db: &mut Db, id: &str, from: ReservationState, to: ReservationState, now: Timestamp) -> Done<bool> {
    let row = reservation::table.filter(reservation::id.eq(id).and(reservation::state.eq(name(from))));
    let set = (reservation::state.eq(name(to)), reservation::updated_at.eq(now.micros()));
    Ok(diesel::update(row).set(set).execute(db)? > 0)
}

pub(crate) fn state(db: &mut Db, id: &ReservationId) -> Done<Option<ReservationState>> {
    let state: Option<String> = reservation::table.find(id.as_str()).select(reservation::state).first(db).optional()?;
    state.as_deref().map(stored).transpose()
}

fn cause(order: &str, at: Timestamp) -> Cause<'_> {
    Cause { kind: CauseKind::Order, id: order, actor: None, reason: None, at }
}

struct Line {
    sku: String,
    location: String,
    quantity: i64,
    order: String,
}

/// Changes the levels of all lines of a reservation, in the order in which stock is locked.
fn move_lines(db: &mut Db, id: &str, kind: Kind, now: Timestamp) -> Done<()> {
    let rows: Vec<(String, String, i64, String)> = reservation_line::table
        .inner_join(reservation::table)
        .filter(reservation_line::reservation.eq(id))
        .select((reservation_line::sku, reservation_line::location, reservation_line::quantity, reservation::order_id))
        .order((reservation_line::sku, reservation_line::location))
        .load(db)?;
    let mut lines: Vec<Line> =
        rows.into_iter().map(|(sku, location, quantity, order)| Line { sku, location, quantity, order }).collect();
    if kind == Kind::Return {
        take_places(db, &mut lines)?;
    }
    let mut changed = Vec::new();
    for line in &lines {
        changed.push(move_line(db, line, kind, now)?);
    }
    items::watch(db, &changed, now)
}

fn move_line(db: &mut Db, line: &Line, kind: Kind, now: Timestamp) -> Done<Shelf> {
    let (on_hand, reserved) = match kind {
        Kind::Commit => (-line.quantity, -line.quantity),
        Kind::Return => (line.quantity, 0),
        _ => (0, -line.quantity),
    };
    let change = Change { sku: &line.sku, location: &line.location, kind, on_hand, reserved };
    let cause = cause(&line.order, now);
    match levels::change(db, &change, ANY, cause)? {
        Some(shelf) => Ok(shelf),
        None if kind == Kind::Return => put_back(db, &change, cause),
        None => Err(Failure::corrupt(format_args!("{} of {} are not reserved", line.quantity, line.sku))),
    }
}

/// Takes the places where returned goods are put, before any stock is locked, as who adjusts it does: where they came from,
/// or the default location when that was removed meanwhile.
fn take_places(db: &mut Db, lines: &mut [Line]) -> Done<()> {
    let from: BTreeSet<String> = lines.iter().map(|line| line.location.clone()).collect();
    for place in from {
        match locations::keep(db, &place) {
            Ok(()) => {}
            Err(Failure::Refused(_)) => {
                let gone = lines.iter_mut().filter(|line| line.location == place);
                gone.for_each(|line| MAIN.clone_into(&mut line.location));
            }
            Err(failure) => return Err(failure),
        }
    }
    lines.sort_by(|one, other| (&one.sku, &one.location).cmp(&(&other.sku, &other.location)));
    Ok(())
}

/// Returned goods have no row there, or it is full.
fn put_back(db: &mut Db, change: &Change<'_>, cause: Cause<'_>) -> Done<Shelf> {
    levels::ensure(db, change.sku, change.location)?;
    match levels::change(db, change, ANY, cause)? {
        Some(shelf) => Ok(shelf),
        None if levels::ensure(db, change.sku, change.location)?.on_hand + change.on_hand <= MOST => overtaken(),
        None => refuse(InventoryError::TooMuch { sku: change.sku.to_owned() }),
    }
}

/// The name of a state in the database.
pub(crate) fn name(state: ReservationState) -> &'static str {
    match state {
        Reserved => "reserved",
        Committed => "committed",
        Released => "released",
        Returned => "returned",
        Expired => "expired",
        Refused => "refused",
        Tombstone => "tombstone",
    }
}

pub(crate) fn stored(text: &str) -> Done<ReservationState> {
    let all = [Reserved, Committed, Released, Returned, Expired, Refused, Tombstone];
    let found = all.into_iter().find(|state| name(*state) == text);
    found.ok_or_else(|| Failure::corrupt(format_args!("{text} is no state of a reservation")))
}
