//! Who may do what: every operation against every kind of caller, one's objects against everybody else, and every body
//! against every column.

use std::collections::{BTreeMap, BTreeSet};

use emporium_kernel::Role;
use serde_json::{Value, json};

use crate::deployment::{Deployment, Person, Shape};
use crate::openapi::{operations, reachable};
use crate::request::{Reply, any, get, order_of, post};
use crate::services::credential;

everywhere!(each_operation_lets_in_whom_it_says_and_nobody_else, what_is_somebodys_is_not_there_for_anybody_else,);

/// Its answer ends only when the reader goes.
const ENDLESS: &str = "/v1/admin/stock/stream";

const ROLES: [Role; 4] = [Role::Customer, Role::Supplier, Role::Staff, Role::Admin];

/// The roles that an operation names.
fn allowed(operation: &Value) -> Option<BTreeSet<&'static str>> {
    let access = operation["x-access"].as_str().expect("every operation says who may use it");
    match access {
        "anyone" => None,
        "signed in" => Some(ROLES.iter().map(|role| role.name()).collect()),
        named => {
            Some(ROLES.iter().map(|role| role.name()).filter(|role| named.split(", ").any(|n| n == *role)).collect())
        }
    }
}

/// What an operation may say: staff's are for staff, and suppliers have their part of them.
fn is_as_designed(method: &str, path: &str, allowed: Option<&BTreeSet<&str>>) -> bool {
    let Some(rest) = path.strip_prefix("/v1/admin/") else { return true };
    let looks_at_locations = rest == "locations" && method == "GET";
    let suppliers_too = rest.starts_with("products") || rest.starts_with("stock") || looks_at_locations;
    allowed.is_some_and(|roles| !roles.contains("customer") && roles.contains("supplier") == suppliers_too)
}

async fn ask(shop: &Deployment, method: &str, path: &str, person: Option<&Person>) -> Reply {
    let request = any(method, &reachable(path)).once();
    let request = if method == "GET" { request } else { request.json(&json!({})) };
    shop.send(match person {
        Some(person) => request.by(person),
        None => request,
    })
    .await
}

async fn each_operation_lets_in_whom_it_says_and_nobody_else(shape: Shape) {
    let shop = Deployment::start(shape);
    let operations = operations(&shop.told(&["openapi"], 0));
    let somebody = shop.signed_up("somebody@example.com").await;
    shop.told(&["config", "key"], 0);
    let service = Person { id: String::new(), token: credential(&shop, "shop", "shop", "wallet", 60) };
    let mut asked = 0;
    for (method, path, operation) in &operations {
        let say = |who: &str, reply: &Reply| format!("{who}: {method} {path}: {} {}", reply.status, reply.body);
        assert!(
            is_as_designed(method, path, allowed(operation).as_ref()),
            "{method} {path}: {}",
            operation["x-access"]
        );
        let Some(allowed) = allowed(operation) else {
            let reply = ask(&shop, method, path, None).await;
            assert!(!matches!(reply.status.as_u16(), 401 | 403 | 405 | 500..), "{}", say("anybody", &reply));
            asked += 1;
            continue;
        };
        for (who, stranger) in [("nobody", None), ("a service", Some(&service))] {
            let reply = ask(&shop, method, path, stranger).await;
            assert_eq!(reply.status, 401, "{}", say(who, &reply));
            asked += 1;
        }
        // A session for each asking: some end the one that they are asked from.
        for role in ROLES.iter().filter(|role| path != ENDLESS || !allowed.contains(role.name())) {
            let reply = ask(&shop, method, path, Some(&shop.in_role(&somebody, *role))).await;
            let status = reply.status.as_u16();
            if allowed.contains(role.name()) {
                assert!(!matches!(status, 401 | 403 | 405 | 500..), "{}", say(role.name(), &reply));
            } else {
                assert_eq!(reply.problem(), (403, "forbidden"), "{}", say(role.name(), &reply));
            }
            asked += 1;
        }
    }
    println!("{} operations, {asked} askings", operations.len());
    assert!(operations.len() > 80 && asked > 400);
}

/// A reply without what differs from request to request.
fn plain(reply: &Reply) -> (u16, Value) {
    let mut body = reply.body.clone();
    if let Some(members) = body.as_object_mut() {
        members.remove("request_id");
    }
    (reply.status.as_u16(), body)
}

/// A body that an operation on something of one's own takes.
fn fitting(path: &str) -> Value {
    match path {
        "/v1/carts/{id}/checkout" => json!({"payment": {"method": "wallet"}}),
        "/v1/carts/{id}/items" => json!({"sku": "PEN", "quantity": 1}),
        "/v1/carts/{id}/items/{line}" => json!({"quantity": 1}),
        "/v1/carts/{id}" => json!({"items": []}),
        _ => json!({}),
    }
}

fn home() -> Value {
    json!({"name": "Ada", "line1": "1 Tea Street", "city": "London", "country": "GB"})
}

