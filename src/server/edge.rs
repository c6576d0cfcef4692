//! The outermost layer of the public listener: request id, call context, safe headers, and no panic to the outside.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{RequestHead, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpResponse, ResponseError, web};
use actix_web_prom::{PrometheusMetrics, PrometheusMetricsBuilder};
use emporium_kernel::{Call, Clock, Outage, Problem, Random, RequestId, in_request, metric};
use futures_util::FutureExt;
use ipnet::IpNet;
use prometheus::IntCounterVec;

use super::{bounds, client};

static PANICS: LazyLock<IntCounterVec> =
    LazyLock::new(|| metric::counter("emporium_panics_total", "Defects that ended a piece of work.", &["where"]));

/// What the layer needs.
#[derive(Clone)]
pub struct Edge {
    /// For request ids.
    pub clock: Clock,
    /// For request ids.
    pub random: Random,
    /// Whose word counts for where a request comes from.
    pub proxies: Arc<[IpNet]>,
}

/// Requests by route, method and status.
pub fn metrics() -> anyhow::Result<PrometheusMetrics> {
    let buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0];
    PrometheusMetricsBuilder::new("")
        .registry(metric::REGISTRY.clone())
        .buckets(&buckets)
        .mask_unmatched_patterns("UNMATCHED")
        .build()
        .map_err(|error| anyhow::anyhow!("the metrics of requests: {error}"))
}

/// Gives each request its id and context, and each answer its headers.
pub async fn layer(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    name_method(request.head_mut());
    let call = call_of(&request);
    let id = call.request.clone();
    let private = [AUTHORIZATION, COOKIE].iter().any(|name| request.headers().contains_key(name));
    let page = request.path().starts_with("/docs");
    request.extensions_mut().insert(call);
    if let Err(problem) = bounds::check(&request) {
        let mut refused = in_request(id.clone(), async { problem.error_response() }).await;
        protect(refused.headers_mut(), &id, private, page);
        return Ok(request.into_response(refused));
    }
    let answered = in_request(id.clone(), AssertUnwindSafe(next.call(request)).catch_unwind()).await;
    let mut failed = match answered {
        Ok(Ok(response)) => {
            let mut response = response.map_into_boxed_body();
            protect(response.headers_mut(), &id, private, page);
            return Ok(response);
        }
        Ok(Err(error)) => error.error_response(),
        Err(_) => {
            tracing::error!(request_id = %id, "a handler panicked");
            PANICS.with_label_values(&["handler"]).inc();
            in_request(id.clone(), async { Problem::from(Outage::Internal).error_response() }).await
        }
    };
    protect(failed.headers_mut(), &id, private, page);
    Err(InternalError::from_response("answered", failed).into())
}

/// Anybody can invent methods, and metrics remember each: here they are all one, with the name that OpenTelemetry has
/// for it.
fn name_method(head: &mut RequestHead) {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    if !known.contains(&head.method.as_str())
        && let Ok(other) = Method::from_bytes(b"_OTHER")
    {
        head.method = other;
    }
}

fn call_of(request: &ServiceRequest) -> Call {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let edge = request.app_data::<web::Data<Edge>>();
    let id = header("X-Request-Id").and_then(RequestId::parse);
    let id = id.unwrap_or_else(|| {
        edge.map_or_else(|| Call::internal("edge").request, |edge| RequestId::new(edge.clock.now(), &edge.random))
    });
    let mut call = Call::new(id, Call::PATIENCE);
    call.peer = client::address(request, edge.map_or(&[], |edge| &edge.proxies));
    call.traceparent = header("traceparent").filter(|text| text.len() == 55).map(Into::into);
    call
}

/// An API answers data, never a page: nothing in it may be run, framed, guessed at or, when it is somebody's, stored.
fn protect(headers: &mut HeaderMap, id: &RequestId, private: bool, page: bool) {
    let policy = if page {
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
    } else {
        "default-src 'none'; frame-ancestors 'none'"
    };
    let fixed = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, policy),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if private && !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
}

/// The answer for a path that is not there.
pub async fn not_found() -> HttpResponse {
    Problem::not_found().error_response()
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::from_fn;
    use actix_web::{App, HttpRequest, test};
    use serde_json::Value;

    use super::*;

    #[expect(clippy::panic, reason = "this is what is looked at")]
    async fn defect() -> HttpResponse {
        panic!("the words of a defect")
    }

    #[actix_web::test]
    async fn a_defect_is_a_plain_500_and_the_next_request_is_answered() {
        let app = App::new().wrap(from_fn(layer)).route("/defect", web::get().to(defect));
        let app = test::init_service(app.default_service(web::to(not_found))).await;
        let before = PANICS.with_label_values(&["handler"]).get();
        let ask = |path: &str| test::TestRequest::with_uri(path).to_request();
        let failed = test::try_call_service(&app, ask("/defect")).await.expect_err("it failed").error_response();
        assert_eq!((failed.status().as_u16(), PANICS.with_label_values(&["handler"]).get()), (500, before + 1));
        let body = actix_web::body::to_bytes(failed.into_body()).await.expect("a body");
        let told: Value = serde_json::from_slice(&body).expect("JSON");
        assert!(told["request_id"].is_string() && !told.to_string().contains("words"), "{told}");
        assert_eq!(test::call_service(&app, ask("/elsewhere")).await.status().as_u16(), 404);
    }

    #[actix_web::test]
    async fn methods_that_somebody_invented_are_one() {
        let named = web::to(|request: HttpRequest| async move { request.method().to_string() });
        let app = test::init_service(App::new().wrap(from_fn(layer)).default_service(named)).await;
        for (method, name) in [("GET", "GET"), ("TRACE", "TRACE"), ("BREW", "_OTHER"), ("get", "_OTHER")] {
            let request = test::TestRequest::default().method(method.parse().expect("a method"));
            assert_eq!(test::call_and_read_body(&app, request.to_request()).await, name);
        }
    }
}
