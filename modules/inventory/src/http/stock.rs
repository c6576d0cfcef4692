//! Stock over HTTP: availability, levels, adjustments, movements and thresholds.

use std::collections::BTreeSet;

use actix_web::web;
use emporium_database::idempotency::{self, once};
use emporium_inventory_api::{AdjustRow, Available, Change, InventoryError, Level, LocationId, Sku};
use emporium_kernel::{Answer, Anyone, Idempotent, Json, Line, Problem, Query, Seller, ServedPage, Window, id};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{Batch, Count, Delta, Skus};
use crate::adjustments::{self, Adjustment};
use crate::levels::LevelFilter;
use crate::locations::main_location;
use crate::movements::{Movement, MovementFilter};
use crate::{Stock, Threshold, items, levels, movements};

id!(
    /// Names an adjustment.
    AdjustmentId = "adj"
);

/// All there is, without pages.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct All<T> {
    /// The rows.
    data: Vec<T>,
}

pub(super) async fn availability(
    _: Anyone,
    stock: web::Data<Stock>,
    Json(ask): Json<Skus>,
) -> Result<Answer<All<Available>>, Problem> {
    let data = stock.database.read(move |db| levels::availability(db, ask.skus.0)).await?;
    Ok(Answer::new(All { data }))
}

pub(super) async fn list(
    seller: Seller,
    stock: web::Data<Stock>,
    Query(filter): Query<LevelFilter>,
) -> Result<ServedPage<Level>, Problem> {
    let supplier = seller.supplier().map(str::to_owned);
    let page = stock.database.read(move |db| levels::list(db, &filter, supplier.as_deref())).await?;
    Ok(Answer::new(page))
}

/// One row of stock.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowOf {
    /// The SKU.
    sku: Sku,
    /// The location; the default one when not said.
    location: Option<LocationId>,
}

pub(super) async fn remove(
    seller: Seller,
    stock: web::Data<Stock>,
    Query(row): Query<RowOf>,
) -> Result<Answer<(), 204>, Problem> {
    let supplier = seller.supplier().map(str::to_owned);
    let location = row.location.unwrap_or_else(main_location);
    let (now, command) = (stock.clock.now(), stock.random.token::<16>());
    let remove = move |db: &mut _| {
        if idempotency::was_applied(db, &command)? {
            return Ok(true);
        }
        items::require(db, &BTreeSet::from([row.sku.as_str()]), supplier.as_deref())?;
        let removed = levels::remove(db, &row.sku, &location)?;
        if removed {
            idempotency::already_applied::<InventoryError>(db, &command, now)?;
        }
        Ok(removed)
    };
    let removed: bool = stock.database.write::<_, InventoryError, _>(remove).await?;
    if removed { Ok(Answer::new(())) } else { Err(Problem::not_found()) }
}

/// Changes of stock on hand, done all or none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Adjustments {
    /// 1 to 100, done in this order where they change the same stock.
    adjustments: Batch<OneAdjustment>,
}

/// One change of stock on hand: exactly one of `delta` and `set`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneAdjustment {
    /// The SKU.
    sku: Sku,
    /// The location; the default one when not said.
    location: Option<LocationId>,
    /// By how much.
    delta: Option<Delta>,
    /// To what.
    set: Option<Count>,
    /// Why.
    reason: Line<200>,
    /// Refuse when on hand is something else.
    expected_on_hand: Option<Count>,
}

impl OneAdjustment {
    fn row(self, index: usize) -> Result<AdjustRow, Problem> {
        let change = match (self.delta, self.set) {
            (Some(Delta(by)), None) => Change::Delta(by),
            (None, Some(Count(to))) => Change::Set(to),
            (Some(_), Some(_)) | (None, None) => {
                let field = format!("adjustments[{index}]");
                return Err(Problem::invalid_field(&field, "one_change", "send exactly one of delta and set"));
            }
        };
        Ok(AdjustRow {
            sku: self.sku,
            location: self.location,
            change,
            reason: self.reason.into_string(),
            expected_on_hand: self.expected_on_hand.map(|count| count.0),
        })
    }
}

pub(super) async fn adjust(
    seller: Seller,
    stock: web::Data<Stock>,
    ask: Idempotent<Adjustments>,
) -> Result<Answer<All<Level>>, Problem> {
    let (key, now) = (ask.key(&seller.caller), stock.clock.now());
    let rows = ask.body.adjustments.0.into_iter().enumerate().map(|(index, row)| row.row(index));
    let adjustment = Adjustment {
        id: AdjustmentId::new(now, &stock.random).to_string(),
        actor: seller.caller.id.clone(),
        rows: rows.collect::<Result<_, _>>()?,
        supplier: seller.supplier().map(str::to_owned),
        now,
    };
    let work =
        move |db: &mut _| once(db, &key, now, 200, |db| adjustments::adjust(db, &adjustment).map(|data| All { data }));
    stock.database.write::<_, InventoryError, _>(work).await?.into_answer()
}

pub(super) async fn movements(
    seller: Seller,
    stock: web::Data<Stock>,
    Query(filter): Query<MovementFilter>,
) -> Result<ServedPage<Movement>, Problem> {
    let supplier = seller.supplier().map(str::to_owned);
    let page = stock.database.read(move |db| movements::list(db, &filter, supplier.as_deref())).await?;
    Ok(Answer::new(page))
}

pub(super) async fn low(
    seller: Seller,
    stock: web::Data<Stock>,
    Query(window): Query<Window>,
) -> Result<ServedPage<Threshold>, Problem> {
    let supplier = seller.supplier().map(str::to_owned);
    let page = stock.database.read(move |db| items::low(db, window, supplier.as_deref())).await?;
    Ok(Answer::new(page))
}

/// When a SKU counts as low.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewThreshold {
    /// The SKU.
    sku: Sku,
    /// Low when no more than this is available; `null` for never.
    #[serde(deserialize_with = "Option::deserialize")]
    low_stock_threshold: Option<Count>,
}

pub(super) async fn set_threshold(
    seller: Seller,
    stock: web::Data<Stock>,
    Json(new): Json<NewThreshold>,
) -> Result<Answer<Threshold>, Problem> {
    let (supplier, now) = (seller.supplier().map(str::to_owned), stock.clock.now());
    let threshold = new.low_stock_threshold.map(|count| count.0);
    let work = move |db: &mut _| items::set_threshold(db, &new.sku, threshold, supplier.as_deref(), now);
    Ok(Answer::new(stock.database.write::<_, InventoryError, _>(work).await?))
}
