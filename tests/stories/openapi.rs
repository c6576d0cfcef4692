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

/// A path that reaches the route: its parameters filled with names of nothing, of the kinds that they name.
pub fn reachable(path: &str) -> String {
    let nothing = |kind: &str| format!("{kind}_{}", "0".repeat(26));
    let kinds = [
        ("/users/", "usr"),
        ("/wallets/", "usr"),
        ("/sessions/", "ses"),
        ("/addresses/", "adr"),
        ("/api-keys/", "key"),
        ("/invitations/", "inv"),
        ("/carts/", "crt"),
        ("/admin/products/", "prd"),
        ("/deposits/", "dep"),
        ("/withdrawals/", "wdr"),
        ("/locations/", "loc"),
    ];
    let kind = kinds.iter().find(|(part, _)| path.contains(part)).map_or("ord", |(_, kind)| kind);
    path.replace("{id}", &nothing(kind))
        .replace("{line}", &nothing("cln"))
        .replace("{user}", &nothing("usr"))
        .replace("{session}", &nothing("ses"))
        .replace("{key}", "nothing")
}
