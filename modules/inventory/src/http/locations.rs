//! Locations over HTTP.

use actix_web::web;
use emporium_database::idempotency;
use emporium_inventory_api::{InventoryError, LocationId};
use emporium_kernel::{Answer, Json, Line, Path, Problem, Query, Seller, ServedPage, Staff, Window};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Stock;
use crate::locations::{self, Location};

/// What a location is called.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    /// The name; each is taken once.
    name: Line<100>,
}

pub(super) async fn list(
    _: Seller,
    stock: web::Data<Stock>,
    Query(window): Query<Window>,
) -> Result<ServedPage<Location>, Problem> {
    Ok(Answer::new(stock.database.read(move |db| locations::list(db, window)).await?))
}

pub(super) async fn create(
    _: Staff,
    stock: web::Data<Stock>,
    Json(new): Json<Named>,
) -> Result<Answer<Location, 201>, Problem> {
    let now = stock.clock.now();
    let id = LocationId::new(now, &stock.random);
    let path = format!("/v1/admin/locations/{id}");
    let work = move |db: &mut _| match idempotency::already_applied(db, id.as_str(), now)? {
        true => locations::find(db, &id),
        false => locations::create(db, &id, &new.name, now),
    };
    let location = stock.database.write::<_, InventoryError, _>(work).await?;
    Ok(Answer::new(location).at(path))
}

pub(super) async fn rename(
    _: Staff,
    stock: web::Data<Stock>,
    Path(id): Path<LocationId>,
    Json(new): Json<Named>,
) -> Result<Answer<Location>, Problem> {
    let work = move |db: &mut _| locations::rename(db, &id, &new.name);
    Ok(Answer::new(stock.database.write::<_, InventoryError, _>(work).await?))
}

pub(super) async fn remove(
    _: Staff,
    stock: web::Data<Stock>,
    Path(id): Path<LocationId>,
) -> Result<Answer<(), 204>, Problem> {
    let (now, command) = (stock.clock.now(), stock.random.token::<16>());
    let work = move |db: &mut _| match idempotency::already_applied(db, &command, now)? {
        true => Ok(()),
        false => locations::remove(db, &id, now),
    };
    Ok(Answer::new(stock.database.write::<_, InventoryError, _>(work).await?))
}
