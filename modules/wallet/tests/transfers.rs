//! Money sent between users, and the history that both see.
#![expect(clippy::expect_used, reason = "a test may panic")]

mod common;

use std::sync::atomic::Ordering;

use common::{Bank, id, usd_json};
use futures_util::future::join_all;
use serde_json::{Value, json};

#[actix_web::test]
async fn money_is_sent_by_address_and_by_id() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    let body = json!({"to": "Bob@Example.com", "amount": usd_json(300), "note": " lunch "});
    let sent = bank.post("ada", "/v1/wallet/transfers", "k1", body).await;
    assert_eq!(sent.status, 201);
    assert_eq!((&sent.body["to"], &sent.body["note"]), (&json!("bob@example.com"), &json!("lunch")));
    assert_eq!(sent.body["amount"], usd_json(300));
    assert_eq!(bank.send("ada", id("bob").as_str(), 200, "k2").await.status, 201);
    assert_eq!((bank.standing("ada").await.0, bank.standing("bob").await.0), (500, 500));
    bank.prove().await;
}

#[actix_web::test]
async fn nobody_is_paid_who_is_not_there() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    for to in ["nobody@example.com", id("nobody").as_str(), "gone@example.com"] {
        assert_eq!(bank.send("ada", to, 100, "k").await.refusal(), (404, "unknown_recipient"), "{to}");
    }
    assert_eq!(bank.send("ada", "ada@example.com", 100, "k").await.refusal(), (422, "self_transfer"));
    assert_eq!(bank.send("ada", id("ada").as_str(), 100, "k").await.refusal(), (422, "self_transfer"));
    bank.people.silent.store(true, Ordering::SeqCst);
    assert_eq!(bank.send("ada", "bob@example.com", 100, "k").await.refusal(), (503, "unreachable"));
    bank.people.silent.store(false, Ordering::SeqCst);
    assert_eq!(bank.send("ada", "bob@example.com", 100, "k").await.status, 201, "none of these was stored");
    assert_eq!(bank.standing("ada").await, (900, 0, 900));
}

#[actix_web::test]
async fn a_repetition_is_answered_like_the_first_even_when_the_recipient_is_gone() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    let first = bank.send("ada", "bob@example.com", 100, "k").await;
    bank.people.nobody_left.store(true, Ordering::SeqCst);
    let again = bank.send("ada", "bob@example.com", 100, "k").await;
    assert_eq!((again.status, again.replayed, &again.body), (201, true, &first.body));
    bank.people.silent.store(true, Ordering::SeqCst);
    assert_eq!(bank.send("ada", "bob@example.com", 100, "k").await.body, first.body);
    assert_eq!(bank.standing("ada").await, (900, 0, 900));
}

#[actix_web::test]
async fn a_key_sent_a_hundred_times_at_once_moves_money_once() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    let sent = join_all((0..100).map(|_| bank.send("ada", "bob@example.com", 10, "same"))).await;
    assert!(sent.iter().all(|reply| reply.status == 201 && reply.body == sent[0].body));
    assert_eq!(sent.iter().filter(|reply| !reply.replayed).count(), 1);
    assert_eq!((bank.standing("ada").await.0, bank.standing("bob").await.0), (990, 10));
    assert_eq!(bank.send("ada", "bob@example.com", 11, "same").await.refusal(), (422, "idempotency_key_reused"));
    bank.give("cy", 10).await;
    assert!(!bank.send("cy", "bob@example.com", 10, "same").await.replayed, "the key of another is another");
    bank.prove().await;
}

#[actix_web::test]
async fn a_refusal_is_stored_under_its_key() {
    let bank = Bank::new();
    let refused = bank.send("ada", "bob@example.com", 10, "k").await;
    assert_eq!((refused.refusal(), refused.body["available"].as_i64()), ((402, "insufficient_funds"), Some(0)));
    bank.give("ada", 1_000).await;
    let again = bank.send("ada", "bob@example.com", 10, "k").await;
    assert_eq!((again.refusal(), again.replayed), ((402, "insufficient_funds"), true));
    assert_eq!(bank.send("ada", "bob@example.com", 10, "k2").await.status, 201);
}

