//! Everything that is known of the caller.

use actix_web::body::BoxBody;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, Responder, web};
use emporium_auth_api::UserId;
use emporium_kernel::{Confirmed, DescribeAnswer, Operation, Problem, Routes, Unauthenticated};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use crate::Shop;

pub(crate) fn routes() -> Routes {
    Routes::new("personal").get("/v1/me/export", export, "Everything that is known of the caller, from all modules.")
}

/// A file that is sent while it is being made.
struct Export(HttpResponse);

/// Everything that is known of a user.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it describes what is sent in pieces")]
struct Everything {
    /// Profile, addresses, sessions and API keys.
    auth: Value,
    /// Orders, newest first.
    orders: Vec<Value>,
    /// Balances, deposits, withdrawals and transactions.
    wallet: Value,
    /// Carts.
    carts: Vec<Value>,
}

impl Responder for Export {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.0
    }
}

impl DescribeAnswer for Export {
    fn describe_answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.answers(200, Some(schemas.subschema_for::<Everything>()));
    }
}

async fn export(who: Confirmed, shop: web::Data<Shop>) -> Result<Export, Problem> {
    let user = UserId::parse(&who.caller.id).ok_or(Unauthenticated::Refused)?;
    let pieces = shop.into_inner().personal(&who.call, user).await?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_TYPE, "application/json"));
    answer.insert_header((CONTENT_DISPOSITION, "attachment; filename=\"personal-data.json\""));
    Ok(Export(answer.streaming(pieces)))
}
