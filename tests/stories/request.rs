//! What a story sends and what comes back.

use emporium_kernel::Random;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::deployment::Person;

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Reply {
    /// The body, after checking the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// Status and code of a problem.
    pub fn problem(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or_default())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A request to be sent.
#[derive(Clone)]
pub struct Request<'a> {
    pub method: Method,
    pub path: String,
    pub person: Option<&'a Person>,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<Vec<u8>>,
}

fn request<'a>(method: Method, path: &str) -> Request<'a> {
    Request { method, path: path.to_owned(), person: None, headers: Vec::new(), body: None }
}

pub fn get<'a>(path: &str) -> Request<'a> {
    request(Method::GET, path)
}

pub fn post<'a>(path: &str) -> Request<'a> {
    request(Method::POST, path)
}

pub fn patch<'a>(path: &str) -> Request<'a> {
    request(Method::PATCH, path)
}

pub fn delete<'a>(path: &str) -> Request<'a> {
    request(Method::DELETE, path)
}

pub fn any<'a>(method: &str, path: &str) -> Request<'a> {
    request(method.parse().expect("a method"), path)
}

impl<'a> Request<'a> {
    pub fn by(mut self, person: &'a Person) -> Self {
        self.person = Some(person);
        self
    }

    /// With a key of its own.
    pub fn once(self) -> Self {
        let key = Random::system().token::<16>();
        self.keyed(&key)
    }

    pub fn keyed(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.raw(body.to_string())
    }

    pub fn raw(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }
}

/// The body of an order for some pieces of a SKU.
pub fn order_of(sku: &str, quantity: i64) -> Value {
    json!({"items": [{"sku": sku, "quantity": quantity}], "payment": {"method": "wallet"}})
}
