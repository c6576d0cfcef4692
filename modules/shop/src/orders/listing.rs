//! Finding orders: one's own, and all of them for staff, by any of the three statuses.

use diesel::dsl::exists;
use diesel::prelude::*;
use emporium_database::scan::{self, Counted, FEW, Scan};
use emporium_database::{Db, Failure};
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

/// Where a list begins to look. SQLite does not know how many orders have what is asked for, so it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// With those of a customer, or with the one of a number.
    Named,
    /// With the few that have the SKU.
    Sku,
    /// With the few in this status.
    Status,
    /// With the few whose money stands so.
    Payment,
    /// With the few whose goods stand so.
    Fulfilment,
    /// With the newest, as any index leads to them.
    Newest,
}

/// Whether a query leaves more than a few.
macro_rules! beyond_few {
    ($db:expr, $query:expr, $id:expr) => {
        $query.select($id).offset(FEW).limit(1).first::<String>($db).optional()?.is_some()
    };
}

impl Begin {
    fn of(db: &mut Db, filter: &OrderFilter) -> Done<Self> {
        if filter.customer.is_some() || filter.number.is_some() {
            return Ok(Self::Named);
        }
        if let Some(sku) = &filter.sku
            && !beyond_few!(db, order_line::table.filter(order_line::sku.eq(sku.as_str())), order_line::order_id)
        {
            return Ok(Self::Sku);
        }
        if let Some(status) = filter.payment_status
            && !beyond_few!(db, orders::table.filter(orders::payment_status.eq(status.name())), orders::id)
        {
            return Ok(Self::Payment);
        }
        if let Some(status) = filter.fulfilment_status
            && !beyond_few!(db, orders::table.filter(orders::fulfilment_status.eq(status.name())), orders::id)
        {
            return Ok(Self::Fulfilment);
        }
        if let Some(status) = filter.status
            && !beyond_few!(db, orders::table.filter(orders::status.eq(status.name())), orders::id)
        {
            return Ok(Self::Status);
        }
        Ok(Self::Newest)
    }
}

/// Narrows a query to a status; where it does not begin there, such that SQLite does not take the index of the status and
/// read every order that has it.
macro_rules! of_status {
    ($query:expr, $column:expr, $status:expr, $begins:expr) => {
        match $status {
            None => $query,
            Some(status) if $begins => $query.filter($column.eq(status.name())),
            Some(status) => $query.filter($column.ge(status.name()).and($column.le(status.name()))),
        }
    };
}

/// Orders, newest first.
struct Listing<'a> {
    filter: &'a OrderFilter,
    begin: Begin,
}

/// A moment and an id.
type Place = (i64, String);

impl Listing<'_> {
    /// The orders that the filter leaves between two places; in no order yet.
    fn matching(&self, after: Option<&Place>, until: Option<&Place>) -> Query<'_> {
        let (filter, begin) = (self.filter, self.begin);
        let begins = |with: Begin| begin == with || begin == Begin::Newest;
        let mut query = self.between(after, until);
        query = of_status!(query, orders::status, filter.status, begins(Begin::Status));
        query = of_status!(query, orders::payment_status, filter.payment_status, begins(Begin::Payment));
        query = of_status!(query, orders::fulfilment_status, filter.fulfilment_status, begins(Begin::Fulfilment));
        if let Some(sku) = &filter.sku {
            let of_sku = order_line::table.filter(order_line::sku.eq(sku.as_str()));
            query = match begin == Begin::Sku {
                true => query.filter(orders::id.eq_any(of_sku.select(order_line::order_id))),
                false => query.filter(exists(of_sku.filter(order_line::order_id.eq(orders::id)))),
            };
        }
        if let Some(number) = &filter.number {
            query = query.filter(orders::number.eq(number));
        }
        query
    }

    /// The orders, a customer's or all, between two places and in the time of the filter. The first condition of a place
    /// alone enters the index; the second leaves out what is of that moment and beyond the place.
    fn between(&self, after: Option<&Place>, until: Option<&Place>) -> Query<'_> {
        let before_all = |moment: Timestamp| (moment.micros(), String::new());
        let after = after.cloned().into_iter().chain(self.filter.to.map(before_all)).min();
        let until = until.cloned().into_iter().chain(self.filter.from.map(before_all)).max();
        let mut query = orders::table.into_boxed();
        if let Some(customer) = &self.filter.customer {
            query = query.filter(orders::buyer.eq(customer));
        }
        if let Some((at, id)) = after {
            query = query.filter(orders::created_at.le(at)).filter(orders::created_at.lt(at).or(orders::id.lt(id)));
        }
        if let Some((at, id)) = until {
            query = query.filter(orders::created_at.ge(at)).filter(orders::created_at.gt(at).or(orders::id.ge(id)));
        }
        query
    }
}

impl Scan for Listing<'_> {
    type Row = OrderRow;
    type Place = Place;
    type Error = Failure<ShopError>;

    /// One status alone has an index, and few orders are sorted.
    fn asks(&self) -> bool {
        let OrderFilter { status, payment_status, fulfilment_status, sku, number, .. } = self.filter;
        let statuses = [status.is_some(), payment_status.is_some(), fulfilment_status.is_some()];
        let asked = statuses.into_iter().filter(|asked| *asked).count() + 2 * usize::from(sku.is_some());
        match self.begin {
            Begin::Named => number.is_none() && asked > 0,
            Begin::Newest => asked > 1,
            Begin::Sku | Begin::Status | Begin::Payment | Begin::Fulfilment => false,
        }
    }

    fn place(&self, row: &OrderRow) -> Place {
        (row.created_at, row.id.clone())
    }

    fn end(&self, db: &mut Db, after: Option<&Place>, rows: i64) -> Done<Option<Place>> {
        let newest = self.between(after, None).order((orders::created_at.desc(), orders::id.desc()));
        Ok(newest.select((orders::created_at, orders::id)).offset(rows - 1).first(db).optional()?)
    }

    fn rows(&self, db: &mut Db, after: Option<&Place>, until: Option<&Place>, most: i64) -> Done<Vec<OrderRow>> {
        let newest = self.matching(after, until).order((orders::created_at.desc(), orders::id.desc()));
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
    let listing = Listing { begin: Begin::of(db, &filter)?, filter: &filter };
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
