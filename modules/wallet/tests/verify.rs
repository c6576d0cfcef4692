//! `verify` finds what it says it finds.
#![expect(clippy::expect_used, reason = "a test may panic")]

mod common;

use common::{Bank, call, hold_id, id, supplier, usd_json};
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use emporium_wallet::MIGRATIONS;
use emporium_wallet_api::{Payee, Wallet};
use serde_json::json;

/// A ledger in which everything has happened once.
async fn eventful() -> Bank {
    let bank = Bank::new();
    bank.give("ada", 10_000).await;
    bank.send("ada", "bob@example.com", 1_000, "t").await;
    for (number, amount) in [("held", 100), ("paid", 200), ("void", 300), ("refused", 100_000)] {
        let _ = bank.hold(number, "ada", amount).await;
    }
    bank.capture("paid", &[(supplier("sue"), 150), (Payee::Store, 50)]).await.expect("pays");
    bank.void("void").await.expect("gives free");
    bank.void("late").await.expect("buries");
    bank.post("ada", "/v1/wallet/withdrawals", "w", json!({"amount": usd_json(400)})).await;
    bank
}

#[actix_web::test]
async fn an_empty_ledger_is_sound() {
    let audit = Bank::new().ledger.verify(&call(), ()).await.expect("verifies");
    assert_eq!((audit.checked, audit.is_clean()), (0, true));
}

#[actix_web::test]
async fn every_broken_row_is_found() {
    let ada = format!("owner = '{}'", id("ada"));
    let transfers = "id in (select id from transfer where reason = 'transfer')";
    let of = |number: &str| hold_id(number).to_string();
    let cases = [
        (format!("update account set debits_posted = debits_posted + 1 where {ada}"), "debits_equal_credits"),
        ("update entry set amount = amount + 1 where side = 'debit'".to_owned(), "debits_equal_credits"),
        (format!("update account set credits_posted = credits_posted + 1 where {ada}"), "counters_are_fold_of_entries"),
        ("update entry set amount = amount + 1 where account_version = 1".to_owned(), "counters_are_fold_of_entries"),
        (format!("update account set debits_pending = 90000 where {ada}"), "no_user_below_zero"),
        (format!("update account set debits_posted = 90000 where {ada}"), "no_user_below_zero"),
        ("update entry set held_after = 90000 where account_version = 2".to_owned(), "no_user_below_zero"),
        (format!("update account set debits_pending = debits_pending + 1 where {ada}"), "pending_is_sum_of_holds"),
        ("update account set credits_pending = 0 where kind = 'cash_out'".to_owned(), "pending_is_sum_of_holds"),
        (format!("delete from hold where id = '{}'", of("held")), "pending_is_sum_of_holds"),
        (format!("update account set version = version + 1 where {ada}"), "versions_without_gap"),
        ("delete from entry where account_version = 2".to_owned(), "versions_without_gap"),
        ("update entry set account_version = 9 where account_version = 2".to_owned(), "versions_without_gap"),
        ("update entry set balance_after = balance_after + 1".to_owned(), "balance_after_is_fold_of_entries"),
        (format!("update transfer set amount = amount + 1 where {transfers}"), "transfer_is_balanced"),
        (format!("update transfer set currency = 'EUR' where {transfers}"), "transfer_is_balanced"),
        (format!("delete from transfer where {transfers}"), "transfer_is_balanced"),
        (format!("delete from entry where transfer_{transfers} and side = 'credit'"), "transfer_is_balanced"),
        (format!("update transfer set outcome = 'refused' where {transfers}"), "refused_has_no_entries"),
        ("delete from resolution".to_owned(), "hold_resolves_once"),
        (format!("update hold set state = 'voided' where id = '{}'", of("paid")), "hold_resolves_once"),
        (format!("update hold set state = 'held' where id = '{}'", of("paid")), "hold_resolves_once"),
        (format!("update transfer set pending_id = '{}' where kind = 'void'", of("paid")), "hold_resolves_once"),
        (format!("delete from transfer where id = '{}'", of("held")), "hold_has_its_transfer"),
        ("update hold set expires_at = 1 where state = 'held'".to_owned(), "hold_not_overdue"),
    ];
    for (sql, invariant) in cases {
        let bank = eventful().await;
        bank.prove().await;
        bank.meddle(&sql);
        let audit = bank.ledger.verify(&call(), ()).await.expect("verifies");
        let found: Vec<&str> = audit.findings.iter().map(|finding| finding.invariant.as_str()).collect();
        assert!(found.contains(&invariant), "{sql}: found {found:?}");
        let mut once = found.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), found.len(), "only the first row of each: {found:?}");
    }
}

#[actix_web::test]
async fn long_chains_and_many_accounts_are_checked_over_pages() {
    let bank = Bank::new();
    bank.give("ada", 100_000).await;
    // More than a page of entries in one chain, and more accounts than a page holds.
    let names: Vec<String> = (0..600).map(|n| format!("n{n}@example.com")).collect();
    for some in names.chunks(200) {
        let sent = some.iter().map(|name| bank.send("ada", name, 1, name));
        assert!(futures_util::future::join_all(sent).await.iter().all(|reply| reply.status == 201));
    }
    bank.prove().await;
    bank.meddle("update entry set balance_after = balance_after + 1 where account_version = 551");
    let audit = bank.ledger.verify(&call(), ()).await.expect("verifies");
    let found: Vec<&str> = audit.findings.iter().map(|finding| finding.invariant.as_str()).collect();
    assert_eq!(found, ["balance_after_is_fold_of_entries"]);
}

#[actix_web::test]
async fn the_database_itself_refuses_what_must_not_be() {
    let bank = eventful().await;
    let path = bank.folder.path().join("wallet.db");
    let mut db = SqliteConnection::establish(path.to_str().expect("text")).expect("opens");
    for sql in [
        "update account set debits_posted = credits_posted + 1 where kind = 'user'",
        "update account set debits_pending = credits_posted + 1 where kind = 'user'",
        "update account set debits_pending = -1",
        "update account set credits_posted = 9223372036854775807",
        "insert into resolution select pending_id, 'trf_other' from resolution",
        "insert into entry select * from entry",
        "update transfer set amount = 0",
        "update deposit set state = 'confirmed'; insert into deposit values ('d', 'u', 1, 'USD', 'confirmed', null, \
         null, 'x', 1, 1)",
    ] {
        let refused = db.batch_execute(sql);
        assert!(refused.is_err(), "{sql}");
    }
    bank.prove().await;
}

#[actix_web::test]
async fn the_schema_goes_up_down_and_up_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = emporium_database::Url::file(folder.path().join("wallet.db"));
    let versions = MIGRATIONS.versions().expect("versions");
    assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "{versions:?}");
    for _ in 0..2 {
        let database = emporium_database::Database::open(&url, MIGRATIONS).expect("goes up");
        database.close();
        drop(database);
        MIGRATIONS.revert(&url).expect("goes down");
    }
}
