//! The management listener: health, information and metrics, with the paths of Spring's Actuator.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};
use emporium_kernel::{Remote, metric};
use prometheus::{Encoder, TextEncoder};
use serde_json::{Map, Value, json};

use super::Draining;
use crate::wiring::Modules;

/// Mounts the routes.
pub fn mount(app: &mut web::ServiceConfig) {
    app.route("/actuator/health", web::get().to(health))
        .route("/actuator/health/liveness", web::get().to(liveness))
        .route("/actuator/health/readiness", web::get().to(readiness))
        .route("/actuator/info", web::get().to(info))
        .route("/actuator/prometheus", web::get().to(prometheus))
        .route("/metrics", web::get().to(prometheus));
}

/// The process answers: it says nothing of databases, so that a full disk does not get it restarted.
async fn liveness() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "UP"}))
}

/// Whether requests should come here: own databases answer, and the process is not draining.
async fn readiness(modules: web::Data<Modules>, draining: web::Data<Draining>) -> HttpResponse {
    status(is_ready(&modules, &draining).await, None)
}

async fn health(modules: web::Data<Modules>, draining: web::Data<Draining>) -> HttpResponse {
    let mut components = databases(&modules).await;
    let up = !draining.is_on() && all_up(&components);
    components.extend(neighbours(&modules));
    status(up, Some(components))
}

/// Whether the process takes new work: what both listeners say.
pub async fn is_ready(modules: &Modules, draining: &Draining) -> bool {
    !draining.is_on() && all_up(&databases(modules).await)
}

fn all_up(components: &Map<String, Value>) -> bool {
    components.values().all(|component| component["status"] == "UP")
}

fn status(up: bool, components: Option<Map<String, Value>>) -> HttpResponse {
    let mut body = json!({"status": if up { "UP" } else { "OUT_OF_SERVICE" }});
    if let Some(components) = components {
        body["components"] = components.into();
    }
    if up { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

async fn databases(modules: &Modules) -> Map<String, Value> {
    let mut components = Map::new();
    for (name, database) in modules.databases() {
        let up = database.is_ready().await;
        components.insert(format!("{name}_db"), json!({"status": if up { "UP" } else { "DOWN" }}));
    }
    components
}

/// Modules of other processes. Losing one does not make this process unready.
fn neighbours(modules: &Modules) -> impl Iterator<Item = (String, Value)> {
    let link = |link: &Remote| {
        let status = if link.is_sound() { "UP" } else { "DOWN" };
        (format!("{}_service", link.peer()), json!({"status": status}))
    };
    modules.links().iter().map(link)
}

async fn info(modules: web::Data<Modules>) -> HttpResponse {
    let held: Vec<&str> = modules.databases().map(|(name, _)| name).collect();
    HttpResponse::Ok().json(json!({
        "app": {"name": "emporium", "version": env!("CARGO_PKG_VERSION")},
        "modules": {"held": held},
    }))
}

async fn prometheus() -> HttpResponse {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&metric::REGISTRY.gather(), &mut text) {
        Ok(()) => HttpResponse::Ok().insert_header((CONTENT_TYPE, prometheus::TEXT_FORMAT)).body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be rendered");
            HttpResponse::InternalServerError().finish()
        }
    }
}
