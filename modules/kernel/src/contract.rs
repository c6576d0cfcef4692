//! `contract!`: what a module offers to its neighbours, declared once and callable near or far.

use std::future::{Future, Ready, ready};
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, web};
use futures_util::FutureExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Instrument;

use crate::{Call, Caller, Fault, Outage, Problem, RequestId, metric};

/// Yields, from one declaration, the object-safe async trait, `Near` and `Client` that implement it, and the
/// `routes` that serve it.
///
/// A method takes the call context and one request, and returns one response or the contract's error. It is
/// idempotent by a natural key. Nothing is sent twice unless the line ends in `, repeatable`.
///
/// ```text
/// contract! {
///     /// Stock that can be reserved for an order and given back.
///     pub trait Inventory at "/internal/inventory" failing InventoryError {
///         /// Reserves stock for an order. A repeated call for the same order changes nothing.
///         async fn reserve(&self, Reserve) -> Reservation;
///     }
/// }
/// ```
#[macro_export]
macro_rules! contract {
    (
        $(#[$meta:meta])*
        pub trait $name:ident at $base:literal failing $error:ty {
            $( $(#[$method_meta:meta])* async fn $method:ident(&self, $ask:ty) -> $answer:ty $(, $mode:ident)? ; )*
        }
    ) => {
        $(#[$meta])*
        #[$crate::__private::async_trait]
        pub trait $name: Send + Sync + 'static {
            $( $(#[$method_meta])* async fn $method(&self, call: &$crate::Call, ask: $ask) -> Result<$answer, $error>; )*
        }

        /// The contract in this process, measured like the one over HTTP.
        #[derive(Clone)]
        pub struct Near(pub ::std::sync::Arc<dyn $name>);

        #[$crate::__private::async_trait]
        impl $name for Near {
            $(
                async fn $method(&self, call: &$crate::Call, ask: $ask) -> Result<$answer, $error> {
                    let work = self.0.$method(call, ask);
                    $crate::observe(stringify!($name), stringify!($method), "near", call, work).await
                }
            )*
        }

        /// The contract over HTTP.
        #[derive(Clone, Debug)]
        pub struct Client(pub $crate::Remote);

        #[$crate::__private::async_trait]
        impl $name for Client {
            $(
                async fn $method(&self, call: &$crate::Call, ask: $ask) -> Result<$answer, $error> {
                    let path = concat!($base, "/", stringify!($method));
                    let work = self.0.send(call, path, &ask, $crate::contract!(@repeatable $($mode)?));
                    $crate::observe(stringify!($name), stringify!($method), "far", call, work).await
                }
            )*
        }

        /// The routes that serve the contract on the management listener, to services that `admission` lets in.
        pub fn routes(
            service: ::std::sync::Arc<dyn $name>,
            admission: ::std::sync::Arc<dyn $crate::Admission>,
        ) -> impl FnOnce(&mut $crate::__private::actix_web::web::ServiceConfig) {
            move |app| {
                $({
                    let (service, admission) = (service.clone(), admission.clone());
                    app.route(
                        concat!($base, "/", stringify!($method)),
                        $crate::__private::actix_web::web::post().to(
                            move |incoming: $crate::Internal<$ask>| {
                                let (service, admission) = (service.clone(), admission.clone());
                                async move {
                                    incoming
                                        .serve(&*admission, |call, ask| async move { service.$method(&call, ask).await })
                                        .await
                                }
                            },
                        ),
                    );
                })*
            }
        }
    };
    (@repeatable) => { false };
    (@repeatable repeatable) => { true };
}

/// Decides which services may use internal routes.
pub trait Admission: Send + Sync + 'static {
    /// The name of the service that sent `token`.
    fn admit(&self, token: &str) -> Result<String, Inadmissible>;
}

/// Why nobody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inadmissible {
    /// Nothing proves that a service calls.
    Unproven,
    /// It is something else than a service credential, or one of a service that has no business here.
    Forbidden,
}

impl From<Inadmissible> for Problem {
    fn from(reason: Inadmissible) -> Self {
        match reason {
            Inadmissible::Unproven => {
                let title = "internal routes take service credentials only";
                Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", title)
            }
            Inadmissible::Forbidden => {
                Problem::new(StatusCode::FORBIDDEN, "forbidden", "these routes are not for this service")
            }
        }
    }
}

/// Runs a contract call in its span and counts it: the same for both places.
pub async fn observe<T, E: Fault>(
    contract: &'static str,
    method: &'static str,
    place: &'static str,
    call: &Call,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let span = tracing::debug_span!("contract", contract, method, place, request_id = %call.request);
    #[expect(clippy::disallowed_methods, reason = "measures a duration")]
    let start = Instant::now();
    let result = work.instrument(span).await;
    crate::failpoint(method, "answered");
    let outcome = match &result {
        Ok(_) => "answered",
        Err(error) if error.outage().is_none() => "refused",
        Err(_) => "failed",
    };
    metric::count_call(contract, method, outcome, start.elapsed());
    result
}

/// Marks what the method itself said: an answer without it, from a gate, a proxy or another server, is no refusal.
pub(crate) const FROM_CONTRACT: HeaderName = HeaderName::from_static("x-emporium-contract");

/// The largest body of a call, in bytes: some hundred thousand lines.
const MAX_CALL_BYTES: usize = 16 * 1024 * 1024;

/// One incoming call on an internal route. Unknown fields are ignored, so that contracts can grow.
pub struct Internal<Q> {
    request: HttpRequest,
    body: web::Payload,
    ask: PhantomData<Q>,
}

impl<Q: 'static> FromRequest for Internal<Q> {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut actix_web::dev::Payload) -> Self::Future {
        let body = web::Payload::from_request(request, payload).into_inner();
        ready(body.map(|body| Self { request: request.clone(), body, ask: PhantomData }))
    }
}

impl<Q: DeserializeOwned> Internal<Q> {
    /// Checks the credential before it reads anything, rebuilds the call context, runs the method and renders what it
    /// said.
    pub async fn serve<A, E, F, W>(self, admission: &dyn Admission, method: F) -> HttpResponse
    where
        A: Serialize,
        E: Fault,
        F: FnOnce(Call, Q) -> W,
        W: Future<Output = Result<A, E>>,
    {
        let token = header(&self.request, AUTHORIZATION.as_str()).and_then(|header| header.strip_prefix("Bearer "));
        let path = self.request.path().to_owned();
        let service = match token.ok_or(Inadmissible::Unproven).and_then(|token| admission.admit(token)) {
            Ok(service) => service,
            Err(reason) => {
                tracing::warn!(path, ?reason, "a call from elsewhere was not let in");
                return Problem::from(reason).error_response();
            }
        };
        let (call, ask) = match self.read().await {
            Ok(read) => read,
            Err(problem) => {
                tracing::warn!(path, service, %problem, "a call cannot be read");
                return said(Problem::from(Outage::Internal).error_response());
            }
        };
        if call.is_over() {
            return said(Problem::from(Outage::DeadlineExceeded).error_response());
        }
        let request = call.request.clone();
        tracing::debug!(path, service, request_id = %request, "called");
        let work = AssertUnwindSafe(crate::in_request(request.clone(), method(call, ask))).catch_unwind();
        said(match work.await {
            Ok(Ok(answer)) => HttpResponse::Ok().json(answer),
            Ok(Err(error)) => Problem::from(error).error_response(),
            Err(_) => {
                tracing::error!(request_id = %request, "an internal call panicked");
                Problem::from(Outage::Internal).error_response()
            }
        })
    }

    async fn read(self) -> Result<(Call, Q), Problem> {
        let call = call_of(&self.request)?;
        let body = self.body.to_bytes_limited(MAX_CALL_BYTES).await;
        let body =
            body.map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "more than 16 MiB"))?;
        let body = body.map_err(|error| malformed(&error.to_string()))?;
        let ask = serde_json::from_slice(&body).map_err(|error| malformed(&error.to_string()))?;
        Ok((call, ask))
    }
}

/// Marks what comes from the contract itself.
fn said(mut answer: HttpResponse) -> HttpResponse {
    answer.headers_mut().insert(FROM_CONTRACT, HeaderValue::from_static("1"));
    answer
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

fn malformed(what: &str) -> Problem {
    Problem::malformed("malformed_call", what)
}

/// The context that the caller sent.
fn call_of(request: &HttpRequest) -> Result<Call, Problem> {
    let id = header(request, "X-Request-Id").and_then(RequestId::parse).ok_or_else(|| malformed("X-Request-Id"))?;
    let patience = header(request, "X-Deadline-Ms").and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
    let mut call = Call::new(id, patience.unwrap_or(Call::PATIENCE).min(Call::PATIENCE));
    if let Some(caller) = header(request, "X-Caller") {
        let caller: Caller = serde_json::from_str(caller).map_err(|_| malformed("X-Caller"))?;
        call.caller = Some(Arc::new(caller));
    }
    call.traceparent = header(request, "traceparent").map(Into::into);
    Ok(call)
}
