//! The OpenAPI document, read as a list of operations.

use serde_json::Value;

/// Method, path and description of every operation.
pub fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let of_path = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().expect("methods").clone();
        methods
            .into_iter()
            .map(|(method, operation)| (method.to_uppercase(), path.clone(), operation))
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// A path that reaches the route: its parameters filled with names of nothing.
pub fn reachable(path: &str) -> String {
    path.replace("{id}", "ord_00000000000000000000000000")
        .replace("{line}", "cln_00000000000000000000000000")
        .replace("{user}", "usr_00000000000000000000000000")
}
