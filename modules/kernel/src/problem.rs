//! Errors on the wire: `application/problem+json` (RFC 9457) with a stable code and what the client can act on.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::call::current_request_id;

/// One refused field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldError {
    /// Where, as in `items[0].quantity`; empty for the request as a whole.
    pub field: String,
    /// What is wrong, stable.
    pub code: String,
    /// What to do about it.
    pub message: String,
}

/// An error as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Stable and unique to the kind of error.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// One sentence for people about this very case. (`title`, in refusals that were stored before there was this.)
    #[serde(alias = "title")]
    pub detail: String,
    /// The refused fields, when the request itself is at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Facts to act on: `available`, `current_total`, `allowed_actions` and the like.
    #[serde(flatten)]
    pub facts: Map<String, Value>,
    /// Seconds to wait before trying again.
    #[serde(skip)]
    pub retry_after: Option<u32>,
    /// Whether this is a stored refusal given again.
    #[serde(skip)]
    pub replayed: bool,
}

impl Problem {
    /// A problem without facts.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            facts: Map::new(),
            retry_after: None,
            replayed: false,
        }
    }

    /// 400 for a request that cannot be read.
    pub fn malformed(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 404, the same for what never was and what belongs to another.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here for you")
    }

    /// 422 for a request that was understood and cannot be done.
    pub fn unprocessable(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 422 for fields that were read and refused.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let mut problem =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", "some fields were refused; see errors");
        problem.errors = errors;
        problem
    }

    /// 422 for one field.
    pub fn invalid_field(field: &str, code: &str, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { field: field.to_owned(), code: code.to_owned(), message: message.into() }])
    }

    /// Adds a fact to act on.
    #[must_use]
    pub fn with(mut self, name: &str, fact: impl Serialize) -> Self {
        self.facts.insert(name.to_owned(), serde_json::to_value(fact).unwrap_or(Value::Null));
        self
    }

    /// Asks the client to wait.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    fn http_status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.http_status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.http_status());
        answer.insert_header((CONTENT_TYPE, "application/problem+json"));
        if let Some(seconds) = self.retry_after {
            answer.insert_header((RETRY_AFTER, seconds));
        }
        if self.status == 401 {
            answer.insert_header(("WWW-Authenticate", "Bearer"));
        }
        if self.replayed {
            answer.insert_header(("Idempotent-Replayed", "true"));
        }
        answer.body(serde_json::to_vec(&Wire::of(self)).unwrap_or_default())
    }
}

/// A problem as it is sent (RFC 9457 section 3).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct Wire<'a> {
    /// Names the kind of error; the same for the same `code`.
    r#type: String,
    /// The kind of error in words; the same for the same `code`.
    title: String,
    /// Names the request in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(flatten)]
    problem: Cow<'a, Problem>,
}

impl<'a> Wire<'a> {
    fn of(problem: &'a Problem) -> Self {
        let r#type = format!("urn:emporium:problem:{}", problem.code);
        let request_id = current_request_id().map(|id| id.to_string());
        Self { r#type, title: in_words(&problem.code), request_id, problem: Cow::Borrowed(problem) }
    }
}

/// `out_of_stock` as `Out of stock`.
fn in_words(code: &str) -> String {
    let mut letters = code.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + &letters.as_str().replace('_', " ")
}

/// A module's refusals: an enum that is serde data with the member `code`, the same near and far.
///
/// `status` has no wildcard arm, so that a new refusal makes the compiler ask for its status.
pub trait Fault: std::error::Error + Serialize + DeserializeOwned + From<Outage> + Send + Sync + 'static {
    /// The HTTP status that goes with it.
    fn status(&self) -> StatusCode;

    /// The failure of the machinery behind it, when it is not a refusal.
    fn outage(&self) -> Option<Outage>;

    /// How long the client should wait before it tries again, in seconds.
    fn retry_after_secs(&self) -> Option<u32> {
        self.outage().and_then(Outage::retry_after_secs)
    }
}

