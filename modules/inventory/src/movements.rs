//! Movements: the append-only story of every level.

use diesel::dsl::not;
use diesel::prelude::*;
use emporium_database::{Db, Failure, outbox};
use emporium_inventory_api::{LocationId, Sku};
use emporium_kernel::{Cursor, Limit, Newest, Page, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Done;
use crate::items;
use crate::levels::{Change, Shelf};
use crate::schema::{Backend, item, movement};

/// Declares an enum whose names are stored and sent.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_meta])* $variant),* }

        impl $name {
            /// The name in the database and on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            pub(crate) fn stored(name: &str) -> Done<Self> {
                match name {
                    $($text => Ok(Self::$variant),)*
                    other => Err(Failure::corrupt(format_args!("{other} is no {}", stringify!($name)))),
                }
            }
        }
    };
}

named!(
    /// What kind of change a movement is.
    Kind {
        /// Goods came in: an adjustment that adds.
        Receive = "receive",
        /// Goods were counted or written off.
        Adjust = "adjust",
        /// Promised to an order.
        Reserve = "reserve",
        /// Given back by an order that did not take it.
        Release = "release",
        /// Taken off the shelf by an order.
        Commit = "commit",
        /// Put back on the shelf after it was taken off.
        Return = "return",
        /// Given back because nobody committed it in time.
        Expire = "expire",
        /// Left for another location.
        TransferOut = "transfer_out",
        /// Came from another location.
        TransferIn = "transfer_in",
    }
);

named!(
    /// What makes stock change.
    CauseKind {
        /// An order.
        Order = "order",
        /// An adjustment by a person or an import.
        Adjustment = "adjustment",
        /// A transfer between two locations.
        Transfer = "transfer",
    }
);

/// Why, by whom and when stock changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause<'a> {
    pub(crate) kind: CauseKind,
    pub(crate) id: &'a str,
    pub(crate) actor: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) at: Timestamp,
}

#[derive(Serialize)]
struct Changed<'a> {
    sku: &'a str,
    location: &'a str,
    on_hand: i64,
    reserved: i64,
    available: i64,
    supplier: Option<&'a str>,
    kind: &'static str,
}

/// Notes a change and tells of it.
pub(crate) fn note(db: &mut Db, change: &Change<'_>, after: &Shelf, cause: Cause<'_>) -> Done<()> {
    let row = (
        movement::sku.eq(change.sku),
        movement::location.eq(change.location),
        movement::version.eq(after.version),
        movement::kind.eq(change.kind.name()),
        movement::delta_on_hand.eq(change.on_hand),
        movement::delta_reserved.eq(change.reserved),
        movement::on_hand.eq(after.on_hand),
        movement::reserved.eq(after.reserved),
        movement::cause_kind.eq(cause.kind.name()),
        movement::cause.eq(cause.id),
        movement::actor.eq(cause.actor),
        movement::reason.eq(cause.reason),
        movement::at.eq(cause.at.micros()),
    );
    diesel::insert_into(movement::table).values(row).execute(db)?;
    let event = Changed {
        sku: change.sku,
        location: change.location,
        on_hand: after.on_hand,
        reserved: after.reserved,
        available: after.on_hand - after.reserved,
        supplier: after.supplier.as_deref(),
        kind: change.kind.name(),
    };
    outbox::put(db, "stock.changed", change.sku, &event, cause.at)
}

/// Which movements to list.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MovementFilter {
    /// Of this SKU.
    pub sku: Option<Sku>,
    /// At this location.
    pub location: Option<LocationId>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Caused by this order, adjustment or transfer.
    pub cause: Option<String>,
    /// The only order there is.
    pub sort: Option<Newest>,
    /// Rows of a page.
    #[serde(default)]
    pub limit: Limit,
    /// Where the page begins.
    pub after: Option<Cursor<i64>>,
}

/// What made stock change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MovementCause {
    /// What kind of thing.
    pub kind: CauseKind,
    /// Its id.
    pub id: String,
}

