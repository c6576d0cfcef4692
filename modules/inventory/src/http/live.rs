//! The live stream over HTTP.

use std::future::{Ready, ready};

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder, web};
use emporium_kernel::{Describe, DescribeAnswer, Operation, Problem, Seller, Standing};
use schemars::SchemaGenerator;

use crate::{Stock, feed};

/// The last event that a reader saw, from `Last-Event-ID`; `None` begins with what comes from now on.
#[derive(Debug)]
pub(crate) struct LastEvent(Option<i64>);

impl FromRequest for LastEvent {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let Some(header) = request.headers().get("Last-Event-ID") else { return ready(Ok(Self(None))) };
        let number = header.to_str().ok().and_then(|text| text.trim().parse().ok()).filter(|number| *number >= 0);
        let malformed = || Problem::malformed("invalid_last_event_id", "send the id of the last event as it was given");
        ready(number.map(|number| Self(Some(number))).ok_or_else(malformed))
    }
}

impl Describe for LastEvent {
    fn describe(operation: &mut Operation, _: &mut SchemaGenerator) {
        operation.header("Last-Event-ID", false, "The id of the last event that was seen.");
        operation.fails(&[400]);
    }
}

/// Events, sent as they come.
pub(super) struct EventStream(HttpResponse);

impl Responder for EventStream {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.0
    }
}

impl DescribeAnswer for EventStream {
    fn describe_answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.answers_in("text/event-stream", 200, schemas.subschema_for::<String>());
    }
}

pub(super) async fn stream(
    seller: Seller,
    stock: web::Data<Stock>,
    standing: Standing,
    LastEvent(last): LastEvent,
) -> Result<EventStream, Problem> {
    let events = feed::open(&stock, seller.supplier().map(str::to_owned), standing, last).await?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_TYPE, "text/event-stream")).insert_header((CACHE_CONTROL, "no-store"));
    // Neither we nor a proxy may hold events back to compress or gather them.
    answer.insert_header((CONTENT_ENCODING, "identity")).insert_header(("X-Accel-Buffering", "no"));
    Ok(EventStream(answer.streaming(events)))
}