impl<E: Fault> From<E> for Problem {
    fn from(fault: E) -> Self {
        let mut problem = Problem::new(fault.status(), "internal", fault.to_string());
        problem.retry_after = fault.retry_after_secs();
        if let Ok(Value::Object(mut facts)) = serde_json::to_value(&fault) {
            if let Some(Value::String(code)) = facts.remove("code") {
                problem.code = code;
            }
            problem.facts = facts;
        }
        problem
    }
}

/// How the machinery can fail instead of answering. Every module's error enum holds it as its last, untagged variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Outage {
    /// The neighbour did not answer: the call may or may not have been carried out. Send the same again or ask.
    #[error("a part of the shop did not answer; the request may have been carried out")]
    Unreachable,
    /// A defect of ours, logged with its cause where it was found.
    #[error("something went wrong on our side")]
    Internal,
    /// A queue is full; nothing was done.
    #[error("too much is going on; try again soon")]
    Busy,
    /// The disk is full; nothing was done, and reading goes on.
    #[error("the storage is full; nothing was changed")]
    StorageFull,
    /// The time for the call ran out before it began; nothing was done.
    #[error("the time for this request ran out before it began")]
    DeadlineExceeded,
}

impl Outage {
    /// 500 for our defects, 503 for everything that passes.
    pub fn status(self) -> StatusCode {
        match self {
            Outage::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Outage::Unreachable | Outage::Busy | Outage::StorageFull | Outage::DeadlineExceeded => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// How long a client should wait.
    pub fn retry_after_secs(self) -> Option<u32> {
        match self {
            Outage::Internal => None,
            Outage::StorageFull => Some(30),
            Outage::Unreachable | Outage::Busy | Outage::DeadlineExceeded => Some(1),
        }
    }
}

impl Fault for Outage {
    fn status(&self) -> StatusCode {
        Outage::status(*self)
    }
    fn outage(&self) -> Option<Outage> {
        Some(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error, Serialize, Deserialize, PartialEq)]
    #[serde(tag = "code", rename_all = "snake_case")]
    enum TeaError {
        #[error("only {available} left")]
        OutOfTea { available: i64 },
        #[error(transparent)]
        #[serde(untagged)]
        Outage(#[from] Outage),
    }

    impl Fault for TeaError {
        fn status(&self) -> StatusCode {
            match self {
                TeaError::OutOfTea { .. } => StatusCode::CONFLICT,
                TeaError::Outage(outage) => outage.status(),
            }
        }
        fn outage(&self) -> Option<Outage> {
            match self {
                TeaError::OutOfTea { .. } => None,
                TeaError::Outage(outage) => Some(*outage),
            }
        }
    }

    #[test]
    fn a_refusal_keeps_its_code_and_its_facts() {
        let problem = Problem::from(TeaError::OutOfTea { available: 3 });
        insta::assert_json_snapshot!(problem, @r#"
        {
          "code": "out_of_tea",
          "status": 409,
          "detail": "only 3 left",
          "available": 3
        }
        "#);
    }

    #[test]
    fn what_is_sent_names_its_kind_and_says_what_happened() {
        let problem = Problem::from(TeaError::OutOfTea { available: 3 });
        insta::assert_json_snapshot!(Wire::of(&problem), @r#"
        {
          "type": "urn:emporium:problem:out_of_tea",
          "title": "Out of tea",
          "code": "out_of_tea",
          "status": 409,
          "detail": "only 3 left",
          "available": 3
        }
        "#);
    }

    #[test]
    fn an_outage_inside_an_enum_looks_like_one_outside() {
        let near = TeaError::from(Outage::Busy);
        let wire = serde_json::to_value(&near).expect("serializes");
        assert_eq!(wire, serde_json::json!({"code": "busy"}));
        assert_eq!(serde_json::from_value::<TeaError>(wire).expect("reads"), near);
        assert_eq!(Problem::from(near).retry_after, Some(1));
    }
}
