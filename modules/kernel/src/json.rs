//! Request bodies: JSON of bounded size and depth into a type that refuses what it does not know.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::route::{Describe, Operation};
use crate::{FieldError, Problem};

/// The largest request body, 64 KiB.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
const MAX_DEPTH: usize = 32;

/// What an absent body is read as.
pub const EMPTY_BODY: &[u8] = b"{}";

/// A JSON request body.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { Ok(Self(parse(&body_of(&request, payload).await?)?)) })
    }
}

impl<T: JsonSchema> Describe for Json<T> {
    fn describe(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.body(schemas.subschema_for::<T>());
    }
}

/// Reads a whole body after checking that it is plain JSON of bounded size.
pub(crate) async fn body_of(request: &HttpRequest, payload: Payload) -> Result<Bytes, Problem> {
    let mut payload = web::Payload::from_request(request, &mut { payload }).await.map_err(|_| unreadable())?;
    let mut body = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| unreadable())?;
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    if body.is_empty() {
        return Ok(Bytes::from_static(EMPTY_BODY));
    }
    check_media_type(request)?;
    Ok(body.freeze())
}

fn check_media_type(request: &HttpRequest) -> Result<(), Problem> {
    let header = |name| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = header(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let plain = request.headers().get(CONTENT_ENCODING).is_none() || header(CONTENT_ENCODING) == "identity";
    if essence == "application/json" && plain {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "send Content-Type: application/json without compression",
    ))
}

fn unreadable() -> Problem {
    Problem::malformed("unreadable_body", "the body could not be read")
}

fn too_large() -> Problem {
    let title = format!("the body is larger than {MAX_BODY_BYTES} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", title)
}

/// Parses a body strictly: bounded depth, no NUL, and every refusal names its field.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    check_shape(body)?;
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        // serde_json calls a `null` or a number in the place of an enum a fault of syntax, which it is not.
        let is_json = || serde_json::from_slice::<serde_json::Value>(body).is_ok();
        if inner.is_data() || is_json() { refused(&path, &inner) } else { malformed(&inner) }
    })?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// Walks the bytes once, outside strings for depth and inside for escaped NUL.
fn check_shape(body: &[u8]) -> Result<(), Problem> {
    let (mut depth, mut in_string, mut i) = (0usize, false, 0);
    while let Some(byte) = body.get(i) {
        match (in_string, byte) {
            (true, b'\\') => {
                if body.get(i + 1..i + 6) == Some(b"u0000") {
                    return Err(Problem::malformed("forbidden_character", "NUL is not allowed in text"));
                }
                i += 1;
            }
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(Problem::malformed("too_deep", format!("nest at most {MAX_DEPTH} levels")));
        }
        i += 1;
    }
    Ok(())
}

fn malformed(error: &serde_json::Error) -> Problem {
    let title = format!("the body is not JSON: line {}, column {}", error.line(), error.column());
    Problem::malformed("malformed_json", title)
}

/// Turns serde's words into a field, a stable code and advice. Our own types write `code: advice`.
fn refused(path: &str, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    Problem::invalid(vec![field_error(path, message)])
}

/// The field error for serde's `message` at `path`.
pub(crate) fn field_error(path: &str, message: &str) -> FieldError {
    let path = if path == "." { "" } else { path };
    let quoted = || message.split('`').nth(1).unwrap_or_default();
    let own = message.split_once(": ").filter(|(code, _)| code.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()));
    let (field, code, message) = if message.starts_with("unknown field") {
        (join(path, quoted()), "unknown_field", format!("remove {}", quoted()))
    } else if message.starts_with("missing field") {
        (join(path, quoted()), "required", format!("add {}", quoted()))
    } else if message.starts_with("duplicate field") {
        (join(path, quoted()), "duplicate_field", format!("send {} once", quoted()))
    } else if let Some((code, advice)) = own {
        (path.to_owned(), code, advice.to_owned())
    } else {
        (path.to_owned(), "invalid_value", message.to_owned())
    };
    FieldError { field, code: code.to_owned(), message }
}

fn join(path: &str, name: &str) -> String {
    match path.rsplit_once('.').map_or(path, |(_, last)| last) {
        last if last == name => path.to_owned(),
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{Line, Money, Quantity};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Thing {
        name: Line<10>,
        items: Vec<Item>,
        price: Option<Money>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Item {
        quantity: Quantity,
    }

    fn refusal(body: &str) -> (u16, String, String) {
        let problem = parse::<Thing>(body.as_bytes()).expect_err("is refused");
        let field = problem.errors.first().cloned();
        let (field, code) = field.map_or((String::new(), problem.code), |e| (e.field, e.code));
        (problem.status, field, code)
    }

    #[test]
    fn each_refusal_names_its_field_and_code() {
        let of = |status, field: &str, code: &str| (status, field.to_owned(), code.to_owned());
        let cases = [
            (r#"{"name": "a", "items": [], "role": 1}"#, of(422, "role", "unknown_field")),
            (r#"{"items": []}"#, of(422, "name", "required")),
            (r#"{"name": "a", "name": "b", "items": []}"#, of(422, "name", "duplicate_field")),
            (r#"{"name": "a", "items": [{"quantity": 0}]}"#, of(422, "items[0].quantity", "quantity_out_of_range")),
            (r#"{"name": "a", "items": [{"quantity": 1.5}]}"#, of(422, "items[0].quantity", "invalid_value")),
            (r#"{"name": "a", "items": [{"quantity": 1, "price": 1}]}"#, of(422, "items[0].price", "unknown_field")),
            (r#"{"name": "a\u0000", "items": []}"#, of(400, "", "forbidden_character")),
            (r#"{"name": "\ud800", "items": []}"#, of(400, "", "malformed_json")),
            (r#"{"name": "a", "items": []} x"#, of(400, "", "malformed_json")),
            (r#"{"name": "a"#, of(400, "", "malformed_json")),
            (
                r#"{"name": "a", "items": [], "price": {"amount": 1, "currency": "ZZZ"}}"#,
                of(422, "price.currency", "unknown_currency"),
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(refusal(body), expected, "{body}");
        }
        assert_eq!(refusal(&"[".repeat(10_000)).2, "too_deep");
        let problem = parse::<crate::Role>(b"null").expect_err("is no role");
        assert_eq!((problem.status, problem.errors[0].code.as_str()), (422, "invalid_value"));
    }

    #[test]
    fn an_escaped_backslash_before_u0000_is_only_text() {
        assert!(parse::<String>(br#""a\\u0000""#).is_ok());
        assert!(parse::<String>(br#""[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[""#).is_ok());
    }
}
