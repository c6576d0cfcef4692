//! Routes of products: what buyers read, and in `admin` what staff and suppliers change.

mod admin;
mod fields;

use std::future::{Ready, ready};

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder, web};
use emporium_kernel::{
    Anyone, Cursor, Describe, DescribeAnswer, Limit, Operation, Path, Problem, Prose, Query, Routes, ServedPage,
};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;

use crate::Shop;
use crate::catalogue::Status;
use crate::catalogue::listing::{Filter, Part, Place, Sort};
use crate::catalogue::products::PublicProduct;

pub(crate) fn routes() -> Routes {
    Routes::new("catalogue")
        .get("/v1/products", list, "Lists products that are sold.")
        .get("/v1/products/{key}", show, "Reads a product by id or slug.")
        .and(admin::routes())
}

/// What is wanted beside the rows.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Include {
    /// How many rows there are in all, counted to 5,000; left out where that would take too long.
    Total,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    /// Up to eight words to find in title, SKU, categories, tags and description (of each product, 200 words are known
    /// beside its SKUs); each may be the beginning of one. Where every word is in some 1,000 products or
    /// more and nothing else of the filter leaves few, some hundred products are ranked by relevance at a time, the newest
    /// first, and a page may be short, or empty, before the end.
    q: Option<Prose<200>>,
    /// Id or slug; products in its descendants count.
    category: Option<String>,
    /// The lowest price in minor units.
    min_price: Option<i64>,
    /// The highest price in minor units.
    max_price: Option<i64>,
    sort: Option<Sort>,
    #[serde(default)]
    limit: Limit,
    after: Option<Cursor<Place>>,
    include: Option<Include>,
}

async fn list(
    _: Anyone,
    shop: web::Data<Shop>,
    Query(ask): Query<Search>,
) -> Result<ServedPage<PublicProduct>, Problem> {
    let part = Part::new(ask.sort, is_search(ask.q.as_ref()), ask.limit, ask.after, ask.include.is_some())?;
    let filter = Filter {
        q: ask.q.map(Prose::into_string),
        status: Some(Status::Active),
        category: ask.category,
        min_price: ask.min_price,
        max_price: ask.max_price,
        ..Filter::default()
    };
    Ok(ServedPage::new(shop.products(filter, part).await?.map(PublicProduct::from)))
}

fn is_search(q: Option<&Prose<200>>) -> bool {
    q.is_some_and(|q| !q.is_empty())
}

async fn show(
    _: Anyone,
    shop: web::Data<Shop>,
    Path(key): Path<String>,
    seen: IfNoneMatch,
) -> Result<ProductAnswer, Problem> {
    // Most are in memory; a look there costs neither task nor thread.
    let rendered = shop.rendered(key).await?;
    let unchanged = seen.has(&rendered.etag);
    Ok(ProductAnswer { body: (!unchanged).then(|| rendered.body.clone()), etag: rendered.etag.clone() })
}

/// A rendered product, or word that the client has it already.
struct ProductAnswer {
    body: Option<web::Bytes>,
    etag: HeaderValue,
}

impl Responder for ProductAnswer {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = if self.body.is_some() { HttpResponse::Ok() } else { HttpResponse::NotModified() };
        response.insert_header((ETAG, self.etag));
        response.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")));
        match self.body {
            Some(body) => {
                response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json"))).body(body)
            }
            None => response.finish(),
        }
    }
}

impl DescribeAnswer for ProductAnswer {
    fn describe_answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.answers(200, Some(schemas.subschema_for::<PublicProduct>()));
        operation.answers(304, None);
    }
}

/// The versions that a client has, from `If-None-Match`.
struct IfNoneMatch(Option<HeaderValue>);

impl IfNoneMatch {
    /// Whether `etag` is among them, by the weak comparison that RFC 9110 section 13.1.2 asks for.
    fn has(&self, etag: &HeaderValue) -> bool {
        let (Some(Ok(seen)), Ok(etag)) = (self.0.as_ref().map(HeaderValue::to_str), etag.to_str()) else {
            return false;
        };
        seen.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == etag || one == "*")
    }
}

impl FromRequest for IfNoneMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.headers().get(IF_NONE_MATCH).cloned())))
    }
}

impl Describe for IfNoneMatch {
    fn describe(operation: &mut Operation, _: &mut SchemaGenerator) {
        operation.header("If-None-Match", false, "The ETag of the product the client has; 304 when it is still that.");
    }
}
