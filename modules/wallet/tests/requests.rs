//! Deposits and withdrawals: asked for by users, decided once by staff.

mod common;

use common::{Bank, id, usd_json};
use emporium_wallet::{Deposits, Settings};
use futures_util::future::join_all;
use serde_json::json;

async fn deposit(bank: &Bank, who: &str, amount: i64, key: &str) -> common::Reply {
    bank.post(who, "/v1/wallet/deposits", key, json!({"amount": usd_json(amount)})).await
}

async fn withdraw(bank: &Bank, who: &str, amount: i64, key: &str) -> common::Reply {
    bank.post(who, "/v1/wallet/withdrawals", key, json!({"amount": usd_json(amount)})).await
}

#[actix_web::test]
async fn a_deposit_is_credited_once_when_it_is_confirmed() {
    let bank = Bank::new();
    let asked = deposit(&bank, "ada", 500, "d").await;
    assert_eq!((asked.status, asked.body["status"].as_str()), (201, Some("pending")));
    assert_eq!(bank.standing("ada").await, (0, 0, 0));
    let confirm = format!("/v1/admin/deposits/{}/confirm", asked.id());
    let first = bank.post("staff", &confirm, "c1", json!({})).await;
    assert_eq!((first.status, first.body["status"].as_str()), (200, Some("confirmed")));
    let second = bank.post("staff", &confirm, "c2", json!({})).await;
    assert_eq!((second.status, second.replayed), (200, false));
    assert_eq!(second.body, first.body, "confirming twice answers the same");
    assert_eq!(bank.standing("ada").await, (500, 0, 500));
    let reject = format!("/v1/admin/deposits/{}/reject", asked.id());
    let other_way = bank.post("staff", &reject, "r", json!({})).await;
    assert_eq!((other_way.refusal(), other_way.body["state"].as_str()), ((409, "already_decided"), Some("confirmed")));
    bank.prove().await;
}

#[actix_web::test]
async fn a_rejected_deposit_is_never_credited() {
    let bank = Bank::new();
    let asked = deposit(&bank, "ada", 500, "d").await;
    let reject = format!("/v1/admin/deposits/{}/reject", asked.id());
    for key in ["r1", "r2"] {
        let rejected = bank.post("staff", &reject, key, json!({"reason": "no money came"})).await;
        assert_eq!((rejected.status, rejected.body["reason"].as_str()), (200, Some("no money came")));
    }
    let confirm = format!("/v1/admin/deposits/{}/confirm", asked.id());
    assert_eq!(bank.post("staff", &confirm, "c", json!({})).await.refusal(), (409, "already_decided"));
    assert_eq!(bank.standing("ada").await, (0, 0, 0));
    let shown = bank.get("ada", &format!("/v1/wallet/deposits/{}", asked.id())).await;
    assert_eq!((shown.body["status"].as_str(), shown.body.get("decided_by")), (Some("rejected"), None));
    bank.prove().await;
}

#[actix_web::test]
async fn of_confirmations_and_rejections_at_once_one_kind_wins() {
    let bank = Bank::new();
    let asked = deposit(&bank, "ada", 500, "d").await;
    let paths = ["confirm", "reject"].map(|what| format!("/v1/admin/deposits/{}/{what}", asked.id()));
    let keys: Vec<String> = (0..20).map(|n| format!("k{n}")).collect();
    let decisions = join_all(keys.iter().enumerate().map(|(n, key)| bank.post("staff", &paths[n % 2], key, json!({}))));
    let decisions = decisions.await;
    assert_eq!(decisions.iter().filter(|decision| decision.status == 200).count(), 10);
    assert_eq!(decisions.iter().filter(|decision| decision.refusal() == (409, "already_decided")).count(), 10);
    let confirmed = decisions.iter().any(|decision| decision.body["status"] == "confirmed");
    assert_eq!(bank.standing("ada").await.0, if confirmed { 500 } else { 0 });
    bank.prove().await;
}

#[actix_web::test]
async fn an_instant_deposit_is_credited_at_once() {
    let bank = Bank::with(Settings { deposits: Deposits::Instant, ..Settings::default() });
    for (key, replayed) in [("d", false), ("d", true)] {
        let asked = deposit(&bank, "ada", 500, key).await;
        assert_eq!((asked.status, asked.replayed, asked.body["status"].as_str()), (201, replayed, Some("confirmed")));
    }
    assert_eq!(bank.standing("ada").await, (500, 0, 500));
    bank.prove().await;
}

