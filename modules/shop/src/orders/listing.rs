//! Finding orders: one's own, and all of them for staff, by any of the three statuses.

use diesel::dsl::exists;
use diesel::prelude::*;
use emporium_database::{Db, Failure};
use emporium_inventory_api::Sku;
use emporium_kernel::{Cursor, Limit, MOST_COUNTED, Newest, Page, Timestamp};
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
    /// How many there are in all, counted to 10,000.
    Total,
}

impl From<OwnOrderFilter> for OrderFilter {
    fn from(own: OwnOrderFilter) -> Self {
        let OwnOrderFilter { status, payment_status, fulfilment_status, include, sort, limit, after } = own;
        Self { status, payment_status, fulfilment_status, include, sort, limit, after, ..Self::default() }
    }
}

type Query<'a> = orders::BoxedQuery<'a, <Db as diesel::Connection>::Backend>;

/// So many orders are few.
const FEW: i64 = 1_000;

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

fn matching(filter: &OrderFilter, begin: Begin) -> Query<'_> {
    let begins = |with: Begin| begin == with || begin == Begin::Newest;
    let mut query = orders::table.into_boxed();
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
    if let Some(customer) = &filter.customer {
        query = query.filter(orders::buyer.eq(customer));
    }
    if let Some(number) = &filter.number {
        query = query.filter(orders::number.eq(number));
    }
    if let Some(from) = filter.from {
        query = query.filter(orders::created_at.ge(from.micros()));
    }
    if let Some(to) = filter.to {
        query = query.filter(orders::created_at.lt(to.micros()));
    }
    query
}

fn page(db: &mut Db, filter: &OrderFilter) -> Done<Page<Order>> {
    let begin = Begin::of(db, filter)?;
    let mut query = matching(filter, begin);
    if let Some(Cursor((at, id))) = &filter.after {
        // The first condition alone enters the index; the second leaves out what was seen of that instant.
        let older = orders::created_at.lt(*at).or(orders::id.lt(id));
        query = query.filter(orders::created_at.le(*at)).filter(older);
    }
    let rows: Vec<OrderRow> =
        query.order((orders::created_at.desc(), orders::id.desc())).limit(filter.limit.probe()).load(db)?;
    let views: Result<Vec<Order>, Failure<ShopError>> = with_lines(db, rows)?.into_iter().map(Placing::view).collect();
    let mut page = Page::of(views?, filter.limit, |order| (order.created_at.micros(), order.id.to_string()));
    if filter.include == Some(Include::Total) {
        let beyond: Option<String> =
            matching(filter, begin).select(orders::id).offset(MOST_COUNTED - 1).limit(1).first(db).optional()?;
        page.total = Some(match beyond {
            Some(_) => MOST_COUNTED,
            None => matching(filter, begin).count().get_result(db)?,
        });
    }
    Ok(page)
}

impl Shop {
    /// Orders, newest first.
    pub async fn orders(&self, filter: OrderFilter) -> Result<Page<Order>, ShopError> {
        self.database.read(move |db| page(db, &filter)).await
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
