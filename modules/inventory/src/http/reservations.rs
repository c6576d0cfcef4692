//! Reservations over HTTP.

use actix_web::web;
use emporium_kernel::{Answer, Problem, Query, ServedPage, Staff};

use crate::Stock;
use crate::reservations::{self, Held, ReservationFilter};

pub(super) async fn list(
    _: Staff,
    stock: web::Data<Stock>,
    Query(filter): Query<ReservationFilter>,
) -> Result<ServedPage<Held>, Problem> {
    Ok(Answer::new(stock.database.read(move |db| reservations::list(db, filter)).await?))
}
