//! Many at once, and long random programs: money is neither made nor lost.
#![expect(clippy::expect_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use common::{Bank, call, hold_id, id, supplier, usd_json};
use emporium_kernel::Random;
use emporium_wallet_api::{AskHolds, Payee, Wallet};
use futures_util::future::join_all;
use serde_json::json;

const PEOPLE: [&str; 10] = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"];

async fn total(bank: &Bank) -> i64 {
    let mut total = 0;
    for who in PEOPLE {
        let (balance, held, available) = bank.standing(who).await;
        assert!(balance >= 0 && held >= 0 && available >= 0, "{who}: {balance} {held} {available}");
        total += balance;
    }
    total
}

#[actix_web::test]
async fn random_transfers_at_once_keep_the_sum() {
    let (bank, random) = (Bank::new(), Random::seeded(7));
    for who in PEOPLE {
        bank.give(who, 200).await;
    }
    for round in 0..4 {
        let sent = (0..100).map(|n| {
            let (from, to) = (PEOPLE[below(&random, 10)], PEOPLE[below(&random, 10)]);
            let (amount, key, bank) = (1 + random.below(150), format!("{round}-{n}"), &bank);
            let amount = i64::try_from(amount).expect("small");
            async move { bank.send(from, id(to).as_str(), amount, &key).await.status }
        });
        let statuses = join_all(sent).await;
        assert!(statuses.iter().all(|status| [201, 402, 422].contains(status)), "{statuses:?}");
        assert!(statuses.contains(&201) && statuses.contains(&402));
        assert_eq!(total(&bank).await, 2_000);
    }
    bank.prove().await;
}

#[actix_web::test]
async fn opposite_transfers_and_rings_do_not_block_each_other() {
    let bank = Bank::new();
    for who in PEOPLE {
        bank.give(who, 100).await;
    }
    let mut all = Vec::new();
    for n in 0..30 {
        for (from, to) in [(0, 1), (1, 0), (2, 3), (3, 4), (4, 2)] {
            let (key, bank) = (format!("{n}-{from}-{to}"), &bank);
            all.push(async move { bank.send(PEOPLE[from], id(PEOPLE[to]).as_str(), 3, &key).await.status });
        }
    }
    assert!(join_all(all).await.into_iter().all(|status| status == 201), "there is enough for each");
    assert_eq!(total(&bank).await, 1_000);
    for who in &PEOPLE[..5] {
        assert_eq!(bank.standing(who).await, (100, 0, 100), "what went round came back");
    }
    bank.prove().await;
}

fn below(random: &Random, bound: u64) -> usize {
    usize::try_from(random.below(bound)).expect("small")
}

/// What a random program did so far.
#[derive(Default)]
struct Program {
    holds: Vec<String>,
    requests: Vec<String>,
    captured: u32,
    voided: u32,
    decided: u32,
    sent: u32,
}

#[actix_web::test]
async fn a_random_program_leaves_a_ledger_that_verifies() {
    for seed in [11, 12] {
        let (bank, random, mut program) = (Bank::new(), Random::seeded(seed), Program::default());
        for step in 0..400 {
            one_step(&bank, &random, step, &mut program).await;
            if step % 100 == 99 {
                bank.ledger.sweep().await.expect("sweeps");
                bank.prove().await;
            }
        }
        total(&bank).await;
        let done = [program.captured, program.voided, program.decided, program.sent];
        assert!(done.iter().all(|times| *times >= 10), "captured, voided, decided, sent: {done:?}");
    }
}

async fn one_step(bank: &Bank, random: &Random, step: u32, program: &mut Program) {
    let (who, other) = (PEOPLE[below(random, 10)], PEOPLE[below(random, 10)]);
    let amount = i64::try_from(1 + random.below(300)).expect("small");
    let key = format!("k{step}");
    match random.below(16) {
        0 | 1 => bank.give(who, 3 * amount).await,
        2 | 3 => program.sent += u32::from(bank.send(who, id(other).as_str(), amount, &key).await.status == 201),
        4..=6 => {
            drop(bank.hold(&key, who, amount).await);
            program.holds.push(key);
        }
        7 => drop(bank.hold(&any(random, &program.holds), who, amount).await),
        8 | 9 => program.captured += u32::from(capture(bank, random, &any(random, &program.holds), other).await),
        10 => program.voided += u32::from(bank.void(&any(random, &program.holds)).await.is_ok()),
        11 => drop(bank.void(&format!("never-{step}")).await),
        12 => {
            let what = ["deposits", "withdrawals"][below(random, 2)];
            let asked = bank.post(who, &format!("/v1/wallet/{what}"), &key, json!({"amount": usd_json(amount)})).await;
            if asked.status == 201 {
                program.requests.push(format!("/v1/admin/{what}/{}", asked.id()));
            }
        }
        13 if !program.requests.is_empty() => program.decided += u32::from(decide(bank, random, &key, program).await),
        14 => bank.freeze(who, ["freeze", "unfreeze", "unfreeze"][below(random, 3)]).await,
        _ => bank.hand.advance(Duration::from_secs(random.below(3_600))),
    }
}

fn any(random: &Random, list: &[String]) -> String {
    let length = u64::try_from(list.len()).expect("small");
    list.get(below(random, length)).cloned().unwrap_or_default()
}

async fn decide(bank: &Bank, random: &Random, key: &str, program: &Program) -> bool {
    let path = any(random, &program.requests);
    let what = match (random.below(3), path.contains("deposits")) {
        (0, _) => "reject",
        (_, true) => "confirm",
        (_, false) => "pay",
    };
    let decided = bank.post("staff", &format!("{path}/{what}"), key, json!({})).await;
    assert!([200, 409].contains(&decided.status), "{}", decided.body);
    decided.status == 200
}

/// Captures a hold, of whatever amount and in whatever state, for a supplier and the store.
async fn capture(bank: &Bank, random: &Random, number: &str, other: &str) -> bool {
    let ask = AskHolds { ids: vec![hold_id(number)] };
    let found = bank.ledger.holds(&call(), ask).await.expect("reads");
    let Some(amount) = found.first().and_then(|hold| hold.amount) else { return false };
    let part = i64::try_from(random.below(u64::try_from(amount.amount()).expect("positive") + 1)).expect("small");
    bank.capture(number, &[(supplier(other), part), (Payee::Store, amount.amount() - part)]).await.is_ok()
}
