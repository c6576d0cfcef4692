//! Placing an order: priced and stored as pending with its key, then driven by a task of its own.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use emporium_database::idempotency::{self, Seen};
use emporium_database::prelude::*;
use emporium_database::{Db, Failure, Lane, refuse};
use emporium_inventory_api::Sku;
use emporium_kernel::{Caller, Fault, Idempotency, Money, Outage, Quantity, Timestamp, spawn_in_request};
use emporium_shop_api::OrderId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::order::{FulfilmentStatus, LineRow, Order, OrderRow, OrderStatus, PaymentStatus, Placing, Step, find};
use super::tax::TaxRate;
use super::transitions::tell;
use crate::carts;
use crate::catalogue::{Sellable, sellable};
use crate::error::Done;
use crate::schema::{order_line, orders};
use crate::{Shop, ShopError};

/// An order to be placed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// What to buy; the same SKU twice is summed.
    pub items: Vec<Line>,
    /// How it is paid.
    pub payment: Payment,
    /// What the client showed; another total is refused.
    pub expected_total: Option<Money>,
}

/// One line to buy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
}

/// How an order is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// From where.
    pub method: PaymentMethod,
}

/// Where the money comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMethod {
    /// The buyer's wallet.
    Wallet,
}

/// What became of a request to place an order.
#[derive(Debug)]
pub enum Placement {
    /// It is finished: placed, or cancelled with its refusal.
    Finished {
        /// The order.
        order: Order,
        /// What refused it.
        refusal: Option<emporium_kernel::Problem>,
        /// Whether an earlier request with the same key did it.
        replayed: bool,
    },
    /// It goes on, and the client has been or is now told so.
    Accepted(Order),
    /// An earlier request with the same key is still being carried out.
    InProgress,
    /// The key came before with another request.
    KeyReused,
}

/// Where the lines come from.
#[derive(Clone, Debug)]
pub(crate) enum Basket {
    Lines(Vec<Line>),
    Cart { id: String, token: Option<String> },
}

/// A request to place an order, with everything that must not change when it is run again.
#[derive(Clone, Debug)]
struct Request {
    id: OrderId,
    /// Numbers to choose from; the first that is free is taken.
    numbers: Vec<String>,
    buyer: String,
    basket: Basket,
    expected_total: Option<Money>,
    key: Idempotency,
    max_lines: usize,
    tax_rate: TaxRate,
    now: Timestamp,
    lease: Timestamp,
}

/// One of the places for orders that are being placed.
pub(crate) type Place = tokio::sync::OwnedSemaphorePermit;

/// An order on its way; the task goes on when nobody waits.
pub(crate) type Driving = tokio::task::JoinHandle<Result<Placing, ShopError>>;

/// What a request led to.
pub(crate) enum Started {
    Answered(Box<Placement>),
    Driving { id: String, driving: Driving },
}

impl Started {
    pub(crate) fn answered(placement: Placement) -> Self {
        Self::Answered(Box::new(placement))
    }
}

enum Begun {
    New(Placing),
    Before(Placing),
    KeyReused,
}

impl Shop {
    /// Places an order for these lines.
    pub async fn place(
        self: &Arc<Self>,
        buyer: &Caller,
        key: Idempotency,
        new: NewOrder,
    ) -> Result<Placement, ShopError> {
        self.place_basket(buyer, key, Basket::Lines(new.items), new.expected_total).await
    }

    /// Whether one more order can be taken up now.
    pub(crate) fn has_room(&self) -> bool {
        self.places.available_permits() > 0
    }

