//! Turning requests away while there is no room for what they ask for.

use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, ResponseError};
use futures_util::StreamExt;

use crate::{Outage, Problem};

/// How much of a body that nobody wants is read past, so that the connection can be used again.
const MOST_BYTES: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

/// Hands the request on when there is room; otherwise 503, before anybody has looked at it. It takes no place itself: a
/// request whose body comes slowly must not keep others out.
pub(crate) async fn admit(
    room: fn(&HttpRequest) -> bool,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if room(request.request()) {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    }
    read_past(request.take_payload()).await;
    Ok(request.into_response(Problem::from(Outage::Busy).error_response()))
}

async fn read_past(mut body: actix_web::dev::Payload) {
    let read = async {
        let mut bytes = 0;
        while let Some(Ok(chunk)) = body.next().await {
            bytes += chunk.len();
            if bytes > MOST_BYTES {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE, read).await;
}
