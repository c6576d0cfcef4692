//! Logs to standard error, and the span of a request.

use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use emporium_kernel::Call;
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::settings::{Log, LogFormat};

/// Starts logging.
pub fn start(log: &Log) -> anyhow::Result<()> {
    let quiet = "hyper=warn,reqwest=warn,actix_server=warn,actix_web_prom=error";
    let filter = EnvFilter::try_new(format!("{},{quiet}", log.level))?;
    // A reader of standard error that went away must not stop the process from stopping.
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    match log.format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

/// A span for a request, at level debug: when nobody listens for it, it costs nothing. It holds the route and never
/// the query, which may carry what must not be logged.
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        tracing::debug_span!(
            "request",
            http.request.method = %request.method(),
            url.path = request.path(),
            request_id = request.extensions().get::<Call>().map(|call| tracing::field::display(call.request.clone())),
            http.response.status_code = tracing::field::Empty,
            otel.kind = "server",
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, actix_web::Error>) {
        let status = match outcome {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        span.record("http.response.status_code", status.as_u16());
    }
}
