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
            let key = read_key(request.headers())?;
            let bytes = body_of(&request, payload).await?;
            let body = parse(&bytes)?;
            let canonical: serde_json::Value = parse(&bytes)?;
            let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
            let fingerprint = fingerprint(request.method().as_str(), target, &canonical);
            Ok(Self { body, key, fingerprint })
        })
    }
}

fn read_key(headers: &HeaderMap) -> Result<String, Problem> {
    let Some(header) = headers.get("Idempotency-Key") else {
        let title = "send an Idempotency-Key of your own making; send the same one again to repeat this request safely";
        return Err(Problem::malformed("idempotency_key_required", title));
    };
    let key = header.to_str().unwrap_or_default().trim_matches('"');
    let fits = (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if fits {
        return Ok(key.to_owned());
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