    /// Stores the order as pending, drives it in a task of its own, and waits as long as the settings say.
    pub(crate) async fn place_basket(
        self: &Arc<Self>,
        buyer: &Caller,
        key: Idempotency,
        basket: Basket,
        expected_total: Option<Money>,
    ) -> Result<Placement, ShopError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Outage::Busy)?;
        let request = self.request(buyer, key, basket, expected_total);
        let shop = self.clone();
        self.in_task(async move { shop.begin_order(request, place).await }).await
    }

    /// Stores the order and sets it going.
    async fn begin_order(self: Arc<Self>, request: Request, place: Place) -> Result<Started, ShopError> {
        Ok(match self.database.write_step("create_order", Lane::New, move |db| begin(db, &request)).await? {
            Begun::KeyReused => Started::answered(Placement::KeyReused),
            Begun::Before(order) => Started::answered(before(order)?),
            Begun::New(order) => self.start(order, Some(place)),
        })
    }

    /// Begins in a task of its own and waits for it: what is stored is also driven when the client hangs up.
    pub(crate) async fn in_task(
        self: &Arc<Self>,
        begin: impl Future<Output = Result<Started, ShopError>> + Send + 'static,
    ) -> Result<Placement, ShopError> {
        let begun = spawn_in_request(begin).await.unwrap_or_else(|_| Err(Outage::Internal.into()));
        match begun? {
            Started::Answered(placement) => Ok(*placement),
            Started::Driving { id, driving } => self.wait(id, driving).await,
        }
    }

    /// Sets an order going, which keeps its place until it has ended or waits for recovery.
    pub(crate) fn start(self: &Arc<Self>, order: Placing, place: Option<Place>) -> Started {
        let (id, shop) = (order.row.id.clone(), self.clone());
        let drive = async move {
            let _place = place;
            shop.drive(order).await
        };
        Started::Driving { id, driving: spawn_in_request(drive) }
    }

    fn request(&self, buyer: &Caller, key: Idempotency, basket: Basket, expected_total: Option<Money>) -> Request {
        let now = self.clock.now();
        let number = || format!("{}", 1_000_000_000 + self.random.below(9_000_000_000));
        Request {
            id: OrderId::new(now, &self.random),
            numbers: (0..4).map(|_| number()).collect(),
            buyer: buyer.id.clone(),
            basket,
            expected_total,
            key,
            max_lines: self.settings.max_lines,
            tax_rate: self.settings.tax_rate,
            now,
            lease: self.lease_from_now(),
        }
    }

    /// Waits for an order as long as the settings say.
    async fn wait(&self, id: String, driving: Driving) -> Result<Placement, ShopError> {
        let patience = Duration::from_millis(self.settings.order_patience_millis);
        match tokio::time::timeout(patience, driving).await {
            Ok(Ok(Ok(order))) => finished(order, false),
            // It takes long, or a neighbour did not answer: recovery goes on.
            Err(_) | Ok(Ok(Err(_)) | Err(_)) => self.accept(id).await,
        }
    }

    /// Notes that the client is told 202, unless the order was finished in the meantime. That this fails is no refusal:
    /// the order is stored, and recovery goes on with it.
    async fn accept(&self, id: String) -> Result<Placement, ShopError> {
        let order = self
            .database
            .write_step("accept", Lane::Continuation, move |db| {
                let unfinished = orders::table.filter(orders::id.eq(&id).and(orders::step.ne(Step::Done.name())));
                diesel::update(unfinished).set(orders::accepted.eq(1)).execute(db)?;
                find(db, &id)?.map_or_else(|| refuse(ShopError::NotFound), Ok)
            })
            .await
            .map_err(|error: ShopError| match error.outage() {
                Some(Outage::Busy | Outage::StorageFull | Outage::DeadlineExceeded) => Outage::Unreachable.into(),
                _ => error,
            })?;
        if order.row.step == Step::Done.name() { finished(order, false) } else { Ok(Placement::Accepted(view(order)?)) }
    }
}

fn view(order: Placing) -> Result<Order, ShopError> {
    order.view().map_err(Failure::into_fault)
}

/// The answer to a repeated key, from the order that its first request made.
fn before(order: Placing) -> Result<Placement, ShopError> {
    match (order.row.step == Step::Done.name(), order.row.accepted == 1) {
        (true, _) => finished(order, true),
        (false, true) => Ok(Placement::Accepted(view(order)?)),
        (false, false) => Ok(Placement::InProgress),
    }
}

fn finished(order: Placing, replayed: bool) -> Result<Placement, ShopError> {
    let cancelled = order.row.status == OrderStatus::Cancelled.name();
    let stored = order.row.refusal.as_deref().map(serde_json::from_str).transpose();
    let stored = stored.map_err(|error| Failure::<ShopError>::corrupt(error).into_fault())?;
    let refusal = cancelled.then(|| stored.unwrap_or_else(|| ShopError::OrderCancelled.into()));
    Ok(Placement::Finished { order: view(order)?, refusal, replayed })
}

/// The whole of the first transaction: key, price, order, lines, event.
fn begin(db: &mut Db, request: &Request) -> Done<Begun> {
    match idempotency::seen(db, &request.key)? {
        // First of all: an equal key at the same moment waits here, and finds the order afterwards.
        Seen::Never => idempotency::point(db, &request.key, request.id.as_str(), request.now)?,
        Seen::Reused => return Ok(Begun::KeyReused),
        Seen::Target(id) => {
            let order = find(db, &id)?.ok_or_else(|| Failure::corrupt(format!("key points at {id}")))?;
            // This very request was stored before, and only its commit was in doubt.
            let own = id == request.id.as_str();
            return Ok(if own { Begun::New(order) } else { Begun::Before(order) });
        }
        // Another operation of the same caller: its answer is not an order.
        Seen::Answered(_) => return Ok(Begun::KeyReused),
    }
    let (lines, cart) = match &request.basket {
        Basket::Lines(lines) => (lines.clone(), None),
        Basket::Cart { id, token } => {
            (carts::to_order(db, id, &request.buyer, token.as_deref(), request.now)?, Some(id))
        }
    };
    let order = priced(db, request, &lines, cart)?;
    diesel::insert_into(orders::table).values(&order.row).execute(db)?;
    for line in &order.lines {
        diesel::insert_into(order_line::table).values(line).execute(db)?;
    }
    tell(db, &order, "created", &request.buyer, request.now)?;
    Ok(Begun::New(order))
}

