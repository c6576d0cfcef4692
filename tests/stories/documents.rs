//! The documents for callers say what the router does, and the router does what they say.

use std::collections::BTreeSet;

use emporium_kernel::Role;
use serde_json::{Value, json};

use crate::deployment::{Deployment, Shape};
use crate::openapi::{operations, reachable};
use crate::request::{any, get};

#[tokio::test]
async fn every_documented_operation_is_routed_and_guarded_as_it_says() {
    let shop = Deployment::start(Shape::OnSqlite);
    let document = shop.send(get("/openapi.json")).await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let operations = operations(&document);
    assert!(operations.len() > 50, "{} operations", operations.len());
    for (method, path, operation) in &operations {
        let access = operation["x-access"].as_str();
        assert!(access.is_some(), "{method} {path} declares nobody who may use it");
        let reply = shop.send(any(method, &reachable(path))).await;
        let status = reply.status.as_u16();
        assert!(status != 405 && status < 500, "{method} {path}: {status} {}", reply.body);
        if access != Some("anyone") {
            assert_eq!(status, 401, "{method} {path} is for {access:?}: {}", reply.body);
        }
        let documented = operation["responses"].as_object().expect("responses");
        assert!(
            documented.contains_key(&status.to_string()),
            "{method} {path} answers {status}, which is not documented"
        );
    }
}

#[tokio::test]
async fn every_operation_that_answers_in_some_form_refuses_others_and_says_so() {
    let shop = Deployment::start(Shape::OnSqlite);
    let document = shop.send(get("/openapi.json")).await.expect(200);
    let mut refusing = 0;
    for (method, path, operation) in operations(&document) {
        let status = shop.send(any(&method, &reachable(&path)).header("Accept", "image/png")).await.status;
        let documented = operation["responses"].get("406").is_some();
        assert_eq!(status == 406, documented, "{method} {path}: {status}");
        refusing += usize::from(documented);
    }
    assert!(refusing > 50, "{refusing} operations");
}

#[tokio::test]
async fn the_router_has_no_route_that_is_not_documented() {
    let shop = Deployment::start(Shape::OnSqlite);
    let document = shop.send(get("/openapi.json")).await.expect(200);
    let documented: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let listed = shop.told(&["routes"], 0);
    let routed: BTreeSet<(String, String)> = listed["routes"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (row["method"].as_str().expect("text").to_owned(), row["path"].as_str().expect("text").to_owned()))
        .collect();
    assert_eq!(documented, routed);
    for path in document["paths"].as_object().expect("paths").keys() {
        let known: BTreeSet<&str> = documented.iter().filter(|(_, p)| p == path).map(|(m, _)| m.as_str()).collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().filter(|method| !known.contains(method)) {
            let reply = shop.send(any(method, &reachable(path))).await;
            assert_eq!(reply.status, 405, "{method} {path}: {}", reply.body);
        }
    }
}

#[tokio::test]
async fn what_can_be_read_can_be_asked_about_and_what_cannot_be_done_says_what_can() {
    let shop = Deployment::start(Shape::OnSqlite);
    let head = shop.send(any("HEAD", "/v1/products")).await;
    assert_eq!((head.status.as_u16(), head.body), (200, json!("")));
    let refused = shop.send(any("PUT", "/v1/products")).await;
    assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn a_list_is_sorted_and_counted_as_it_says() {
    let shop = Deployment::start(Shape::OnSqlite);
    shop.sell("PEN", 100, 9).await;
    let everybody = shop.person(&[Role::Customer, Role::Supplier, Role::Staff, Role::Admin]);
    let document = shop.send(get("/openapi.json")).await.expect(200);
    let (mut sorted, mut counted) = (0, 0);
    for (_, path, operation) in
        operations(&document).into_iter().filter(|(method, path, _)| method == "GET" && !path.contains("{"))
    {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let takes = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
        let ask = async |query: &str| {
            let path = format!("{}?{query}", reachable(&path));
            shop.send(get(&path).by(&everybody)).await
        };
        if takes("sort") {
            assert_eq!(ask("sort=-created_at").await.status, 200, "{path}");
            let refused = ask("sort=colour").await;
            assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["field"]), (400, &json!("sort")));
            sorted += 1;
        }
        if takes("include") {
            let with = ask("include=total").await.expect(200);
            let without = ask("limit=1").await.expect(200);
            assert!(with["total"].is_u64() && without.get("total").is_none(), "{path}: {with} {without}");
            counted += 1;
        }
    }
    assert!(sorted >= 10 && counted >= 3, "{sorted} and {counted}");
}

#[tokio::test]
async fn every_reference_in_the_document_leads_somewhere() {
    let shop = Deployment::start(Shape::OnSqlite);
    let document = shop.told(&["openapi"], 0);
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 10);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("inside the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                found.insert(reference.to_owned());
            }
            members.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let shop = Deployment::start(Shape::OnSqlite);
    let page = shop.send(get("/docs/")).await;
    let html = page.body.as_str().expect("a page").to_owned();
    assert_eq!(page.status, 200);
    let elsewhere = html.split(['"', '\'']).find(|part| part.starts_with("http") || part.starts_with("//"));
    assert_eq!(elsewhere, None, "the page names another host");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'self'"), "{policy}");
    let scripts: Vec<&str> = html.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(!scripts.is_empty());
    for script in scripts {
        let path = format!("/docs/{}", script.trim_start_matches("./"));
        let plain = shop.send(get(&path)).await;
        assert_eq!(plain.status, 200, "{path}");
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        assert!(plain.body.as_str().is_some_and(|text| text.contains("SwaggerUI")), "{path} is a script");
        let packed = shop.send(get(&path).header("accept-encoding", "br, gzip")).await;
        assert_eq!(packed.status, 200, "{path}");
        let of_vendor = script.starts_with("swagger");
        assert_eq!(packed.header("content-encoding"), if of_vendor { "gzip" } else { "" }, "{path}");
    }
}

#[tokio::test]
async fn health_and_metrics_are_on_the_management_listener_alone() {
    let shop = Deployment::start(Shape::OnSqlite);
    assert_eq!(shop.send(get("/health/ready")).await.body, json!("ready"));
    assert_eq!(shop.send(get("/health/live")).await.body, json!("live"));
    assert_eq!(shop.send(get("/v1/wallet").by(&shop.buyer())).await.status, 200, "something that asks a neighbour");
    assert_eq!(shop.send(any("BREW", "/v1/wallet")).await.status, 405, "a method that somebody invented");
    let management = |path: &str| {
        let url = format!("{}{path}", shop.management());
        async move { reqwest::get(url).await.expect("answers").text().await.expect("text") }
    };
    assert!(management("/actuator/health/readiness").await.contains("UP"));
    assert!(management("/actuator/health").await.contains("wallet_db"));
    let metrics = management("/actuator/prometheus").await;
    let asked = r#"emporium_contract_calls_total{contract="Auth",method="is_revoked",outcome="answered"}"#;
    let proved = r#"emporium_proofs_total{module="wallet",outcome="wrong"} 0"#;
    for name in ["http_requests_total", "emporium_writer_commits_total", asked, proved, r#"method="_OTHER""#] {
        assert!(metrics.contains(name), "{name} is missing: {metrics}");
    }
    assert!(!metrics.contains("BREW"), "{metrics}");
}
