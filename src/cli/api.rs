//! `emporium openapi` and `emporium routes`: the public API of this build, without any database.

use emporium_kernel::Routes;
use serde_json::json;

use super::Context;
use crate::{server, wiring};

/// What a process of this build can answer.
fn all_routes() -> Routes {
    wiring::all_routes().and(server::routes(true))
}

/// Prints the OpenAPI document.
pub fn openapi(context: &Context) -> anyhow::Result<u8> {
    let document = server::document(&all_routes());
    let pretty = serde_json::to_string_pretty(&document)?;
    context.out.show(&document, |_| pretty);
    Ok(0)
}

/// Prints each public route, who may use it, and what it does.
pub fn routes(context: &Context) -> anyhow::Result<u8> {
    let routes = all_routes();
    let mut schemas = schemars::SchemaGenerator::default();
    let rows: Vec<_> = routes
        .iter()
        .map(|route| {
            let access = route.operation(&mut schemas).access;
            json!({"method": route.method.as_str(), "path": route.path, "access": access, "summary": route.summary})
        })
        .collect();
    let text = |row: &serde_json::Value| {
        let part = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
        format!("{:6} {:45} {:24} {}", part("method"), part("path"), part("access"), part("summary"))
    };
    context.out.show(&json!({"routes": rows}), |_| rows.iter().map(text).collect::<Vec<_>>().join("\n"));
    Ok(0)
}
