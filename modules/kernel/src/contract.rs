//! `contract!`: what a module offers to its neighbours, declared once and callable near or far.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
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
    /// The name of the service that holds `token`; `None` refuses it.
    fn admit(&self, token: &str) -> Option<String>;
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

/// One incoming call on an internal route. Unknown fields are ignored, so that contracts can grow.
pub struct Internal<Q> {
    request: HttpRequest,
    body: web::Bytes,
    ask: std::marker::PhantomData<Q>,
}

impl<Q: 'static> actix_web::FromRequest for Internal<Q> {
    type Error = actix_web::Error;
    type Future = futures_util::future::LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut actix_web::dev::Payload) -> Self::Future {
        let (request, body) = (request.clone(), web::Bytes::from_request(request, payload));
        Box::pin(async move { Ok(Self { body: body.await?, request, ask: std::marker::PhantomData }) })
    }
}

impl<Q: DeserializeOwned> Internal<Q> {
    /// Checks the credential, rebuilds the call context, runs the method and renders what it said.
    pub async fn serve<A, E, F, W>(self, admission: &dyn Admission, method: F) -> HttpResponse
    where
        A: Serialize,
        E: Fault,
        F: FnOnce(Call, Q) -> W,
        W: Future<Output = Result<A, E>>,
    {
        if self.header(AUTHORIZATION.as_str()).and_then(|h| admission.admit(h.strip_prefix("Bearer ")?)).is_none() {
            let title = "internal routes take service credentials only";
            return Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", title).error_response();
        }
        let (call, ask) = match self.read() {
            Ok(read) => read,
            Err(problem) => return problem.error_response(),
        };
        if call.is_over() {
            return Problem::from(Outage::DeadlineExceeded).error_response();
        }
        match crate::in_request(call.request.clone(), method(call, ask)).await {
            Ok(answer) => HttpResponse::Ok().json(answer),
            Err(error) => Problem::from(error).error_response(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    fn read(&self) -> Result<(Call, Q), Problem> {
        let malformed = |what: &str| Problem::malformed("malformed_call", what);
        let ask = serde_json::from_slice(&self.body).map_err(|error| malformed(&error.to_string()))?;
        let request =
            self.header("X-Request-Id").and_then(RequestId::parse).ok_or_else(|| malformed("X-Request-Id"))?;
        let patience = self.header("X-Deadline-Ms").and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
        let mut call = Call::new(request, patience.unwrap_or(Call::PATIENCE).min(Call::PATIENCE));
        if let Some(caller) = self.header("X-Caller") {
            let caller: Caller = serde_json::from_str(caller).map_err(|_| malformed("X-Caller"))?;
            call.caller = Some(Arc::new(caller));
        }
        call.traceparent = self.header("traceparent").map(Into::into);
        Ok((call, ask))
    }
}