#[actix_web::test]
async fn a_withdrawal_is_held_until_it_is_paid() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    let asked = withdraw(&bank, "ada", 700, "w").await;
    assert_eq!((asked.status, asked.body["status"].as_str()), (201, Some("pending")));
    assert_eq!(bank.standing("ada").await, (1_000, 700, 300));
    bank.prove().await;
    let too_much = withdraw(&bank, "ada", 301, "w2").await;
    assert_eq!((too_much.refusal(), too_much.body["available"].as_i64()), ((402, "insufficient_funds"), Some(300)));
    bank.freeze("ada", "freeze").await;
    assert_eq!(withdraw(&bank, "ada", 1, "w3").await.refusal(), (409, "frozen"));
    let pay = format!("/v1/admin/withdrawals/{}/pay", asked.id());
    for key in ["p1", "p2"] {
        let paid = bank.post("staff", &pay, key, json!({})).await;
        assert_eq!((paid.status, paid.body["status"].as_str()), (200, Some("paid")));
    }
    assert_eq!(bank.standing("ada").await, (300, 0, 300));
    let reject = format!("/v1/admin/withdrawals/{}/reject", asked.id());
    assert_eq!(bank.post("staff", &reject, "r", json!({})).await.refusal(), (409, "already_decided"));
    bank.prove().await;
}

#[actix_web::test]
async fn a_rejected_withdrawal_gives_the_money_back_once() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    let asked = withdraw(&bank, "ada", 700, "w").await;
    withdraw(&bank, "ada", 200, "w2").await;
    let reject = format!("/v1/admin/withdrawals/{}/reject", asked.id());
    for key in ["r1", "r2"] {
        assert_eq!(bank.post("staff", &reject, key, json!({"reason": "wrong account"})).await.status, 200);
    }
    assert_eq!(bank.standing("ada").await, (1_000, 200, 800));
    let pay = format!("/v1/admin/withdrawals/{}/pay", asked.id());
    assert_eq!(bank.post("staff", &pay, "p", json!({})).await.refusal(), (409, "already_decided"));
    bank.prove().await;
}

#[actix_web::test]
async fn what_belongs_to_another_is_not_there() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    let deposit = deposit(&bank, "ada", 500, "d").await;
    let withdrawal = withdraw(&bank, "ada", 500, "w").await;
    for path in [format!("/v1/wallet/deposits/{}", deposit.id()), format!("/v1/wallet/withdrawals/{}", withdrawal.id())]
    {
        assert_eq!(bank.get("ada", &path).await.status, 200);
        let foreign = bank.get("bob", &path).await;
        let missing = bank.get("bob", &path.replace("0", "1")).await;
        assert_eq!(foreign.refusal(), (404, "not_found"));
        assert_eq!(foreign.body, missing.body, "a foreign object looks like a missing one");
    }
    assert_eq!(bank.get("bob", "/v1/wallet/deposits").await.body["data"], json!([]));
    let missing = format!("/v1/admin/deposits/{}/confirm", deposit.id().replace('0', "1"));
    assert_eq!(bank.post("staff", &missing, "m", json!({})).await.refusal(), (404, "not_found"));
}

#[actix_web::test]
async fn lists_are_filtered_and_paged_newest_first() {
    let bank = Bank::new();
    for (n, who) in ["ada", "bob", "ada", "ada"].into_iter().enumerate() {
        bank.hand.advance(std::time::Duration::from_millis(5));
        deposit(&bank, who, 100 + i64::try_from(n).expect("small"), &format!("d{n}")).await;
    }
    let amounts = |reply: &common::Reply| -> Vec<i64> {
        let rows = reply.body["data"].as_array().expect("a list");
        rows.iter().map(|row| row["amount"]["amount"].as_i64().expect("a number")).collect()
    };
    assert_eq!(amounts(&bank.get("ada", "/v1/wallet/deposits").await), [103, 102, 100]);
    let first = bank.get("staff", "/v1/admin/deposits?limit=3").await;
    assert_eq!(amounts(&first), [103, 102, 101]);
    let cursor = first.body["next_cursor"].as_str().expect("there is more");
    let last = bank.get("staff", &format!("/v1/admin/deposits?limit=3&after={cursor}")).await;
    assert_eq!((amounts(&last), last.body["next_cursor"].as_str()), (vec![100], None));
    let id_of_first = first.body["data"][0]["id"].as_str().expect("an id").to_owned();
    bank.post("staff", &format!("/v1/admin/deposits/{id_of_first}/confirm"), "c", json!({})).await;
    assert_eq!(amounts(&bank.get("staff", "/v1/admin/deposits?status=confirmed").await), [103]);
    let of_ada = format!("/v1/admin/deposits?status=pending&user={}", id("ada"));
    let shown = bank.get("staff", &of_ada).await;
    assert_eq!((amounts(&shown), shown.body["data"][0]["user"].as_str()), (vec![102, 100], Some(id("ada").as_str())));
}
