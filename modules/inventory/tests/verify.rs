//! Every invariant holds after any history, and is found broken when a row is altered by hand.
#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

mod common;

use std::time::Duration;

use actix_web::http::Method;
use common::{House, call, main_id, row};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use emporium_database::Url;
use emporium_inventory::MIGRATIONS;
use emporium_inventory_api::Change::{Delta, Set};
use emporium_inventory_api::{AdjustRow, Inventory, LocationId};
use emporium_kernel::Random;
use serde_json::{Value, json};

const NAMES: [&str; 4] = ["TEA", "CUP", "POT", "JAM"];

/// One of the commands there are, chosen by chance; most succeed, some are refused.
async fn any_command(house: &House, random: &Random, step: u64, places: &[Option<LocationId>]) {
    let below = |n: u64| random.below(n) as i64;
    let name = NAMES[random.below(4) as usize];
    let place = &places[random.below(3) as usize];
    let id = format!("order {}", step - random.below(20).min(step));
    match random.below(10) {
        0 => {
            let change = if below(2) == 0 { Delta(below(40) - 15) } else { Set(below(60)) };
            let _ = house
                .adjust(&format!("{step}"), vec![AdjustRow { location: place.clone(), ..row(name, change) }])
                .await;
        }
        1..=3 => {
            let (first, second) = (below(9) + 1, below(20) + 1);
            let _ = house.reserve(&id, &[(name, first), (NAMES[random.below(4) as usize], second)]).await;
        }
        4 | 5 => drop(house.commit(&id).await),
        6 | 7 => drop(house.release(&id).await),
        8 => {
            house.hand.advance(Duration::from_secs(random.below(400)));
            house.stock.sweep().await.expect("sweeps");
        }
        _ => {
            let other = places[random.below(3) as usize].as_ref().map_or_else(main_id, ToString::to_string);
            let from = place.as_ref().map_or_else(main_id, ToString::to_string);
            let body = json!({"sku": name, "from": from, "to": other, "quantity": below(10) + 1});
            house.post("/v1/admin/stock/transfers", "staff", &format!("{step}"), body).await;
            let path = format!("/v1/admin/stock?sku={name}&location={from}");
            house.send(Method::DELETE, &path, "staff", None, Value::Null).await;
        }
    }
}

#[actix_web::test]
async fn every_invariant_holds_after_hundreds_of_commands() {
    for seed in 1..=3 {
        let house = House::new();
        house.register(&NAMES).await;
        let places = [None, Some(house.location("North").await), Some(house.location("South").await)];
        let random = Random::seeded(seed);
        for step in 0..800 {
            any_command(&house, &random, step, &places).await;
            if step % 50 == 0 {
                house.assert_clean().await;
            }
        }
        house.assert_clean().await;
        let audit = house.stock.verify(&call(), ()).await.expect("verifies");
        assert!(audit.checked > 400, "the program did something: {audit:?}");
    }
}

/// A house with a bit of everything, and what `sql` does to it.
async fn findings_after(sql: &str) -> Vec<String> {
    let house = House::new();
    house.fill("TEA", 10).await;
    house.fill("CUP", 10).await;
    house.register(&["POT"]).await;
    house.reserve("a", &[("TEA", 2), ("CUP", 1)]).await.expect("reserves");
    house.reserve("b", &[("TEA", 3)]).await.expect("reserves");
    house.commit("b").await.expect("commits");
    house.assert_clean().await;
    let house = house.reopened(|path| {
        let mut db = SqliteConnection::establish(path.to_str().expect("text")).expect("opens");
        db.batch_execute("pragma ignore_check_constraints = on").expect("set");
        db.batch_execute(sql).expect(sql);
    });
    let audit = house.stock.verify(&call(), ()).await.expect("verifies");
    audit.findings.into_iter().map(|finding| finding.invariant).collect()
}

#[tokio::test]
async fn an_untouched_file_is_clean() {
    assert_eq!(findings_after("select 1").await, Vec::<String>::new());
}

#[tokio::test]
async fn each_broken_invariant_is_found() {
    let cases = [
        ("update level set reserved = on_hand + 1 where sku = 'CUP'", "reserved_is_within_on_hand"),
        ("update level set on_hand = -1, reserved = -1 where sku = 'CUP'", "reserved_is_within_on_hand"),
        ("update level set reserved = reserved + 1 where sku = 'CUP'", "reserved_is_sum_of_reservations"),
        ("update reservation_line set quantity = 9 where sku = 'CUP'", "reserved_is_sum_of_reservations"),
        ("update reservation set state = 'released' where state = 'reserved'", "reserved_is_sum_of_reservations"),
        ("delete from level where sku = 'TEA'", "reserved_is_sum_of_reservations"),
        ("delete from level where sku = 'TEA'", "level_is_sum_of_movements"),
        ("update level set on_hand = on_hand + 1 where sku = 'TEA'", "level_is_sum_of_movements"),
        ("update level set on_hand = on_hand + 1 where sku = 'TEA'", "level_is_result_of_last_movement"),
        ("update level set version = version + 1 where sku = 'TEA'", "level_is_result_of_last_movement"),
        ("update level set on_hand = 1 where sku = 'POT'", "level_is_result_of_last_movement"),
        (
            "update movement set on_hand = on_hand + 1 where sku = 'TEA' and version = 4",
            "level_is_result_of_last_movement",
        ),
        ("update movement set delta_on_hand = 11 where sku = 'TEA' and version = 1", "movement_results_in_sum"),
        (
            "update movement set delta_on_hand = 11, on_hand = 11 where sku = 'CUP' and version = 1",
            "movement_results_in_sum",
        ),
        ("delete from movement where sku = 'TEA' and version = 2", "movements_have_no_gap"),
        ("delete from movement where sku = 'TEA' and version = 1", "movements_have_no_gap"),
        ("delete from item where sku = 'CUP'", "level_has_its_sku"),
        ("update location set id = 'loc_1'", "level_has_its_location"),
        ("update location set removed_at = 1", "level_has_its_location"),
        ("update reservation set expires_at = 0 where state = 'reserved'", "reservations_expire_in_time"),
    ];
    for (sql, invariant) in cases {
        let found = findings_after(sql).await;
        assert!(found.iter().any(|name| name == invariant), "{sql}: {found:?}");
        let mut once = found.clone();
        once.dedup();
        assert_eq!(once.len(), found.len(), "each invariant is reported once: {found:?}");
    }
}

#[tokio::test]
async fn the_database_refuses_what_the_guards_would_have_let_through() {
    let house = House::new();
    house.fill("TEA", 10).await;
    house.reopened(|path| {
        let mut db = SqliteConnection::establish(path.to_str().expect("text")).expect("opens");
        for sql in [
            "update level set reserved = 11",
            "update level set reserved = -1",
            "update level set on_hand = 1000000001",
            "update level set on_hand = -1",
            "insert into movement select null, sku, location, version, kind, 1, 0, 1, 0, cause_kind, cause, null, null, 1 from movement",
            "insert into location (id, name, is_default, created_at) values ('loc_1', 'Main', 0, 0)",
        ] {
            assert!(db.batch_execute(sql).is_err(), "{sql}");
        }
    });
}

#[tokio::test]
async fn the_schema_goes_down_and_up_again() {
    let house = House::new();
    house.fill("TEA", 10).await;
    let house = house.reopened(|path| {
        MIGRATIONS.revert(&Url::file(path)).expect("goes down");
    });
    house.fill("TEA", 3).await;
    assert_eq!(house.quantities("TEA").await, (3, 0));
    let versions = MIGRATIONS.versions().expect("versions");
    assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "{versions:?}");
}
