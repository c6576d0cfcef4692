//! Requests as bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::people::Person;

/// Counts up, so that no two requests of a run have the same idempotency key.
static KEYS: AtomicU64 = AtomicU64::new(1);

/// A read by nobody in particular.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n").into_bytes()
}

/// A command with a key of its own, by somebody or nobody.
pub fn post(path: &str, who: Option<&Person>, body: &Value) -> Vec<u8> {
    let mut request = Vec::new();
    write_post(&mut request, path, who, &body.to_string());
    request
}

/// Writes such a command behind what `into` holds.
pub fn write_post(into: &mut Vec<u8>, path: &str, who: Option<&Person>, body: &str) {
    let mut put = |text: &str| into.extend_from_slice(text.as_bytes());
    put("POST ");
    put(path);
    put(" HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n");
    if let Some(person) = who {
        put("Authorization: Bearer ");
        put(&person.token);
        put("\r\n");
    }
    let key = KEYS.fetch_add(1, Ordering::Relaxed);
    put(&format!("Idempotency-Key: bench-{key:016x}\r\nContent-Length: {}\r\n\r\n", body.len()));
    put(body);
}

/// Writes a read behind what `into` holds.
pub fn write_get(into: &mut Vec<u8>, path: &str, who: Option<&Person>) {
    let signed = who.map(|person| format!("Authorization: Bearer {}\r\n", person.token)).unwrap_or_default();
    into.extend_from_slice(format!("GET {path} HTTP/1.1\r\nHost: shop\r\n{signed}\r\n").as_bytes());
}
