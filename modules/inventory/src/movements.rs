//! Movements: the append-only story of every level.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use emporium_database::scan::{self, FEW, Scan};
use emporium_database::{Db, Failure, is, outbox};
use emporium_inventory_api::{InventoryError, LocationId, Sku};
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

/// Where a list begins to look. SQLite does not know how many movements have what is asked for, so it is told: the other
/// conditions are written such that it takes no index for them.
#[derive(Clone, Copy, Debug)]
enum Begin<'a> {
    Cause(&'a str),
    Sku(&'a Sku),
    Kind(Kind),
    Location(&'a LocationId),
    /// With those of the supplier's SKUs.
    Supplier(&'a str),
    /// With the newest.
    Newest,
}

/// Movements, newest first.
struct Listing<'a> {
    filter: &'a MovementFilter,
    /// Whose SKUs, when not everybody's or those of one SKU.
    supplier: Option<&'a str>,
    begin: Begin<'a>,
    /// Whether very many may be asked for each that is shown.
    asks: bool,
}

type Movements<'q> = movement::BoxedQuery<'q, Backend>;

/// A page of movements, newest first; only those of `supplier`'s SKUs when one is given.
pub(crate) fn list(db: &mut Db, filter: &MovementFilter, supplier: Option<&str>) -> Done<Page<Movement>> {
    if let (Some(sku), Some(supplier)) = (&filter.sku, supplier)
        && !items::is_of(db, sku.as_str(), supplier)?
    {
        return Ok(Page { data: Vec::new(), next_cursor: None, total: None });
    }
    let listing = Listing::of(db, filter, supplier.filter(|_| filter.sku.is_none()))?;
    let after = filter.after.as_ref().map(|Cursor(seq)| *seq);
    let Page { data, next_cursor, total } = scan::page(db, &listing, filter.limit, after)?;
    let data = data.into_iter().map(Row::read).collect::<Done<_>>()?;
    Ok(Page { data, next_cursor, total })
}

impl<'a> Listing<'a> {
    /// Begins with the first part of the filter that leaves few; where none does, with an index of the first there is.
    fn of(db: &mut Db, filter: &'a MovementFilter, supplier: Option<&'a str>) -> Done<Self> {
        let parts = [
            filter.cause.as_deref().map(Begin::Cause),
            filter.sku.as_ref().map(Begin::Sku),
            filter.kind.map(Begin::Kind),
            filter.location.as_ref().map(Begin::Location),
            supplier.map(Begin::Supplier),
        ];
        let given: Vec<Begin<'_>> = parts.into_iter().flatten().collect();
        let mut listing = Self { filter, supplier, begin: Begin::Newest, asks: false };
        for part in &given {
            listing.begin = *part;
            // One part alone has an index in the order of the list.
            let is_alone = given.len() == 1 && !matches!(part, Begin::Supplier(_));
            if is_alone || listing.is_short(db)? {
                return Ok(listing);
            }
        }
        let begin = given.first().copied().filter(|part| !matches!(part, Begin::Supplier(_)));
        Ok(Self { begin: begin.unwrap_or(Begin::Newest), asks: !given.is_empty(), ..listing })
    }

    /// Whether there are few movements where it begins.
    fn is_short(&self, db: &mut Db) -> Done<bool> {
        if let Begin::Supplier(supplier) = self.begin {
            let items = item::table.filter(item::supplier.eq(supplier)).select(item::sku).offset(FEW);
            if items.first::<String>(db).optional()?.is_some() {
                return Ok(false);
            }
        }
        let beyond: Option<i64> = self.index().select(movement::seq).offset(FEW).first(db).optional()?;
        Ok(beyond.is_none())
    }

    /// The movements with which it begins, in the order of their index as far as that has one value.
    fn index(&self) -> Movements<'a> {
        let query = movement::table.into_boxed();
        match self.begin {
            Begin::Cause(cause) => query.filter(is(movement::cause, cause)).order(movement::cause.desc()),
            Begin::Sku(sku) => query.filter(is(movement::sku, sku.as_str())).order(movement::sku.desc()),
            Begin::Kind(kind) => query.filter(is(movement::kind, kind.name())).order(movement::kind.desc()),
            Begin::Location(location) => {
                query.filter(is(movement::location, location.as_str())).order(movement::location.desc())
            }
            Begin::Supplier(supplier) => {
                let own = item::table.filter(item::supplier.eq(supplier));
                query.filter(movement::sku.eq_any(own.select(item::sku)))
            }
            Begin::Newest => query,
        }
    }

    /// What of these the filter lets through.
    fn matching(&self) -> Movements<'_> {
        let MovementFilter { sku, location, kind, .. } = self.filter;
        let mut query = self.index();
        if let Some(sku) = sku.as_ref().filter(|_| !matches!(self.begin, Begin::Sku(_))) {
            query = query.filter(not(movement::sku.ne(sku.as_str())));
        }
        if let Some(kind) = kind.filter(|_| !matches!(self.begin, Begin::Kind(_))) {
            query = query.filter(not(movement::kind.ne(kind.name())));
        }
        if let Some(location) = location.as_ref().filter(|_| !matches!(self.begin, Begin::Location(_))) {
            query = query.filter(not(movement::location.ne(location.as_str())));
        }
        if let Some(supplier) = self.supplier.filter(|_| !matches!(self.begin, Begin::Supplier(_))) {
            let own = item::table.filter(item::sku.eq(movement::sku)).filter(not(item::supplier.ne(supplier)));
            query = query.filter(exists(own));
        }
        query
    }
}

impl Scan for Listing<'_> {
    type Row = Row;
    type Place = i64;
    type Error = Failure<InventoryError>;

    fn asks(&self) -> bool {
        self.asks
    }

    fn place(&self, row: &Row) -> i64 {
        row.seq
    }

    fn end(&self, db: &mut Db, after: Option<&i64>, rows: i64) -> Done<Option<i64>> {
        let mut query = self.index().then_order_by(movement::seq.desc());
        if let Some(after) = after {
            query = query.filter(movement::seq.lt(after));
        }
        Ok(query.select(movement::seq).offset(rows - 1).first(db).optional()?)
    }

    fn rows(&self, db: &mut Db, after: Option<&i64>, until: Option<&i64>, most: i64) -> Done<Vec<Row>> {
        let mut query = self.matching().then_order_by(movement::seq.desc());
        if let Some(after) = after {
            query = query.filter(movement::seq.lt(after));
        }
        if let Some(until) = until {
            query = query.filter(movement::seq.ge(until));
        }
        Ok(query.select(movement::all_columns).limit(most).load(db)?)
    }
}
