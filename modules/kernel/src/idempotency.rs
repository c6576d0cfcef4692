//! `Idempotency-Key`: the key, whose it is, and what it was first sent with
//! (draft-ietf-httpapi-idempotency-key-header).

use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::json::{body_of, parse};
use crate::route::{Describe, Operation};
use crate::{Caller, Problem};

/// A request that is carried out once, however often it is sent.
#[derive(Debug)]
pub struct Idempotent<T> {
    /// The request body.
    pub body: T,
    key: String,
    fingerprint: String,
}

impl<T> Idempotent<T> {
    /// The key in the scope of its sender: the same key of another sender is another key.
    pub fn key(&self, sender: &Caller) -> Idempotency {
        Idempotency { scope: sender.id.clone(), key: self.key.clone(), fingerprint: self.fingerprint.clone() }
    }
}

/// A request that is carried out once when it comes with a key, and each time otherwise.
#[derive(Debug)]
pub struct Keyed<T> {
    /// The request body.
    pub body: T,
    key: Option<(String, String)>,
}

impl<T> Keyed<T> {
    /// The key in the scope of its sender. A guest has no scope of its own: its keys count for nothing.
    pub fn key(&self, sender: Option<&Caller>) -> Option<Idempotency> {
        let (sender, (key, fingerprint)) = sender.zip(self.key.clone())?;
        Some(Idempotency { scope: sender.id.clone(), key, fingerprint })
    }
}

/// A key in its scope, with the fingerprint of the request it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Whose key it is.
    pub scope: String,
    /// The key.
    pub key: String,
    /// SHA-256 of method, path with query, and canonical body, in hexadecimal.
    pub fingerprint: String,
}

impl<T: DeserializeOwned + 'static> FromRequest for Idempotent<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let Some(key) = read_key(request.headers())? else {
                let detail =
                    "send an Idempotency-Key of your own making; send the same one again to repeat this request safely";
                return Err(Problem::malformed("idempotency_key_required", detail));
            };
            let (body, fingerprint) = read_body(&request, payload).await?;
            Ok(Self { body, key, fingerprint })
        })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Keyed<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let key = read_key(request.headers())?;
            let (body, fingerprint) = read_body(&request, payload).await?;
            Ok(Self { body, key: key.map(|key| (key, fingerprint)) })
        })
    }
}

/// The body, and what tells this request from others.
async fn read_body<T: DeserializeOwned>(request: &HttpRequest, payload: Payload) -> Result<(T, String), Problem> {
    let bytes = body_of(request, payload).await?;
    let body = parse(&bytes)?;
    let canonical: serde_json::Value = parse(&bytes)?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    Ok((body, fingerprint(request.method().as_str(), target, &canonical)))
}

fn read_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(header) = headers.get("Idempotency-Key") else { return Ok(None) };
    let key = header.to_str().unwrap_or_default().trim_matches('"');
    let fits = (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if fits {
        return Ok(Some(key.to_owned()));
    }
    Err(Problem::malformed("invalid_idempotency_key", "use 1 to 255 visible ASCII characters"))
}

/// serde_json keeps object members sorted, so equal bodies have equal text however they were spaced and ordered.
fn fingerprint(method: &str, target: &str, body: &serde_json::Value) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{method}\n{target}\n{body}"));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl<T: JsonSchema> Describe for Idempotent<T> {
    fn describe(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.header("Idempotency-Key", true, "1 to 255 visible ASCII characters; kept for 7 days.");
        operation.body(schemas.subschema_for::<T>());
        operation.fails(&[400, 409, 422]);
    }
}

impl<T: JsonSchema> Describe for Keyed<T> {
    fn describe(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        let description = "1 to 255 visible ASCII characters; kept for 7 days. Of guests it is not looked at.";
        operation.header("Idempotency-Key", false, description);
        operation.body(schemas.subschema_for::<T>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_ignores_order_and_space_but_nothing_else() {
        let of = |target, body: &str| fingerprint("POST", target, &serde_json::from_str(body).expect("is JSON"));
        let first = of("/v1/orders", r#"{"a": 1, "b": [2]}"#);
        assert_eq!(first, of("/v1/orders", r#"{"b":[2],"a":1}"#));
        assert_ne!(first, of("/v1/orders", r#"{"a": 1, "b": [3]}"#));
        assert_ne!(first, of("/v1/orders?x=1", r#"{"a": 1, "b": [2]}"#));
    }
}
