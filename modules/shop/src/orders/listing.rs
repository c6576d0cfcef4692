//! Finding orders: one's own, and all of them for staff, by any of the three statuses.

mod scope;

use emporium_database::Db;
use emporium_database::scan;
use emporium_inventory_api::Sku;
use emporium_kernel::{Cursor, Limit, Newest, Page, Timestamp};
use emporium_shop_api::OrderId;
use schemars::JsonSchema;
use serde::Deserialize;

use self::scope::{Listing, Place};
use super::cancel::own;
use super::order::{FulfilmentStatus, Order, OrderEvent, OrderStatus, PaymentStatus, Placing, history, with_lines};
use crate::error::Done;
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
    pub after: Option<Cursor<Place>>,
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
    pub after: Option<Cursor<Place>>,
}

/// What a list says beyond its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Include {
    /// How many there are in all, counted to 5,000; left out where that would take too long.
    Total,
}

impl From<OwnOrderFilter> for OrderFilter {
    fn from(own: OwnOrderFilter) -> Self {
        let OwnOrderFilter { status, payment_status, fulfilment_status, include, sort, limit, after } = own;
        Self { status, payment_status, fulfilment_status, include, sort, limit, after, ..Self::default() }
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
