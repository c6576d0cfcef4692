//! Hostile input gets a clear 4xx with a stable code, and changes nothing.

use serde_json::{Value, json};

use crate::deployment::{Deployment, Person, Shape};
use crate::request::{any, get, order_of, post};

everywhere!(
    orders_with_impossible_lines_are_refused,
    impossible_amounts_of_money_are_refused,
    bodies_that_are_not_plain_json_are_refused,
    paths_queries_and_methods_that_are_not_there,
    methods_that_nobody_needs_are_refused_and_echo_nothing,
    forms_that_there_are_not_are_refused_and_change_nothing,
);

/// A body, the status and the code: that of the first refused field, or of the problem itself.
type Case = (Value, u16, &'static str);

fn code(body: &Value) -> &str {
    body["errors"][0]["code"].as_str().or(body["code"].as_str()).unwrap_or_default()
}

async fn refuses(shop: &Deployment, who: &Person, path: &str, cases: Vec<Case>) {
    for (body, status, expected) in cases {
        let reply = shop.send(post(path).by(who).once().json(&body)).await;
        assert_eq!((reply.status.as_u16(), code(&reply.body)), (status, expected), "{path} {body}: {}", reply.body);
        assert_eq!(reply.header("content-type"), "application/problem+json", "{path} {body}");
        assert!(reply.body["request_id"].is_string() && reply.body["type"].is_string(), "{}", reply.body);
    }
}

async fn orders_with_impossible_lines_are_refused(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 5).await;
    let euros = json!({
        "title": "Euro thing", "status": "active",
        "skus": [{"sku": "EUR-1", "price": {"amount": 100, "currency": "EUR"}}],
    });
    shop.send(post("/v1/admin/products").by(&shop.staff()).json(&euros)).await.expect(201);
    shop.sell("GOLD", 9_007_199_254_740_991, 5).await;
    let buyer = shop.buyer();
    shop.deposit(&buyer, 1_000).await;
    let mut cases: Vec<Case> = [json!(-1), json!(0), json!(1_000_001), json!(9_223_372_036_854_775_807_i64)]
        .into_iter()
        .map(|quantity| {
            let mut order = order_of("PEN", 1);
            order["items"][0]["quantity"] = quantity;
            (order, 422, "quantity_out_of_range")
        })
        .collect();
    for quantity in [json!(1.5), json!("1"), json!(null), json!(1e30), json!([1])] {
        let mut order = order_of("PEN", 1);
        order["items"][0]["quantity"] = quantity;
        cases.push((order, 422, "invalid_value"));
    }
    let with = |field: &str, value: Value| {
        let mut order = order_of("PEN", 1);
        order[field] = value;
        order
    };
    let mut priced = order_of("PEN", 1);
    priced["items"][0]["price"] = json!({"amount": 1, "currency": "USD"});
    cases.extend([
        (order_of("NOWHERE", 1), 422, "unknown_sku"),
        (with("items", json!([])), 422, "empty"),
        (priced, 422, "unknown_field"),
        (with("status", json!("placed")), 422, "unknown_field"),
        (with("payment", json!({"method": "credit"})), 422, "invalid_value"),
        (with("payment", json!(null)), 422, "invalid_value"),
        (json!({"items": [{"sku": "PEN", "quantity": 1}]}), 422, "required"),
        (with("expected_total", json!({"amount": 100, "currency": "ZZZ"})), 422, "unknown_currency"),
        (with("expected_total", json!({"amount": -1, "currency": "USD"})), 422, "amount_out_of_range"),
        (json!({"items": [{"sku": "PEN", "quantity": 1}, {"sku": "EUR-1", "quantity": 1}], "payment": {"method": "wallet"}}),
            422, "mixed_currencies"),
        (order_of("GOLD", 2), 422, "total_too_large"),
        (json!({"items": [{"sku": "A\u{202e}B", "quantity": 1}], "payment": {"method": "wallet"}}), 422, "forbidden_character"),
        (json!([]), 422, "invalid_value"),
    ]);
    refuses(&shop, &buyer, "/v1/orders", cases).await;
    let many: Vec<Value> = (0..101).map(|n| json!({"sku": format!("S{n}"), "quantity": 1})).collect();
    refuses(&shop, &buyer, "/v1/orders", vec![(with("items", json!(many)), 422, "too_many_lines")]).await;
    assert_eq!((shop.balance(&buyer).await, shop.shelf("PEN").await), (1_000, (5, 0)));
    assert_eq!(shop.send(get("/v1/orders").by(&buyer)).await.expect(200)["data"], json!([]));
    shop.verify();
}

async fn impossible_amounts_of_money_are_refused(shape: Shape) {
    let shop = Deployment::start(shape);
    let person = shop.buyer();
    let amount = |amount: Value| json!({"amount": {"amount": amount, "currency": "USD"}});
    let cases = vec![
        (amount(json!(-1)), 422, "amount_out_of_range"),
        (amount(json!(0)), 422, "amount_out_of_range"),
        (amount(json!(9_007_199_254_740_992_i64)), 422, "amount_out_of_range"),
        (amount(json!(1.0)), 422, "invalid_value"),
        (amount(json!("1")), 422, "invalid_value"),
        (json!({"amount": {"amount": 1, "currency": "usd"}}), 422, "unknown_currency"),
        (json!({"amount": {"amount": 1, "currency": "XXX"}}), 422, "unknown_currency"),
        (json!({"amount": {"amount": 1, "currency": "USD"}, "status": "confirmed"}), 422, "unknown_field"),
        (json!({}), 422, "required"),
    ];
    refuses(&shop, &person, "/v1/wallet/deposits", cases.clone()).await;
    refuses(&shop, &person, "/v1/wallet/withdrawals", cases).await;
    assert_eq!(shop.balance(&person).await, 0);
}

