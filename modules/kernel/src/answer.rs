//! What a handler answers with: a body, its status in the type, and the few headers that matter.

use std::future::{Ready, ready};

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, LOCATION};
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder};
use schemars::SchemaGenerator;
use serde::{Deserialize, Serialize};

use crate::Problem;
use crate::route::{Describe, Operation};

/// An answer whose success status is part of its type: `Answer<Order, 201>`.
#[derive(Debug)]
pub struct Answer<T, const STATUS: u16 = 200> {
    body: Body<T>,
    status: u16,
    headers: Vec<(HeaderName, String)>,
}

#[derive(Debug)]
enum Body<T> {
    Fresh(T),
    Stored(String),
}

impl<T, const STATUS: u16> Answer<T, STATUS> {
    /// An answer with this body.
    pub fn new(body: T) -> Self {
        Self { body: Body::Fresh(body), status: STATUS, headers: Vec::new() }
    }

    /// Says where the thing is.
    #[must_use]
    pub fn at(self, location: impl Into<String>) -> Self {
        self.header(LOCATION, location.into())
    }

    /// Says which version this is, for `If-Match`.
    #[must_use]
    pub fn version(self, version: i64) -> Self {
        self.header(ETAG, ETag(version).to_string())
    }

    /// 202 instead: accepted and going on.
    #[must_use]
    pub fn accepted(mut self) -> Self {
        self.status = 202;
        self
    }

    /// Marks an answer that was rendered again for a repeated key.
    #[must_use]
    pub fn replayed(self) -> Self {
        self.header(HeaderName::from_static("idempotent-replayed"), "true".to_owned())
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// What a key's first request was answered with, as it is stored and given again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// HTTP status.
    pub status: u16,
    /// JSON.
    pub body: String,
    /// Whether it is given again.
    #[serde(skip)]
    pub replayed: bool,
}

impl Stored {
    /// Renders a success.
    pub fn success<T: Serialize>(status: u16, body: &T) -> Result<Self, serde_json::Error> {
        Ok(Self { status, body: serde_json::to_string(body)?, replayed: false })
    }

    /// Renders a refusal.
    pub fn refusal(problem: &Problem) -> Result<Self, serde_json::Error> {
        Ok(Self { status: problem.status, body: serde_json::to_string(problem)?, replayed: false })
    }

    /// The answer or the refusal that this was.
    pub fn into_answer<T, const STATUS: u16>(self) -> Result<Answer<T, STATUS>, Problem> {
        if self.status >= 400 {
            let mut problem: Problem =
                serde_json::from_str(&self.body).map_err(|_| Problem::from(crate::Outage::Internal))?;
            problem.replayed = self.replayed;
            return Err(problem);
        }
        let answer = Answer { body: Body::Stored(self.body), status: self.status, headers: Vec::new() };
        Ok(if self.replayed { answer.replayed() } else { answer })
    }
}

impl<T: Serialize, const STATUS: u16> Responder for Answer<T, STATUS> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = HttpResponse::build(status);
        for (name, value) in self.headers {
            response.append_header((name, value));
        }
        if status == StatusCode::NO_CONTENT {
            return response.finish();
        }
        response.insert_header((CONTENT_TYPE, "application/json"));
        match self.body {
            Body::Stored(text) => response.body(text),
            Body::Fresh(body) => match serde_json::to_vec(&body) {
                Ok(bytes) => response.body(bytes),
                Err(error) => {
                    tracing::error!(%error, "an answer could not be serialized");
                    actix_web::ResponseError::error_response(&Problem::from(crate::Outage::Internal))
                }
            },
        }
    }
}

/// A row version as an entity tag (RFC 9110 section 8.8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag(pub i64);

impl std::fmt::Display for ETag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// The version that a change is based on, from `If-Match`; 428 when it is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(
    /// `None` for `*`: whatever version there is.
    pub Option<i64>,
);

impl IfMatch {
    /// 412 when `current` is not the version the client saw.
    pub fn check(self, current: i64) -> Result<(), Problem> {
        if self.0.is_none_or(|seen| seen == current) { Ok(()) } else { Err(Self::stale(current)) }
    }

    /// 412 with the version there is now.
    pub fn stale(current: i64) -> Problem {
        let title = "it was changed since you read it; read it again";
        Problem::new(StatusCode::PRECONDITION_FAILED, "stale_version", title)
            .with("current_version", ETag(current).to_string())
    }
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read_if_match(request))
    }
}

fn read_if_match(request: &HttpRequest) -> Result<IfMatch, Problem> {
    let Some(header) = request.headers().get(IF_MATCH) else {
        let title = "send If-Match with the ETag you read";
        return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, "if_match_required", title));
    };
    let text = header.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(IfMatch(None));
    }
    let version = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).and_then(|t| t.parse().ok());
    version
        .map(|v| IfMatch(Some(v)))
        .ok_or_else(|| Problem::malformed("invalid_if_match", "If-Match takes one ETag as it was given, or *"))
}

impl Describe for IfMatch {
    fn describe(operation: &mut Operation, _: &mut SchemaGenerator) {
        operation.header("If-Match", true, "The ETag that the change is based on, or *.");
        operation.fails(&[400, 412, 428]);
    }
}
