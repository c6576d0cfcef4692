//! Orders over HTTP.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use emporium_kernel::{Answer, Confirmed, Idempotent, Page, Path, Problem, Query, Routes, SignedIn, Staff};
use emporium_shop_api::OrderId;
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::Shop;
use crate::orders::{Canceller, NewOrder, Order, OrderEvent, OrderFilter, OwnOrderFilter, Placement, StuckOrder};

pub(crate) fn routes() -> Routes {
    Routes::new("orders")
        .post("/v1/orders", place, "Places an order: reserves stock, takes the money, and answers when both are done.")
        .only_while(has_room)
        .get("/v1/orders", own_orders, "The caller's orders, newest first.")
        .get("/v1/orders/{id}", own_order, "An order of the caller's.")
        .get("/v1/orders/{id}/events", own_events, "What happened to an order of the caller's, oldest first.")
        .post("/v1/orders/{id}/cancel", cancel, "Cancels an order that is still being placed.")
        .get("/v1/admin/orders", orders, "All orders, newest first.")
        .get("/v1/admin/orders/unfinished", unfinished, "Orders that are still being placed or undone, oldest first.")
        .get("/v1/admin/orders/{id}", order, "Any order.")
        .get("/v1/admin/orders/{id}/events", events, "What happened to any order, oldest first.")
        .post("/v1/admin/orders/{id}/cancel", cancel_any, "Cancels any order that is still being placed.")
}

/// Whether one more order can be placed now.
pub(super) fn has_room(request: &HttpRequest) -> bool {
    request.app_data::<web::Data<Shop>>().is_some_and(|shop| shop.has_room())
}

/// The answer to placing an order: 201 when it is placed, 202 while it goes on.
pub(super) type Placed = Result<OrderAnswer<201>, Problem>;

/// An order with the status of what became of it; 202 is possible besides `STATUS`.
pub(super) struct OrderAnswer<const STATUS: u16>(Answer<Order, STATUS>);

impl<const STATUS: u16> actix_web::Responder for OrderAnswer<STATUS> {
    type Body = actix_web::body::BoxBody;
    fn respond_to(self, request: &actix_web::HttpRequest) -> actix_web::HttpResponse {
        self.0.respond_to(request)
    }
}

impl<const STATUS: u16> emporium_kernel::DescribeAnswer for OrderAnswer<STATUS> {
    fn describe_answer(operation: &mut emporium_kernel::Operation, schemas: &mut SchemaGenerator) {
        operation.answers(STATUS, Some(schemas.subschema_for::<Order>()));
        operation.answers(202, Some(schemas.subschema_for::<Order>()));
        operation.fails(&[402, 409]);
    }
}

/// Renders what became of a request.
pub(super) fn placed<const STATUS: u16>(placement: Placement) -> Result<OrderAnswer<STATUS>, Problem> {
    let at = |order: &Order| format!("/v1/orders/{}", order.id);
    match placement {
        Placement::Finished { refusal: Some(mut problem), replayed, .. } if STATUS == 201 => {
            problem.replayed = replayed;
            Err(problem)
        }
        Placement::Finished { order, replayed, .. } => {
            let location = at(&order);
            let answer = Answer::new(order).at(location);
            Ok(OrderAnswer(if replayed { answer.replayed() } else { answer }))
        }
        Placement::Accepted(order) => {
            let location = at(&order);
            Ok(OrderAnswer(Answer::new(order).at(location).accepted()))
        }
        Placement::InProgress => {
            let title = "an earlier request with this Idempotency-Key is still being carried out";
            Err(Problem::new(StatusCode::CONFLICT, "idempotency_in_progress", title).retry_after(1))
        }
        Placement::KeyReused => Err(emporium_database::idempotency::reused()),
    }
}

/// Nothing is needed to cancel.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Cancellation {}

/// A list that is not paged.
#[derive(Debug, Serialize, JsonSchema)]
struct All<T> {
    /// The rows.
    data: Vec<T>,
}

async fn place(who: Confirmed, shop: web::Data<Shop>, request: Idempotent<NewOrder>) -> Placed {
    let key = request.key(&who.caller);
    placed(shop.into_inner().place(&who.caller, key, request.body).await?)
}

async fn own_orders(
    who: SignedIn,
    shop: web::Data<Shop>,
    Query(filter): Query<OwnOrderFilter>,
) -> Result<Answer<Page<Order>>, Problem> {
    let filter = OrderFilter { customer: Some(who.caller.id.clone()), ..filter.into() };
    Ok(Answer::new(shop.orders(filter).await?))
}

async fn own_order(who: SignedIn, shop: web::Data<Shop>, Path(id): Path<OrderId>) -> Result<Answer<Order>, Problem> {
    Ok(Answer::new(shop.order(id, Some(who.caller.id.clone())).await?))
}

async fn own_events(
    who: SignedIn,
    shop: web::Data<Shop>,
    Path(id): Path<OrderId>,
) -> Result<Answer<All<OrderEvent>>, Problem> {
    let data = shop.order_history(id, Some(who.caller.id.clone())).await?;
    Ok(Answer::new(All { data }))
}

async fn cancel(
    who: Confirmed,
    shop: web::Data<Shop>,
    Path(id): Path<OrderId>,
    request: Idempotent<Cancellation>,
) -> Result<OrderAnswer<200>, Problem> {
    let key = request.key(&who.caller);
    placed(shop.into_inner().cancel(&who.caller, Canceller::Buyer, key, &id).await?)
}

async fn orders(
    _: Staff,
    shop: web::Data<Shop>,
    Query(filter): Query<OrderFilter>,
) -> Result<Answer<Page<Order>>, Problem> {
    Ok(Answer::new(shop.orders(filter).await?))
}

async fn unfinished(_: Staff, shop: web::Data<Shop>) -> Result<Answer<All<StuckOrder>>, Problem> {
    Ok(Answer::new(All { data: shop.unfinished().await? }))
}

async fn order(_: Staff, shop: web::Data<Shop>, Path(id): Path<OrderId>) -> Result<Answer<Order>, Problem> {
    Ok(Answer::new(shop.order(id, None).await?))
}

async fn events(_: Staff, shop: web::Data<Shop>, Path(id): Path<OrderId>) -> Result<Answer<All<OrderEvent>>, Problem> {
    let data = shop.order_history(id, None).await?;
    Ok(Answer::new(All { data }))
}

async fn cancel_any(
    who: Staff,
    shop: web::Data<Shop>,
    Path(id): Path<OrderId>,
    request: Idempotent<Cancellation>,
) -> Result<OrderAnswer<200>, Problem> {
    let key = request.key(&who.caller);
    placed(shop.into_inner().cancel(&who.caller, Canceller::Staff, key, &id).await?)
}
