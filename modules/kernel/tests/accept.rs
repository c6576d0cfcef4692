//! A form that a route does not have is refused before the route is asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::http::Method;
use actix_web::{App, test, web};
use emporium_kernel::{Answer, Json, Problem, Public, Routes, openapi};
use serde_json::{Value, json};

async fn make(_: Public, made: web::Data<AtomicUsize>, _: Json<Value>) -> Result<Answer<usize, 201>, Problem> {
    Ok(Answer::new(made.fetch_add(1, Ordering::SeqCst) + 1))
}

async fn count(_: Public, made: web::Data<AtomicUsize>) -> Result<Answer<usize>, Problem> {
    Ok(Answer::new(made.load(Ordering::SeqCst)))
}

async fn forget(_: Public, made: web::Data<AtomicUsize>) -> Result<Answer<(), 204>, Problem> {
    made.store(0, Ordering::SeqCst);
    Ok(Answer::new(()))
}

fn routes() -> Routes {
    let routes = Routes::new("things").get("/things", count, "Counts things.").post("/things", make, "Makes one.");
    routes.delete("/things", forget, "Forgets them.")
}

#[actix_web::test]
async fn a_form_that_there_is_not_is_refused_before_anything_is_done() {
    let made = web::Data::new(AtomicUsize::new(0));
    let app = test::init_service(App::new().app_data(made.clone()).configure(|app| routes().mount(app))).await;
    for (method, accept, status, left) in [
        (Method::POST, "text/html", 406, 0),
        (Method::POST, "*/*, application/json;q=0", 406, 0),
        (Method::POST, "text/html, application/json", 201, 1),
        (Method::GET, "text/html", 406, 1),
        (Method::HEAD, "text/html", 406, 1),
        (Method::GET, "application/*", 200, 1),
        (Method::PUT, "text/html", 405, 1),
        (Method::DELETE, "text/html", 204, 0),
    ] {
        let request = test::TestRequest::with_uri("/things").method(method.clone()).set_json(json!({}));
        let answer = test::call_service(&app, request.insert_header(("Accept", accept)).to_request()).await;
        assert_eq!((answer.status().as_u16(), made.load(Ordering::SeqCst)), (status, left), "{method} {accept}");
        if status == 406 {
            assert_eq!(answer.headers().get("content-type").expect("is there"), "application/problem+json");
            let problem: Value = serde_json::from_slice(&test::read_body(answer).await).expect("a problem");
            assert_eq!(problem["code"], "not_acceptable");
            assert_eq!(problem["offered"], json!(["application/json"]));
        }
    }
}

#[actix_web::test]
async fn the_document_names_the_refusal_where_there_is_a_form() {
    let document = openapi::document("things", "1", &routes());
    let refuses = |method: &str| document["paths"]["/things"][method]["responses"].get("406").is_some();
    assert_eq!(["get", "post", "delete"].map(refuses), [true, true, false]);
}