/// Sums equal SKUs, in the order of their first mention.
fn summed(lines: &[Line], limit: usize) -> Done<Vec<(Sku, Quantity)>> {
    let mut pieces: BTreeMap<&Sku, i64> = BTreeMap::new();
    let mut order: Vec<&Sku> = Vec::new();
    for line in lines {
        let sum = pieces.entry(&line.sku).or_insert_with(|| {
            order.push(&line.sku);
            0
        });
        *sum += line.quantity.get();
    }
    if order.is_empty() {
        return refuse(ShopError::Empty);
    }
    if order.len() > limit || lines.len() > 10 * limit {
        return refuse(ShopError::TooManyLines { limit });
    }
    let quantity = |sku: &Sku| pieces.get(sku).copied().and_then(Quantity::new);
    let sum = |sku: &Sku| quantity(sku).map(|q| (sku.clone(), q)).ok_or(Failure::Refused(ShopError::TotalTooLarge));
    order.into_iter().map(sum).collect()
}

/// The order at the catalogue's prices of this moment.
fn priced(db: &mut Db, request: &Request, lines: &[Line], cart: Option<&String>) -> Done<Placing> {
    let summed = summed(lines, request.max_lines)?;
    let skus: Vec<Sku> = summed.iter().map(|(sku, _)| sku.clone()).collect();
    let found: BTreeMap<Sku, Sellable> = sellable(db, &skus)?.into_iter().map(|s| (s.sku.clone(), s)).collect();
    let mut rows = Vec::with_capacity(summed.len());
    let mut total: Option<Money> = None;
    for (position, (sku, quantity)) in summed.into_iter().enumerate() {
        let Some(sellable) = found.get(&sku) else { return refuse(ShopError::UnknownSku { sku: sku.to_string() }) };
        let line_total = sellable.price.times(quantity).map_err(|_| Failure::Refused(ShopError::TotalTooLarge))?;
        total = Some(add(total, line_total)?);
        rows.push(line_row(request, position, sellable, quantity, line_total));
    }
    let Some(total) = total else { return refuse(ShopError::Empty) };
    if request.expected_total.is_some_and(|expected| expected != total) {
        return refuse(ShopError::TotalChanged { current_total: total });
    }
    Ok(Placing { row: order_row(db, request, total, cart)?, lines: rows })
}

fn add(total: Option<Money>, line: Money) -> Done<Money> {
    let Some(total) = total else { return Ok(line) };
    if total.currency() != line.currency() {
        let currencies = vec![total.currency().to_string(), line.currency().to_string()];
        return refuse(ShopError::MixedCurrencies { currencies });
    }
    total.plus(line).map_err(|_| Failure::Refused(ShopError::TotalTooLarge))
}

fn line_row(request: &Request, position: usize, what: &Sellable, quantity: Quantity, total: Money) -> LineRow {
    LineRow {
        order_id: request.id.to_string(),
        position: i64::try_from(position).unwrap_or(i64::MAX),
        sku: what.sku.to_string(),
        product: what.product.to_string(),
        title: what.title.clone(),
        supplier: what.supplier.clone(),
        quantity: quantity.get(),
        unit_price: what.price.amount(),
        total: total.amount(),
        tax_rate: request.tax_rate.into(),
        tax: request.tax_rate.contained_in(total).amount(),
    }
}

fn order_row(db: &mut Db, request: &Request, total: Money, cart: Option<&String>) -> Done<OrderRow> {
    Ok(OrderRow {
        id: request.id.to_string(),
        number: free_number(db, &request.numbers)?,
        buyer: request.buyer.clone(),
        status: OrderStatus::Pending.name().to_owned(),
        payment_status: PaymentStatus::None.name().to_owned(),
        fulfilment_status: FulfilmentStatus::Unfulfilled.name().to_owned(),
        currency: total.currency().to_string(),
        total: total.amount(),
        cart: cart.cloned(),
        live_cart: cart.cloned(),
        step: Step::Pending.name().to_owned(),
        hold_attempt: 1,
        cancel_reason: None,
        refusal: None,
        accepted: 0,
        version: 1,
        lease_until: request.lease.micros(),
        attempts: 0,
        last_error: None,
        created_at: request.now.micros(),
        updated_at: request.now.micros(),
    })
}

fn free_number(db: &mut Db, candidates: &[String]) -> Done<String> {
    for number in candidates {
        let taken: Option<String> =
            orders::table.filter(orders::number.eq(number)).select(orders::id).first(db).optional()?;
        if taken.is_none() {
            return Ok(number.clone());
        }
    }
    Err(Failure::corrupt("no free order number"))
}