/// One change of the stock of a SKU at a location, and what it led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Movement {
    /// Its place in the story; of the same stock, later ones have larger numbers.
    pub number: i64,
    /// What.
    pub sku: Sku,
    /// Where.
    pub location: LocationId,
    /// What kind of change.
    pub kind: Kind,
    /// By how much on hand changed.
    pub delta_on_hand: i64,
    /// By how much reserved changed.
    pub delta_reserved: i64,
    /// On hand afterwards.
    pub on_hand: i64,
    /// Reserved afterwards.
    pub reserved: i64,
    /// What made it change.
    pub cause: MovementCause,
    /// Who did it; `null` for orders.
    pub actor: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

#[derive(Queryable)]
struct Row {
    seq: i64,
    sku: String,
    location: String,
    _version: i64,
    kind: String,
    delta_on_hand: i64,
    delta_reserved: i64,
    on_hand: i64,
    reserved: i64,
    cause_kind: String,
    cause: String,
    actor: Option<String>,
    reason: Option<String>,
    at: i64,
}

impl Row {
    fn read(self) -> Done<Movement> {
        Ok(Movement {
            number: self.seq,
            sku: Sku::stored(self.sku),
            location: LocationId::stored(self.location),
            kind: Kind::stored(&self.kind)?,
            delta_on_hand: self.delta_on_hand,
            delta_reserved: self.delta_reserved,
            on_hand: self.on_hand,
            reserved: self.reserved,
            cause: MovementCause { kind: CauseKind::stored(&self.cause_kind)?, id: self.cause },
            actor: self.actor,
            reason: self.reason,
            at: Timestamp::from_micros(self.at),
        })
    }
}

type Movements = movement::BoxedQuery<'static, Backend>;

/// Compares a column; `hidden` such that SQLite, which does not know how many rows have what value, takes no index of it.
macro_rules! same {
    ($query:expr, $column:expr, $value:expr, hidden: $hidden:expr) => {
        if $hidden { $query.filter(not($column.ne($value))) } else { $query.filter($column.eq($value)) }
    };
}

/// A page of movements, newest first; only those of `supplier`'s SKUs when one is given.
pub(crate) fn list(db: &mut Db, filter: MovementFilter, supplier: Option<&str>) -> Done<Page<Movement>> {
    let limit = filter.limit;
    let rows: Vec<Row> = match (&filter.sku, supplier) {
        (Some(sku), Some(supplier)) if !items::is_of(db, sku.as_str(), supplier)? => Vec::new(),
        (None, Some(supplier)) => {
            let own = item::supplier.eq(supplier.to_owned());
            narrowed(filter).inner_join(item::table).filter(own).load(db)?
        }
        _ => narrowed(filter).load(db)?,
    };
    let movements: Vec<Movement> = rows.into_iter().map(Row::read).collect::<Done<_>>()?;
    Ok(Page::of(movements, limit, |movement| movement.number))
}

/// The movements of a cause or a SKU are few beside those of a place or a kind, so they are looked for first.
fn narrowed(filter: MovementFilter) -> Movements {
    let (caused, few) = (filter.cause.is_some(), filter.cause.is_some() || filter.sku.is_some());
    let mut query = movement::table
        .select(movement::all_columns)
        .order(movement::seq.desc())
        .limit(filter.limit.probe())
        .into_boxed::<Backend>();
    if let Some(sku) = filter.sku {
        query = same!(query, movement::sku, sku.as_str().to_owned(), hidden: caused);
    }
    if let Some(location) = filter.location {
        query = same!(query, movement::location, location.to_string(), hidden: few);
    }
    if let Some(kind) = filter.kind {
        query = same!(query, movement::kind, kind.name(), hidden: few);
    }
    if let Some(cause) = filter.cause {
        query = query.filter(movement::cause.eq(cause));
    }
    if let Some(Cursor(seq)) = filter.after {
        query = query.filter(movement::seq.lt(seq));
    }
    query
}
