//! Query strings and path segments, read as strictly as bodies.

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::Problem;
use crate::json::field_error;
use crate::route::{Describe, Operation};

/// The query string, as a flat type that refuses names it does not know and names given twice.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    if query.contains("%00") {
        return Err(Problem::malformed("forbidden_character", "NUL is not allowed in text"));
    }
    let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let path = error.path().to_string();
        let refused = field_error(&path, &error.into_inner().to_string());
        let mut problem = Problem::invalid(vec![refused]);
        (problem.status, problem.code) = (400, "invalid_query".to_owned());
        problem
    })
}

impl<T: JsonSchema> Describe for Query<T> {
    fn describe(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.query(&schemas.root_schema_for::<T>());
    }
}

/// A path segment. One that cannot be read names nothing, so it is 404 and not 400.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: FromStr> FromRequest for Path<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut segments = request.match_info().iter();
        let segment = segments.next().and_then(|(_, text)| text.parse().ok());
        ready(segment.map(Self).ok_or_else(Problem::not_found))
    }
}

impl<T> Describe for Path<T> {
    fn describe(_: &mut Operation, _: &mut SchemaGenerator) {}
}

/// Two path segments, as in `/carts/{id}/items/{line}`.
#[derive(Debug)]
pub struct PathPair<A, B>(pub A, pub B);

impl<A: FromStr, B: FromStr> FromRequest for PathPair<A, B> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let texts: Vec<&str> = request.match_info().iter().map(|(_, text)| text).collect();
        let pair = match texts.as_slice() {
            [a, b] => a.parse().ok().zip(b.parse().ok()),
            _ => None,
        };
        ready(pair.map(|(a, b)| Self(a, b)).ok_or_else(Problem::not_found))
    }
}

impl<A, B> Describe for PathPair<A, B> {
    fn describe(_: &mut Operation, _: &mut SchemaGenerator) {}
}
