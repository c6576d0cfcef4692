//! What a handler takes is taken in order, however long each part needs.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{App, test, web};
use emporium_kernel::{Answer, Authenticator, Caller, Freshness, Json, Problem, Routes, SignedIn, Unauthenticated};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

/// Asks far away, and lets nobody in.
struct Doorkeeper;

impl Authenticator for Doorkeeper {
    fn authenticate(&self, _: String, _: Freshness) -> BoxFuture<'_, Result<Arc<Caller>, Unauthenticated>> {
        let asked = async {
            tokio::task::yield_now().await;
            Err(Unauthenticated::Refused)
        };
        asked.boxed()
    }
}

async fn note(_: SignedIn, _: Json<Value>) -> Result<Answer<(), 204>, Problem> {
    Ok(Answer::new(()))
}

#[actix_web::test]
async fn a_stranger_is_refused_before_the_body_is_looked_at() {
    let doorkeeper: Arc<dyn Authenticator> = Arc::new(Doorkeeper);
    let routes = Routes::new("notes").post("/notes", note, "Notes something.");
    let app = App::new().app_data(web::Data::from(doorkeeper)).configure(|app| routes.mount(app));
    let app = test::init_service(app).await;
    for body in ["{\"text\": 1}", "no JSON", ""] {
        let request = test::TestRequest::post().uri("/notes").insert_header(("Content-Type", "application/json"));
        let request = request.insert_header(("Authorization", "Bearer a.b.c")).set_payload(body).to_request();
        let answer = test::call_service(&app, request).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{body}");
        let problem: Value = serde_json::from_slice(&test::read_body(answer).await).expect("a problem");
        assert_eq!(problem["code"], "unauthenticated");
    }
}