async fn bodies_that_are_not_plain_json_are_refused(shape: Shape) {
    let shop = Deployment::start(shape);
    let person = shop.buyer();
    let deep = "[".repeat(10_000);
    let huge = format!(r#"{{"note": "{}"}}"#, "x".repeat(10 << 20));
    let cases: Vec<(Vec<u8>, u16, &str)> = vec![
        (deep.into_bytes(), 400, "too_deep"),
        (huge.into_bytes(), 413, "body_too_large"),
        (br#"{"to": "a\u0000"}"#.to_vec(), 400, "forbidden_character"),
        (br#"{"to": "\ud800"}"#.to_vec(), 400, "malformed_json"),
        (b"{\"to\": \"\xff\xfe\"}".to_vec(), 400, "malformed_json"),
        (b"{".to_vec(), 400, "malformed_json"),
        (b"to=a".to_vec(), 400, "malformed_json"),
        (br#"{"to": 1, "to": 2}"#.to_vec(), 422, ""),
    ];
    for (body, status, expected) in cases {
        let start: Vec<u8> = body.iter().copied().take(40).collect();
        let reply = shop.send(post("/v1/wallet/transfers").by(&person).once().raw(body)).await;
        assert_eq!(reply.status.as_u16(), status, "{start:?}: {}", reply.body);
        assert!(expected.is_empty() || reply.body["code"] == expected, "{start:?}: {}", reply.body);
    }
    let keyless = post("/v1/wallet/deposits").by(&person).json(&json!({"amount": {"amount": 1, "currency": "USD"}}));
    assert_eq!(shop.send(keyless).await.problem(), (400, "idempotency_key_required"));
    let text = post("/v1/carts").header("Content-Type", "text/plain").raw("{}");
    assert_eq!(shop.send(text).await.status, 415);
    assert_eq!(shop.send(get("/health/live")).await.body, json!("live"), "the shop lives on");
}

async fn paths_queries_and_methods_that_are_not_there(shape: Shape) {
    let shop = Deployment::start(shape);
    let person = shop.buyer();
    for (request, status) in [
        (get("/v1/nothing"), 404),
        (get("/v1/orders/%00").by(&person), 404),
        (get("/v1/orders/' or 1=1").by(&person), 404),
        (any("PUT", "/v1/orders").by(&person), 405),
        (get("/v1/orders?limit=0").by(&person), 400),
        (get("/v1/orders?limit=101").by(&person), 400),
        (get("/v1/orders?limit=1&limit=2").by(&person), 400),
        (get("/v1/orders?colour=red").by(&person), 400),
        (get("/v1/orders?status=lost").by(&person), 400),
        (get("/v1/orders?after=%25%25").by(&person), 400),
        (get("/v1/products?sort=weight"), 400),
        (get("/internal/inventory/reserve"), 404),
        (post("/internal/wallet/capture"), 404),
        (get("/actuator/health"), 404),
    ] {
        let reply = shop.send(request.clone()).await;
        assert_eq!(reply.status.as_u16(), status, "{}", reply.body);
        assert_eq!(reply.header("content-type"), "application/problem+json");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
    }
}

async fn methods_that_nobody_needs_are_refused_and_echo_nothing(shape: Shape) {
    let shop = Deployment::start(shape);
    for method in ["TRACE", "BREW", "OPTIONS"] {
        for (path, expected, allowed) in [
            ("/v1/products", (405, "method_not_allowed"), "GET, HEAD"),
            ("/v1/wallet/transfers", (405, "method_not_allowed"), "POST"),
            ("/v1/nothing", (404, "not_found"), ""),
        ] {
            let reply = shop.send(any(method, path).header("X-Note", "told-in-confidence")).await;
            assert_eq!((reply.problem(), reply.header("allow")), (expected, allowed), "{method} {path}");
            assert_eq!(reply.header("content-type"), "application/problem+json", "{method} {path}");
            let said = format!("{:?} {}", reply.headers, reply.body);
            assert!(!said.contains("told-in-confidence"), "{method} {path}: {said}");
        }
    }
}

async fn forms_that_there_are_not_are_refused_and_change_nothing(shape: Shape) {
    let shop = Deployment::start(shape);
    let person = shop.buyer();
    let amount = json!({"amount": {"amount": 100, "currency": "USD"}});
    let deposit = post("/v1/wallet/deposits").by(&person).json(&amount);
    for accept in ["text/html", "application/xml, text/*;q=0.5", "*/*, application/json;q=0"] {
        let reply = shop.send(deposit.clone().once().header("Accept", accept)).await;
        assert_eq!(reply.problem(), (406, "not_acceptable"), "{accept}: {}", reply.body);
        assert_eq!(reply.header("content-type"), "application/problem+json", "{accept}");
        assert_eq!(reply.body["offered"], json!(["application/json"]), "{accept}");
    }
    assert_eq!(shop.balance(&person).await, 0);
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for accept in [browser, "application/*", "text/html, application/json;q=0.1", "nonsense"] {
        shop.send(deposit.clone().once().header("Accept", accept)).await.expect(201);
    }
    let both = deposit.once().header("Accept", "text/html").header("Accept", "application/json");
    shop.send(both).await.expect(201);
    assert_eq!(shop.balance(&person).await, 500);
}
