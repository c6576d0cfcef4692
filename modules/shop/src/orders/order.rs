//! An order as it is stored and as its buyer sees it.

use emporium_database::prelude::*;
use emporium_database::{Db, Failure, KeptList, few_lengths};
use emporium_inventory_api::{ReservationId, Sku};
use emporium_kernel::{Currency, Money, Quantity, Timestamp};
use emporium_shop_api::OrderId;
use emporium_wallet_api::{HoldId, Payee, Share};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tax::TaxRate;
use crate::error::{Done, ShopError};
use crate::schema::{order_event, order_line, orders};

macro_rules! status {
    ($(#[$meta:meta])* $name:ident { $($(#[$arm_meta:meta])* $arm:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$arm_meta])* $arm),* }

        impl $name {
            /// Each there is.
            pub(crate) const ALL: &[Self] = &[$($name::$arm),*];

            /// The name on the wire and in the database.
            pub fn name(self) -> &'static str {
                match self { $($name::$arm => $text),* }
            }

            pub(crate) fn stored<E>(text: &str) -> Result<Self, Failure<E>> {
                let known = Self::ALL.iter().find(|status| status.name() == text);
                known.copied().ok_or_else(|| Failure::corrupt(format!(concat!(stringify!($name), " {}"), text)))
            }
        }
    };
}

status!(
    /// Where an order stands.
    OrderStatus {
        /// Stock and money are being gathered.
        Pending = "pending",
        /// Bought: stock is taken and money is paid.
        Placed = "placed",
        /// Not bought, with its reason; stock and money are as before.
        Cancelled = "cancelled",
        /// Everything was delivered.
        Completed = "completed",
    }
);
status!(
    /// Where the money stands.
    PaymentStatus {
        /// Nothing is held.
        None = "none",
        /// The money is held and will be captured.
        Authorized = "authorized",
        /// The money is with the payees.
        Paid = "paid",
        /// A part went back.
        PartiallyRefunded = "partially_refunded",
        /// All went back.
        Refunded = "refunded",
        /// What may have been held was given free.
        Voided = "voided",
    }
);
status!(
    /// Where the goods stand.
    FulfilmentStatus {
        /// Nothing was sent.
        Unfulfilled = "unfulfilled",
        /// A part was sent.
        Partial = "partial",
        /// All was sent.
        Fulfilled = "fulfilled",
        /// It came back.
        Returned = "returned",
    }
);
status!(
    /// Where the saga stands.
    Step {
        /// Reserve stock, hold money, commit stock.
        Pending = "pending",
        /// Stock is committed; capture the money. There is no way back by a cancel.
        Committed = "committed",
        /// Release stock, void holds.
        Aborting = "aborting",
        /// Nothing is left to do.
        Done = "done",
    }
);

/// An order as it is stored, with its statuses as text.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = orders)]
pub(crate) struct OrderRow {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) buyer: String,
    pub(crate) status: String,
    pub(crate) payment_status: String,
    pub(crate) fulfilment_status: String,
    pub(crate) currency: String,
    pub(crate) total: i64,
    pub(crate) cart: Option<String>,
    pub(crate) live_cart: Option<String>,
    pub(crate) step: String,
    pub(crate) hold_attempt: i32,
    pub(crate) cancel_reason: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) accepted: i32,
    pub(crate) version: i64,
    pub(crate) lease_until: i64,
    pub(crate) attempts: i32,
    pub(crate) last_error: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// A line as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = order_line)]
pub(crate) struct LineRow {
    pub(crate) order_id: String,
    pub(crate) position: i64,
    pub(crate) sku: String,
    pub(crate) product: String,
    pub(crate) title: String,
    pub(crate) supplier: Option<String>,
    pub(crate) quantity: i64,
    pub(crate) unit_price: i64,
    pub(crate) total: i64,
    pub(crate) tax_rate: i64,
    pub(crate) tax: i64,
}

/// An order with its lines, as the saga works on it.
#[derive(Clone, Debug)]
pub(crate) struct Placing {
    pub(crate) row: OrderRow,
    pub(crate) lines: Vec<LineRow>,
}

impl Placing {
    pub(crate) fn step(&self) -> Result<Step, Failure<ShopError>> {
        Step::stored(&self.row.step)
    }

    pub(crate) fn total(&self) -> Result<Money, Failure<ShopError>> {
        money(self.row.total, &self.row.currency)
    }

    /// The same for every repetition of the reservation.
    pub(crate) fn reservation(&self) -> ReservationId {
        reservation_of(&self.row.id)
    }

    /// The same for every repetition of the hold of this attempt.
    pub(crate) fn hold(&self, attempt: i32) -> HoldId {
        hold_of(&self.row.id, attempt)
    }

    /// Who is paid how much: each supplier for its lines, the store for the rest.
    pub(crate) fn shares(&self) -> Result<Vec<Share>, Failure<ShopError>> {
        let mut shares: Vec<Share> = Vec::new();
        for line in &self.lines {
            let payee = line.supplier.clone().map_or(Payee::Store, Payee::Supplier);
            let amount = money(line.total, &self.row.currency)?;
            match shares.iter_mut().find(|share| share.payee == payee) {
                Some(share) => share.amount = share.amount.plus(amount).map_err(Failure::corrupt)?,
                None => shares.push(Share { payee, amount }),
            }
        }
        Ok(shares)
    }
}

/// The reservation of an order.
pub(crate) fn reservation_of(order: &str) -> ReservationId {
    ReservationId::derived_from(order, &["reserve", "1"])
}

