//! What staff may do with a wallet, and who else may not.

mod common;

use actix_web::http::Method;
use common::{Bank, id, usd_json};
use emporium_auth_api::UserId;
use emporium_kernel::{Line, Money, PositiveMoney};
use emporium_wallet::{Adjust, Direction, Settings, routes};
use emporium_wallet_api::WalletError;
use serde_json::json;

#[actix_web::test]
async fn staff_credit_and_debit_with_a_reason() {
    let bank = Bank::new();
    let path = |what: &str| format!("/v1/admin/wallets/{}/{what}", id("ada"));
    let body = |amount| json!({"amount": usd_json(amount), "reason": "a complaint"});
    for replayed in [false, true] {
        let given = bank.post("staff", &path("credit"), "c", body(500)).await;
        assert_eq!((given.status, given.replayed, given.body["direction"].as_str()), (201, replayed, Some("credit")));
    }
    assert_eq!(bank.post("staff", &path("debit"), "d", body(200)).await.status, 201);
    assert_eq!(bank.post("staff", &path("debit"), "e", body(301)).await.refusal(), (402, "insufficient_funds"));
    assert_eq!(bank.standing("ada").await, (300, 0, 300));
    let without = bank.post("staff", &path("credit"), "f", json!({"amount": usd_json(1)})).await;
    assert_eq!((without.status, without.field_code()), (422, "required"));
    let nobody = format!("/v1/admin/wallets/{}/credit", id("nobody"));
    assert_eq!(bank.post("staff", &nobody, "g", body(1)).await.refusal(), (404, "not_found"));
    bank.prove().await;
}

#[actix_web::test]
async fn a_credit_that_was_answered_is_answered_again_when_users_cannot_be_asked() {
    let bank = Bank::new();
    let path = format!("/v1/admin/wallets/{}/credit", id("ada"));
    let body = json!({"amount": usd_json(5), "reason": "x"});
    let first = bank.post("staff", &path, "c", body.clone()).await;
    bank.people.silent.store(true, std::sync::atomic::Ordering::SeqCst);
    let again = bank.post("staff", &path, "c", body.clone()).await;
    assert_eq!((again.status, again.replayed, again.body), (201, true, first.body));
    assert_eq!(bank.post("staff", &path, "other", body).await.refusal(), (503, "unreachable"));
}

#[actix_web::test]
async fn a_balance_stays_countable() {
    let bank = Bank::with(Settings { max_amount_minor: Money::MAX, ..Settings::default() });
    bank.give("ada", Money::MAX - 5).await;
    let deposit = bank.post("ada", "/v1/wallet/deposits", "d", json!({"amount": usd_json(6)})).await;
    let confirm = format!("/v1/admin/deposits/{}/confirm", deposit.id());
    assert_eq!(bank.post("staff", &confirm, "c", json!({})).await.refusal(), (422, "balance_too_large"));
    assert_eq!(bank.get("ada", "/v1/wallet/deposits").await.body["data"][0]["status"], "pending");
    assert_eq!(bank.standing("ada").await.0, Money::MAX - 5);
    bank.prove().await;
}

#[actix_web::test]
async fn the_command_line_corrects_by_user_id() {
    let bank = Bank::new();
    let adjust = |user: UserId, direction, amount| Adjust {
        user,
        direction,
        amount: PositiveMoney::new(common::usd(amount)).expect("positive"),
        reason: Line::parse("found").expect("a line"),
        actor: "cli".to_owned(),
    };
    let given = bank.ledger.adjust(&common::call(), adjust(id("ada"), Direction::Credit, 5)).await.expect("gives");
    assert_eq!((given.amount, given.user), (common::usd(5), id("ada")));
    let nobody = bank.ledger.adjust(&common::call(), adjust(id("nobody"), Direction::Credit, 5)).await;
    assert_eq!(nobody, Err(WalletError::NotFound));
    let too_much = bank.ledger.adjust(&common::call(), adjust(id("ada"), Direction::Debit, 6)).await;
    assert!(matches!(too_much, Err(WalletError::InsufficientFunds { available: 5, .. })));
    assert_eq!(bank.standing("ada").await, (5, 0, 5));
}

#[actix_web::test]
async fn a_freeze_holds_for_wallets_that_are_opened_later() {
    let bank = Bank::new();
    bank.freeze("ada", "freeze").await;
    bank.freeze("ada", "freeze").await;
    bank.give("ada", 500).await;
    assert_eq!(bank.send("ada", "bob@example.com", 1, "k").await.refusal(), (409, "frozen"));
    let path = format!("/v1/admin/wallets/{}", id("ada"));
    let shown = bank.get("staff", &path).await;
    assert_eq!((&shown.body["frozen"], &shown.body["balances"][0]["balance"]), (&json!(true), &json!(500)));
    bank.freeze("ada", "unfreeze").await;
    assert_eq!(bank.get("staff", &path).await.body["frozen"], json!(false));
    assert_eq!(bank.send("ada", "bob@example.com", 1, "k2").await.status, 201);
    let nobody = format!("/v1/admin/wallets/{}", id("nobody"));
    assert_eq!(bank.get("staff", &nobody).await.refusal(), (404, "not_found"));
    let empty = bank.get("staff", &format!("/v1/admin/wallets/{}", id("eve"))).await;
    assert_eq!((empty.status, &empty.body["balances"]), (200, &json!([])));
}

#[actix_web::test]
async fn only_staff_use_staff_routes_and_nobody_goes_without_a_token() {
    let bank = Bank::new();
    for route in routes().iter() {
        let method: Method = route.method.clone();
        let path = route.path.replace("{user}", id("ada").as_str()).replace("{id}", "x");
        let anonymous = bank.ask("", method.clone(), &path, None, None).await;
        assert_eq!(anonymous.status, 401, "{route:?}");
        if route.path.starts_with("/v1/admin") {
            assert_eq!(bank.ask("ada", method, &path, Some("k"), Some("{}")).await.status, 403, "{route:?}");
        }
    }
}
