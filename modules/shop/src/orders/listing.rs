//! Finding orders: one's own, and all of them for staff, by any of the three statuses.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use emporium_database::scan::{self, Counted, FEW, Scan};
use emporium_database::{Db, Failure, is};
use emporium_inventory_api::Sku;
use emporium_kernel::{Cursor, Limit, Newest, Page, Timestamp};
use emporium_shop_api::OrderId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::cancel::own;
use super::order::{
    FulfilmentStatus, Order, OrderEvent, OrderRow, OrderStatus, PaymentStatus, Placing, history, with_lines,
};
use crate::error::Done;
use crate::schema::{order_line, orders};
use crate::{Shop, ShopError};

/// Which of one's own orders, newest first.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnOrderFilter {
    /// Where the order stands.
    pub status: Option<OrderStatus>,
    /// Where its money stands.
    pub payment_status: Option<PaymentStatus>,
    /// Where its goods stand.
    pub fulfilment_status: Option<FulfilmentStatus>,
    /// `total` also counts them.
    pub include: Option<Include>,
    /// The only order there is.
    pub sort: Option<Newest>,
    /// Rows of a page.
    #[serde(default)]
    pub limit: Limit,
    /// Where the page begins.
    pub after: Option<Cursor<(i64, String)>>,
}

/// Which orders, newest first.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderFilter {
    /// Where the order stands.
    pub status: Option<OrderStatus>,
    /// Where its money stands.
    pub payment_status: Option<PaymentStatus>,
    /// Where its goods stand.
    pub fulfilment_status: Option<FulfilmentStatus>,
    /// Orders with this SKU.
    pub sku: Option<Sku>,
    /// Orders of this user.
    pub customer: Option<String>,
    /// The order with this number.
    pub number: Option<String>,
    /// Made at or after.
    pub from: Option<Timestamp>,
    /// Made before.
    pub to: Option<Timestamp>,
    /// `total` also counts them.
    pub include: Option<Include>,
    /// The only order there is.
    pub sort: Option<Newest>,
    /// Rows of a page.
    #[serde(default)]
    pub limit: Limit,
    /// Where the page begins.
    pub after: Option<Cursor<(i64, String)>>,
}

/// What a list says beyond its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Include {
    /// How many there are in all, counted to 10,000; left out where that would take too long.
    Total,
}

impl From<OwnOrderFilter> for OrderFilter {
    fn from(own: OwnOrderFilter) -> Self {
        let OwnOrderFilter { status, payment_status, fulfilment_status, include, sort, limit, after } = own;
        Self { status, payment_status, fulfilment_status, include, sort, limit, after, ..Self::default() }
    }
}

type Query<'a> = orders::BoxedQuery<'a, <Db as diesel::Connection>::Backend>;

