//! The OpenAPI 3.1 document of a set of routes.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::problem::Wire;
use crate::{Routes, TOKEN_COOKIE};

/// The document, complete with every schema that the routes mention.
pub fn document(title: &str, version: &str, routes: &Routes) -> Value {
    let mut schemas = generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes.iter() {
        let operation = route.operation(&mut schemas).render(route);
        let path = paths.entry(route.path.clone()).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(route.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    let problem = <Wire as JsonSchema>::json_schema(&mut schemas);
    json!({
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "responses": {"Problem": {
                "description": "A refusal or a failure (RFC 9457)",
                "content": {"application/problem+json": {"schema": problem}},
            }},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": TOKEN_COOKIE},
            },
        },
    })
}

fn generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    settings.into_generator()
}
