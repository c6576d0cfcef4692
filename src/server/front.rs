//! What a process says of itself in public: whether it is there, and how its API is used.

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, LOCATION};
use actix_web::{HttpRequest, HttpResponse, Responder, web};
use emporium_kernel::{DescribeAnswer, Operation, Outage, Path, Problem, Public, Routes, openapi};
use schemars::SchemaGenerator;

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
        .get("/docs/", page, "Shows the API as a page to browse and try.")
        .get("/docs/{file}", part_of_page, "Reads a part of the page.")
}

/// The OpenAPI document of these routes.
pub fn document(routes: &Routes) -> serde_json::Value {
    openapi::document("emporium", env!("CARGO_PKG_VERSION"), routes)
}

/// The API's documentation, made once.
#[derive(Clone)]
pub struct Docs {
    text: web::Bytes,
    page: Arc<utoipa_swagger_ui::Config<'static>>,
}

impl Docs {
    /// The documentation of these routes.
    pub fn of(routes: &Routes) -> Self {
        let page = utoipa_swagger_ui::Config::new(["/openapi.json"]).validator_url("none");
        Self { text: document(routes).to_string().into(), page: Arc::new(page) }
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

/// A file, as it is.
struct File {
    kind: String,
    bytes: web::Bytes,
}

impl Responder for File {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().insert_header((CONTENT_TYPE, self.kind)).body(self.bytes)
    }
}

impl DescribeAnswer for File {
    fn describe_answer(operation: &mut Operation, _: &mut SchemaGenerator) {
        operation.answers(200, None);
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
    Description(docs.text.clone())
}

async fn to_page(_: Public) -> ToPage {
    ToPage
}

async fn page(_: Public, docs: web::Data<Docs>) -> Result<File, Problem> {
    part(&docs, "index.html")
}

async fn part_of_page(_: Public, Path(name): Path<String>, docs: web::Data<Docs>) -> Result<File, Problem> {
    part(&docs, &name)
}

fn part(docs: &Docs, name: &str) -> Result<File, Problem> {
    let file = utoipa_swagger_ui::serve(name, docs.page.clone()).map_err(|error| {
        tracing::error!(%error, name, "a part of the page of documentation cannot be made");
        Problem::from(Outage::Internal)
    })?;
    let file = file.ok_or_else(Problem::not_found)?;
    Ok(File { kind: file.content_type, bytes: file.bytes.into_owned().into() })
}