/// The hold of an attempt of an order.
pub(crate) fn hold_of(order: &str, attempt: i32) -> HoldId {
    HoldId::derived_from(order, &["hold", &attempt.to_string()])
}

fn money<E>(amount: i64, currency: &str) -> Result<Money, Failure<E>> {
    let currency = Currency::parse(currency).ok_or_else(|| Failure::corrupt(format!("currency {currency}")))?;
    Money::new(amount, currency).map_err(Failure::corrupt)
}

/// An order as its buyer and staff see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Order {
    /// Names it.
    pub id: OrderId,
    /// Names it for people.
    pub number: String,
    /// The user who buys.
    pub customer: String,
    /// Where it stands.
    pub status: OrderStatus,
    /// Where its money stands.
    pub payment_status: PaymentStatus,
    /// Where its goods stand.
    pub fulfilment_status: FulfilmentStatus,
    /// Why it is cancelled: `out_of_stock`, `insufficient_funds`, `cancelled_by_customer` and the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<String>,
    /// What is bought, at the prices of then.
    pub items: Vec<OrderLine>,
    /// What it costs.
    pub total: Money,
    /// How much of that is tax.
    pub tax: Money,
    /// The cart it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cart_id: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// Changed when.
    pub updated_at: Timestamp,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OrderLine {
    /// What.
    pub sku: Sku,
    /// What it was called.
    pub title: String,
    /// How many.
    pub quantity: Quantity,
    /// What one cost.
    pub unit_price: Money,
    /// What the line costs.
    pub total: Money,
    /// The rate of then, in hundredths of a percent of the net price: 1900 is 19 %.
    pub tax_rate: TaxRate,
    /// How much of the line's total is tax.
    pub tax: Money,
}

/// Something that happened to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OrderEvent {
    /// The order's version that it made.
    pub version: i64,
    /// What: `created`, `committed`, `aborting`, `placed`, `cancelled`, `hold_repeated`.
    pub kind: String,
    /// Who: a user id, or `saga`.
    pub actor: String,
    /// What else is to be known.
    pub detail: serde_json::Value,
    /// When.
    pub at: Timestamp,
}

impl Placing {
    /// As its buyer sees it.
    pub(crate) fn view(self) -> Result<Order, Failure<ShopError>> {
        let total = self.total()?;
        let row = self.row;
        let tax = money(self.lines.iter().map(|line| line.tax).sum(), &row.currency)?;
        let items: Done<Vec<OrderLine>> = self.lines.into_iter().map(|line| line.view(&row.currency)).collect();
        Ok(Order {
            id: OrderId::stored(row.id),
            number: row.number,
            customer: row.buyer,
            status: OrderStatus::stored(&row.status)?,
            payment_status: PaymentStatus::stored(&row.payment_status)?,
            fulfilment_status: FulfilmentStatus::stored(&row.fulfilment_status)?,
            cancel_reason: row.cancel_reason,
            items: items?,
            total,
            tax,
            cart_id: row.cart,
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
        })
    }
}

impl LineRow {
    fn view(self, currency: &str) -> Result<OrderLine, Failure<ShopError>> {
        let quantity = Quantity::new(self.quantity).ok_or_else(|| Failure::corrupt("quantity"))?;
        Ok(OrderLine {
            sku: Sku::stored(self.sku),
            title: self.title,
            quantity,
            unit_price: money(self.unit_price, currency)?,
            total: money(self.total, currency)?,
            tax_rate: TaxRate::try_from(self.tax_rate).map_err(Failure::corrupt)?,
            tax: money(self.tax, currency)?,
        })
    }
}

/// An order with its lines; `None` when there is none.
pub(crate) fn find(db: &mut Db, id: &str) -> Done<Option<Placing>> {
    let row: Option<OrderRow> = orders::table.find(id).first(db).optional()?;
    let Some(row) = row else { return Ok(None) };
    let lines = order_line::table.filter(order_line::order_id.eq(id)).order(order_line::position).load(db)?;
    Ok(Some(Placing { row, lines }))
}

/// Orders with their lines, in the order of `rows`, in one more query.
pub(crate) fn with_lines(db: &mut Db, rows: Vec<OrderRow>) -> Done<Vec<Placing>> {
    let ids: Vec<&String> = rows.iter().map(|row| &row.id).collect();
    let all = order_line::table
        .filter(order_line::order_id.eq_any(few_lengths(&ids)))
        .order((order_line::order_id, order_line::position));
    let all: Vec<LineRow> = KeptList(all).load(db)?;
    let mut by_order: std::collections::HashMap<String, Vec<LineRow>> = std::collections::HashMap::new();
    for line in all {
        by_order.entry(line.order_id.clone()).or_default().push(line);
    }
    let joined = rows.into_iter().map(|row| {
        let lines = by_order.remove(&row.id).unwrap_or_default();
        Placing { row, lines }
    });
    Ok(joined.collect())
}

/// What happened to an order, oldest first.
pub(crate) fn history(db: &mut Db, id: &str) -> Done<Vec<OrderEvent>> {
    let rows: Vec<(i64, String, String, String, i64)> = order_event::table
        .filter(order_event::order_id.eq(id))
        .select((
            order_event::version,
            order_event::kind,
            order_event::actor,
            order_event::detail,
            order_event::created_at,
        ))
        .order(order_event::version)
        .load(db)?;
    let event = |(version, kind, actor, detail, at): (i64, String, String, String, i64)| {
        let detail = serde_json::from_str(&detail).map_err(Failure::corrupt)?;
        Ok(OrderEvent { version, kind, actor, detail, at: Timestamp::from_micros(at) })
    };
    rows.into_iter().map(event).collect()
}
