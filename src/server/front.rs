//! What a process says of itself in public: whether it is there, and how its API is used.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, Responder, web};
use emporium_kernel::{DescribeAnswer, Operation, Path, Problem, Public, Routes, openapi};
use schemars::SchemaGenerator;

use super::page::{self, Part};
use super::{Draining, management};
use crate::wiring::Modules;

/// The routes; the documentation only where it is wanted.
pub fn routes(documented: bool) -> Routes {
    let health = Routes::new("server").get("/health/live", live, "Tells whether the process answers.").get(
        "/health/ready",
        ready,
        "Tells whether requests should come here.",
    );
    if !documented {
        return health;
    }
    health
        .get("/openapi.json", description, "This document: the API in OpenAPI 3.1.")
        .get("/docs", to_page, "Leads to the page.")
        .get("/docs/", whole_page, "Shows the API as a page to browse and try.")
        .get("/docs/{file}", part_of_page, "Reads a part of the page.")
}

/// The OpenAPI document of these routes.
pub fn document(routes: &Routes) -> serde_json::Value {
    openapi::document("emporium", env!("CARGO_PKG_VERSION"), routes)
}

/// The API's documentation, made once.
#[derive(Clone)]
pub struct Docs(web::Bytes);

impl Docs {
    /// The documentation of these routes.
    pub fn of(routes: &Routes) -> Self {
        Self(document(routes).to_string().into())
    }
}

/// A word for a probe: 200, or 503 when the answer is no.
struct Word(Result<&'static str, &'static str>);

impl Responder for Word {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let (status, word) = match self.0 {
            Ok(word) => (StatusCode::OK, word),
            Err(word) => (StatusCode::SERVICE_UNAVAILABLE, word),
        };
        HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(word)
    }
}

impl DescribeAnswer for Word {
    fn describe_answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        for status in [200, 503] {
            let word = schemas.subschema_for::<String>();
            operation.answers_in("text/plain", status, word);
        }
    }
}

/// The document.
struct Description(web::Bytes);

impl Responder for Description {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().content_type("application/json").body(self.0)
    }
}

impl DescribeAnswer for Description {
    fn describe_answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.answers(200, Some(schemas.subschema_for::<serde_json::Map<String, serde_json::Value>>()));
    }
}

/// 302 to where the page is.
struct ToPage;

impl Responder for ToPage {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Found().insert_header((LOCATION, "/docs/")).finish()
    }
}

impl DescribeAnswer for ToPage {
    fn describe_answer(operation: &mut Operation, _: &mut SchemaGenerator) {
        operation.answers(302, None);
    }
}

async fn live(_: Public) -> Word {
    Word(Ok("live"))
}

async fn ready(_: Public, modules: web::Data<Modules>, draining: web::Data<Draining>) -> Word {
    Word(if management::is_ready(&modules, &draining).await { Ok("ready") } else { Err("unready") })
}

async fn description(_: Public, docs: web::Data<Docs>) -> Description {
    Description(docs.0.clone())
}

async fn to_page(_: Public) -> ToPage {
    ToPage
}

async fn whole_page(_: Public) -> Result<Part, Problem> {
    page::part("index.html").ok_or_else(Problem::not_found)
}

async fn part_of_page(_: Public, Path(name): Path<String>) -> Result<Part, Problem> {
    page::part(&name).ok_or_else(Problem::not_found)
}