/// Where a list begins to look. SQLite does not know how many orders have what is asked for, so it is told: the other
/// conditions are written such that it takes no index for them.
#[derive(Clone, Copy, Debug)]
enum Begin<'a> {
    Number(&'a str),
    Customer(&'a str),
    /// With those that have the SKU; they are few.
    Sku(&'a Sku),
    Payment(PaymentStatus),
    Fulfilment(FulfilmentStatus),
    Status(OrderStatus),
    /// With the newest.
    Newest,
}

/// Orders, newest first.
struct Listing<'a> {
    filter: &'a OrderFilter,
    begin: Begin<'a>,
    /// Whether very many may be asked for each that is shown.
    asks: bool,
}

/// A moment and an id.
type Place = (i64, String);

impl<'a> Listing<'a> {
    /// Begins with the number or the customer, else with the first part of the filter that leaves few; where none does, with
    /// the first status there is.
    fn of(db: &mut Db, filter: &'a OrderFilter) -> Done<Self> {
        let OrderFilter { status, payment_status, fulfilment_status, sku, customer, number, .. } = filter;
        let (payment, fulfilment) = (payment_status.map(Begin::Payment), fulfilment_status.map(Begin::Fulfilment));
        let statuses: Vec<Begin<'_>> = [payment, fulfilment, status.map(Begin::Status)].into_iter().flatten().collect();
        let is_asked = !statuses.is_empty() || sku.is_some();
        match (number, customer) {
            (Some(number), _) => return Ok(Self { filter, begin: Begin::Number(number), asks: false }),
            (None, Some(customer)) => {
                return Ok(Self { filter, begin: Begin::Customer(customer), asks: is_asked });
            }
            (None, None) => {}
        }
        let begin = statuses.first().copied().unwrap_or(Begin::Newest);
        // One status alone has an index in the order of the list.
        if sku.is_none() && statuses.len() <= 1 {
            return Ok(Self { filter, begin, asks: false });
        }
        for part in sku.as_ref().map(Begin::Sku).into_iter().chain(statuses) {
            let listing = Self { filter, begin: part, asks: false };
            if listing.is_short(db)? {
                return Ok(listing);
            }
        }
        Ok(Self { filter, begin, asks: true })
    }

    /// Whether there are few orders where it begins.
    fn is_short(&self, db: &mut Db) -> Done<bool> {
        let beyond: Option<String> = match self.begin {
            Begin::Sku(sku) => {
                let lines = order_line::table.filter(order_line::sku.eq(sku.as_str())).select(order_line::order_id);
                lines.offset(FEW).first(db).optional()?
            }
            _ => self.index(None, None).select(orders::id).offset(FEW).first(db).optional()?,
        };
        Ok(beyond.is_none())
    }

    /// The orders with which it begins, between two places and in the time of the filter. The first condition of a place
    /// alone enters the index; the second leaves out what is of that moment and beyond the place.
    fn index(&self, after: Option<&Place>, until: Option<&Place>) -> Query<'_> {
        let before_all = |moment: Timestamp| (moment.micros(), String::new());
        let after = after.cloned().into_iter().chain(self.filter.to.map(before_all)).min();
        let until = until.cloned().into_iter().chain(self.filter.from.map(before_all)).max();
        let mut query = orders::table.into_boxed();
        if let Some((at, id)) = after {
            query = query.filter(orders::created_at.le(at)).filter(orders::created_at.lt(at).or(orders::id.lt(id)));
        }
        if let Some((at, id)) = until {
            query = query.filter(orders::created_at.ge(at)).filter(orders::created_at.gt(at).or(orders::id.ge(id)));
        }
        match self.begin {
            Begin::Number(number) => query.filter(orders::number.eq(number)),
            Begin::Customer(customer) => query.filter(is(orders::buyer, customer)),
            Begin::Sku(sku) => {
                let of_sku = order_line::table.filter(order_line::sku.eq(sku.as_str()));
                query.filter(orders::id.eq_any(of_sku.select(order_line::order_id)))
            }
            Begin::Payment(status) => query.filter(is(orders::payment_status, status.name())),
            Begin::Fulfilment(status) => query.filter(is(orders::fulfilment_status, status.name())),
            Begin::Status(status) => query.filter(is(orders::status, status.name())),
            Begin::Newest => query,
        }
    }

    /// What of these the filter lets through.
    fn matching(&self, after: Option<&Place>, until: Option<&Place>) -> Query<'_> {
        let OrderFilter { status, payment_status, fulfilment_status, sku, customer, .. } = self.filter;
        let mut query = self.index(after, until);
        if let Some(customer) = customer.as_ref().filter(|_| !matches!(self.begin, Begin::Customer(_))) {
            query = query.filter(not(orders::buyer.ne(customer)));
        }
        if let Some(status) = payment_status.filter(|_| !matches!(self.begin, Begin::Payment(_))) {
            query = query.filter(not(orders::payment_status.ne(status.name())));
        }
        if let Some(status) = fulfilment_status.filter(|_| !matches!(self.begin, Begin::Fulfilment(_))) {
            query = query.filter(not(orders::fulfilment_status.ne(status.name())));
        }
        if let Some(status) = status.filter(|_| !matches!(self.begin, Begin::Status(_))) {
            query = query.filter(not(orders::status.ne(status.name())));
        }
        if let Some(sku) = sku.as_ref().filter(|_| !matches!(self.begin, Begin::Sku(_))) {
            let of_sku = order_line::table.filter(order_line::sku.eq(sku.as_str()));
            query = query.filter(exists(of_sku.filter(order_line::order_id.eq(orders::id))));
        }
        query
    }

    /// Orders of this list, newest first: in the order of the index with which it begins.
    fn newest<'q>(&self, query: Query<'q>) -> Query<'q> {
        let query = match self.begin {
            Begin::Customer(_) => query.order(orders::buyer.desc()),
            Begin::Payment(_) => query.order(orders::payment_status.desc()),
            Begin::Fulfilment(_) => query.order(orders::fulfilment_status.desc()),
            Begin::Status(_) => query.order(orders::status.desc()),
            Begin::Number(_) | Begin::Sku(_) | Begin::Newest => query,
        };
        query.then_order_by((orders::created_at.desc(), orders::id.desc()))
    }
}