#[actix_web::test]
async fn each_currency_is_an_account_of_its_own() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    let euros = json!({"to": "bob@example.com", "amount": {"amount": 1, "currency": "EUR"}});
    let refused = bank.post("ada", "/v1/wallet/transfers", "k", euros).await;
    assert_eq!((refused.status, refused.body["currency"].as_str()), (402, Some("EUR")));
    let credit = format!("/v1/admin/wallets/{}/credit", id("ada"));
    let yen = json!({"amount": {"amount": 70, "currency": "JPY"}, "reason": "a present"});
    assert_eq!(bank.post("staff", &credit, "y", yen).await.status, 201);
    let shown = bank.get("ada", "/v1/wallet").await;
    let expected = json!({"balances": [
        {"currency": "JPY", "balance": 70, "held": 0, "available": 70},
        {"currency": "USD", "balance": 1000, "held": 0, "available": 1000},
    ]});
    assert_eq!(shown.body, expected);
    assert_eq!(bank.get("bob", "/v1/wallet").await.body, json!({"balances": []}));
    bank.prove().await;
}

fn column<'a>(reply: &'a common::Reply, name: &str) -> Vec<&'a Value> {
    reply.body["data"].as_array().expect("a list").iter().map(|row| &row[name]).collect()
}

#[actix_web::test]
async fn the_history_says_what_happened_with_the_balance_after_it() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    let note = json!({"to": "bob@example.com", "amount": usd_json(300), "note": "lunch"});
    bank.post("ada", "/v1/wallet/transfers", "k", note).await;
    bank.hold("1", "ada", 200).await.expect("holds");
    bank.capture("1", &[(common::supplier("bob"), 200)]).await.expect("pays");
    let ada = bank.get("ada", "/v1/wallet/transactions").await;
    assert_eq!(column(&ada, "kind"), ["order", "transfer_out", "credit"]);
    assert_eq!(column(&ada, "direction"), ["out", "out", "in"]);
    let after: Vec<i64> =
        column(&ada, "balance_after").iter().map(|money| money["amount"].as_i64().expect("a number")).collect();
    assert_eq!(after, [500, 700, 1_000]);
    assert_eq!(column(&ada, "reference"), [&json!("ord_1"), &Value::Null, &Value::Null]);
    assert_eq!(column(&ada, "note"), [&Value::Null, &json!("lunch"), &json!("for the test")]);
    assert_eq!(column(&ada, "counterparty"), [&Value::Null, &json!(id("bob")), &Value::Null]);
    let bob = bank.get("bob", "/v1/wallet/transactions").await;
    assert_eq!(column(&bob, "kind"), ["sale", "transfer_in"]);
    assert_eq!(column(&bob, "counterparty"), [&Value::Null, &json!(id("ada"))]);
    assert!(!bob.body.to_string().contains('@'));
    let for_staff = bank.get("staff", &format!("/v1/admin/wallets/{}/transactions", id("ada"))).await;
    assert_eq!(for_staff.body, ada.body);
}

#[actix_web::test]
async fn the_history_is_filtered_and_paged_over_all_currencies() {
    let bank = Bank::new();
    let credit = format!("/v1/admin/wallets/{}/credit", id("ada"));
    for n in 1..=9 {
        bank.hand.advance(std::time::Duration::from_secs(1));
        let currency = ["USD", "JPY", "EUR"][n % 3];
        let body = json!({"amount": {"amount": n, "currency": currency}, "reason": "a present"});
        bank.post("staff", &credit, &format!("k{n}"), body).await;
    }
    let amounts = |reply: &common::Reply| -> Vec<i64> {
        column(reply, "amount").iter().map(|money| money["amount"].as_i64().expect("a number")).collect()
    };
    let (mut seen, mut path) = (Vec::new(), "/v1/wallet/transactions?limit=2".to_owned());
    loop {
        let page = bank.get("ada", &path).await;
        seen.extend(amounts(&page));
        // What is new meanwhile moves nothing.
        bank.give("ada", 100).await;
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        path = format!("/v1/wallet/transactions?limit=2&after={cursor}");
    }
    assert_eq!(seen, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let yen = bank.get("ada", "/v1/wallet/transactions?currency=JPY&kind=credit").await;
    assert_eq!(amounts(&yen), [7, 4, 1]);
    assert!(amounts(&bank.get("ada", "/v1/wallet/transactions?kind=debit").await).is_empty());
    let (from, to) =
        (common::NOW.plus(std::time::Duration::from_secs(3)), common::NOW.plus(std::time::Duration::from_secs(5)));
    let some = bank.get("ada", &format!("/v1/wallet/transactions?from={from}&to={to}")).await;
    assert_eq!(amounts(&some), [4, 3]);
}