/// Something of everything that a customer can have: the beginning of its paths, and its id.
async fn belongings(shop: &Deployment, owner: &Person) -> BTreeMap<&'static str, String> {
    let money = json!({"amount": {"amount": 100, "currency": "USD"}});
    let made = async |path: &'static str, body: &Value| {
        let made = shop.send(post(path).by(owner).once().json(body)).await.expect(201);
        made["id"].as_str().expect("an id").to_owned()
    };
    let session = shop.send(get("/v1/me/sessions").by(owner)).await.expect(200);
    [
        ("/v1/wallet/deposits/{id}", made("/v1/wallet/deposits", &money).await),
        ("/v1/orders/{id}", made("/v1/orders", &order_of("PEN", 1)).await),
        ("/v1/wallet/withdrawals/{id}", made("/v1/wallet/withdrawals", &money).await),
        ("/v1/carts/{id}", made("/v1/carts", &json!({"items": [{"sku": "PEN", "quantity": 1}]})).await),
        ("/v1/me/addresses/{id}", made("/v1/me/addresses", &home()).await),
        ("/v1/me/sessions/{id}", session["data"][0]["id"].as_str().expect("an id").to_owned()),
    ]
    .into()
}

async fn what_is_somebodys_is_not_there_for_anybody_else(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 9).await;
    let (ada, eve) = (shop.registered("ada@example.com").await, shop.registered("eve@example.com").await);
    shop.deposit(&ada, 1_000).await;
    let owned = belongings(&shop, &ada).await;
    let cart = shop.send(get(&format!("/v1/carts/{}", owned["/v1/carts/{id}"])).by(&ada)).await.expect(200);
    let line = cart["items"][0]["id"].as_str().expect("an id");
    let document = shop.told(&["openapi"], 0);
    let mut tried = 0;
    for (method, path, operation) in operations(&document) {
        let Some((_, id)) = owned.iter().find(|(start, _)| path.starts_with(**start)) else {
            let everybodys = ["/v1/admin/", "/v1/products/", "/docs/"].iter().any(|start| path.starts_with(start));
            let personal = path.contains('{') && !everybodys;
            assert!(!personal, "{path} is tried by no story");
            continue;
        };
        let ask = async |id: &str, person: Option<&Person>| {
            let request =
                any(&method, &path.replace("{id}", id).replace("{line}", line)).once().header("If-Match", "*");
            let request = if method == "GET" { request } else { request.json(&fitting(&path)) };
            plain(
                &shop
                    .send(match person {
                        Some(person) => request.by(person),
                        None => request,
                    })
                    .await,
            )
        };
        let kind = id.split('_').next().expect("a kind");
        let nothing = format!("{kind}_{}", "0".repeat(26));
        let foreign = ask(id, Some(&eve)).await;
        assert_eq!(foreign.0, 404, "{method} {path}: {}", foreign.1);
        assert_eq!(foreign, ask(&nothing, Some(&eve)).await, "{method} {path}");
        if operation["x-access"] == "anyone" {
            assert_eq!(ask(id, None).await.0, 404, "{method} {path}");
        }
        tried += 1;
    }
    assert!(tried >= 14, "{tried} operations");
    for (start, id) in owned.iter().filter(|(start, _)| **start != "/v1/me/sessions/{id}") {
        shop.send(get(&start.replace("{id}", id)).by(&ada)).await.expect(200);
    }
    assert_eq!(shop.send(get("/v1/me/sessions").by(&ada)).await.expect(200)["data"].as_array().map(Vec::len), Some(1));
}

/// Every column of every table.
fn columns() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for module in ["auth", "inventory", "shop", "wallet"] {
        let schema = std::fs::read_to_string(format!("modules/{module}/src/schema.rs")).expect("a schema");
        let names = schema.lines().filter_map(|line| line.trim().split_once(" -> ").map(|(name, _)| name.to_owned()));
        found.extend(names);
    }
    found
}

/// The members of a body, as the document says them.
fn members(document: &Value, operation: &Value) -> Option<BTreeSet<String>> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("leads somewhere"),
        None => schema,
    };
    Some(schema["properties"].as_object()?.keys().cloned().collect())
}

#[tokio::test]
async fn no_body_takes_the_name_of_a_column_that_it_does_not_document() {
    let shop = Deployment::start(Shape::OnSqlite);
    let document = shop.told(&["openapi"], 0);
    let (everybody, columns) = (shop.person(&ROLES), columns());
    assert!(columns.len() > 80 && columns.contains("password_hash"), "{columns:?}");
    let mut tried = 0;
    for (method, path, operation) in operations(&document) {
        let Some(members) = members(&document, &operation) else { continue };
        for column in columns.difference(&members).chain(["roles", "is_admin"].map(String::from).iter()) {
            if members.contains(column) {
                continue;
            }
            let body = json!({column: 1});
            let request = any(&method, &reachable(&path)).once().header("If-Match", "*").by(&everybody).json(&body);
            let reply = shop.send(request).await;
            let refused = reply.status == 422 && reply.body["errors"][0]["code"] == "unknown_field";
            assert!(refused, "{method} {path} {column}: {} {}", reply.status, reply.body);
            tried += 1;
        }
    }
    assert!(tried > 2_000, "{tried}");
}