impl Scan for Listing<'_> {
    type Row = OrderRow;
    type Place = Place;
    type Error = Failure<ShopError>;

    fn asks(&self) -> bool {
        self.asks
    }

    fn place(&self, row: &OrderRow) -> Place {
        (row.created_at, row.id.clone())
    }

    fn end(&self, db: &mut Db, after: Option<&Place>, rows: i64) -> Done<Option<Place>> {
        let newest = self.newest(self.index(after, None));
        Ok(newest.select((orders::created_at, orders::id)).offset(rows - 1).first(db).optional()?)
    }

    fn rows(&self, db: &mut Db, after: Option<&Place>, until: Option<&Place>, most: i64) -> Done<Vec<OrderRow>> {
        let newest = self.newest(self.matching(after, until));
        Ok(newest.limit(most).load(db)?)
    }
}

impl Counted for Listing<'_> {
    fn reaches(&self, db: &mut Db, until: Option<&Place>, rows: i64) -> Done<bool> {
        let last = self.matching(None, until).select(orders::id).offset(rows - 1);
        Ok(last.first::<String>(db).optional()?.is_some())
    }

    fn count(&self, db: &mut Db) -> Done<i64> {
        Ok(self.matching(None, None).count().get_result(db)?)
    }
}

fn page(db: &mut Db, filter: OrderFilter) -> Done<Page<Order>> {
    let listing = Listing::of(db, &filter)?;
    let after = filter.after.as_ref().map(|Cursor(place)| place.clone());
    let Page { data, next_cursor, .. } = scan::page(db, &listing, filter.limit, after)?;
    let data = with_lines(db, data)?.into_iter().map(Placing::view).collect::<Done<_>>()?;
    let total = if filter.include == Some(Include::Total) { scan::total(db, &listing)? } else { None };
    Ok(Page { data, next_cursor, total })
}

impl Shop {
    /// Orders, newest first.
    pub async fn orders(&self, filter: OrderFilter) -> Result<Page<Order>, ShopError> {
        self.database.read(move |db| page(db, filter)).await
    }

    /// One order, when it is this buyer's; any for `None`.
    pub async fn order(&self, id: OrderId, buyer: Option<String>) -> Result<Order, ShopError> {
        self.database.read(move |db| own(db, id.as_str(), buyer.as_deref())?.view()).await
    }

    /// One order by its id or its number.
    pub async fn order_named(&self, name: String) -> Result<Order, ShopError> {
        if let Some(id) = OrderId::parse(&name) {
            return self.order(id, None).await;
        }
        let filter = OrderFilter { number: Some(name), ..OrderFilter::default() };
        let found = self.orders(filter).await?.data.into_iter().next();
        found.ok_or(ShopError::NotFound)
    }

    /// What happened to an order, oldest first.
    pub async fn order_history(&self, id: OrderId, buyer: Option<String>) -> Result<Vec<OrderEvent>, ShopError> {
        self.database
            .read(move |db| {
                own(db, id.as_str(), buyer.as_deref())?;
                history(db, id.as_str())
            })
            .await
    }
}
