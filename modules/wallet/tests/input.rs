//! Hostile and careless input is refused with a code that says what to do, and moves nothing.

mod common;

use actix_web::http::Method;
use common::{Bank, id};

#[actix_web::test]
async fn bad_amounts_are_refused_everywhere() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    let amounts = [
        (r#"{"amount": 0, "currency": "USD"}"#, "amount_out_of_range"),
        (r#"{"amount": -1, "currency": "USD"}"#, "amount_out_of_range"),
        (r#"{"amount": 1.5, "currency": "USD"}"#, "invalid_value"),
        (r#"{"amount": 1e3, "currency": "USD"}"#, "invalid_value"),
        (r#"{"amount": "1", "currency": "USD"}"#, "invalid_value"),
        (r#"{"amount": 9007199254740992, "currency": "USD"}"#, "amount_out_of_range"),
        (r#"{"amount": 9223372036854775808, "currency": "USD"}"#, "invalid_value"),
        (r#"{"amount": 1000000000001, "currency": "USD"}"#, "amount_out_of_range"),
        (r#"{"amount": 1, "currency": "ZZZ"}"#, "unknown_currency"),
        (r#"{"amount": 1, "currency": "usd"}"#, "unknown_currency"),
        (r#"{"amount": 1}"#, "required"),
        (r#"{"amount": 1, "currency": "USD", "fee": 0}"#, "unknown_field"),
        ("null", "invalid_value"),
    ];
    let wallet = format!("/v1/admin/wallets/{}", id("ada"));
    let routes = [
        ("ada", "/v1/wallet/deposits".to_owned(), ""),
        ("ada", "/v1/wallet/withdrawals".to_owned(), ""),
        ("ada", "/v1/wallet/transfers".to_owned(), r#", "to": "bob@example.com""#),
        ("staff", format!("{wallet}/credit"), r#", "reason": "x""#),
        ("staff", format!("{wallet}/debit"), r#", "reason": "x""#),
    ];
    for (who, path, more) in routes {
        for (amount, code) in amounts {
            let body = format!(r#"{{"amount": {amount}{more}}}"#);
            let refused = bank.ask(who, Method::POST, &path, Some("k"), Some(&body)).await;
            assert_eq!((refused.status, refused.field_code()), (422, code), "{path} {amount}: {}", refused.body);
        }
    }
    assert_eq!(bank.standing("ada").await, (1_000, 0, 1_000));
}

#[actix_web::test]
async fn bad_bodies_are_refused() {
    let bank = Bank::new();
    let dollar = r#"{"amount": 1, "currency": "USD"}"#;
    let bidirectional = format!("{{\"to\": \"bob@example.com\", \"amount\": {dollar}, \"note\": \"a\u{202e}b\"}}");
    let cases = [
        ("/v1/wallet/deposits", r#"{"amount": 1}"#.to_owned(), 422),
        ("/v1/wallet/deposits", format!(r#"{{"amount": {dollar}, "status": "confirmed"}}"#), 422),
        ("/v1/wallet/transfers", format!(r#"{{"amount": {dollar}}}"#), 422),
        ("/v1/wallet/transfers", format!(r#"{{"to": "bob", "amount": {dollar}}}"#), 422),
        ("/v1/wallet/transfers", format!(r#"{{"to": 1, "amount": {dollar}}}"#), 422),
        ("/v1/wallet/transfers", format!(r#"{{"to": "bob@example.com", "from": "x", "amount": {dollar}}}"#), 422),
        ("/v1/wallet/transfers", bidirectional, 422),
        ("/v1/wallet/transfers", format!(r#"{{"to": "b\u0000@example.com", "amount": {dollar}}}"#), 400),
        ("/v1/wallet/transfers", "{".to_owned(), 400),
    ];
    for (path, body, status) in cases {
        assert_eq!(bank.ask("ada", Method::POST, path, Some("k"), Some(&body)).await.status, status, "{body}");
    }
    let without_key = bank.ask("ada", Method::POST, "/v1/wallet/deposits", None, Some("{}")).await;
    assert_eq!(without_key.refusal(), (400, "idempotency_key_required"));
}

#[actix_web::test]
async fn bad_queries_and_paths_are_refused() {
    let bank = Bank::new();
    for query in ["limit=0", "limit=101", "kind=gift", "currency=usd", "from=today", "after=x", "user=x", "after=IiI"] {
        let refused = bank.get("ada", &format!("/v1/wallet/transactions?{query}")).await;
        assert_eq!(refused.refusal(), (400, "invalid_query"), "{query}");
    }
    for path in ["/v1/wallet/deposits/x", "/v1/wallet/withdrawals/dep_1", "/v1/wallet/deposits/%00"] {
        assert_eq!(bank.get("ada", path).await.refusal(), (404, "not_found"), "{path}");
    }
    assert_eq!(bank.get("staff", "/v1/admin/wallets/ada").await.refusal(), (404, "not_found"));
    assert_eq!(bank.get("staff", "/v1/admin/deposits?status=paid").await.refusal(), (400, "invalid_query"));
    assert_eq!(bank.ask("ada", Method::DELETE, "/v1/wallet", None, None).await.status, 405);
}
