//! Two want the same reservation at the same moment: exactly one of them gets it, and the shelf agrees.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::disallowed_methods, reason = "the server is waited for by the clock")]

mod common;
#[path = "../../../tests/support/engines.rs"]
mod engines;
#[path = "../../../tests/support/mariadbd.rs"]
mod mariadbd;

use actix_web::http::Method;
use common::{House, QUARTER_HOUR, row};
use emporium_inventory_api::InventoryError::ReservationEnded;
use emporium_inventory_api::ReservationState::{Committed, Expired, Released, Reserved, Returned};
use emporium_inventory_api::{AdjustRow, Change};
use engines::{on_each_engine, rounds};
use futures_util::future::{join, join_all, join3};
use serde_json::Value;

on_each_engine!(
    crate::common::House::new(), "inventorydb", |url| crate::common::House::at(&url);
    an_expired_reservation_is_committed_or_given_back_never_both,
    a_commit_and_a_release_leave_the_shelf_as_it_was,
    a_location_goes_or_gets_stock_never_both,
);

const AT_ONCE: usize = 50;

/// Many reservations of one piece each.
async fn reserve_many(house: &House, round: usize) -> Vec<String> {
    let ids: Vec<String> = (0..AT_ONCE).map(|n| format!("{round}-{n}")).collect();
    let reserved = join_all(ids.iter().map(|id| house.reserve(id, &[("TEA", 1)]))).await;
    assert!(reserved.iter().all(|state| *state == Ok(Reserved)), "{reserved:?}");
    ids
}

async fn an_expired_reservation_is_committed_or_given_back_never_both(house: House) {
    house.fill("TEA", 100_000).await;
    let (mut committed, mut expired) = (0, 0);
    for round in 0..rounds(house.stock.database(), [60, 12, 2_000]) {
        let ids = reserve_many(&house, round).await;
        house.hand.advance(QUARTER_HOUR);
        // Sometimes few and sometimes many are asked for before the sweep.
        let (early, late) = ids.split_at(7 * round % AT_ONCE);
        let commits = join_all(early.iter().map(|id| house.commit(id)));
        let sweep_and_commit = async {
            let ((), rest) = join(
                async { house.stock.sweep().await.expect("sweeps") },
                join_all(late.iter().map(|id| house.commit(id))),
            )
            .await;
            rest
        };
        let (early, late) = join(commits, sweep_and_commit).await;
        for outcome in early.into_iter().chain(late) {
            match outcome {
                Ok(state) => {
                    assert_eq!(state, Committed);
                    committed += 1;
                }
                Err(refusal) => {
                    assert_eq!(refusal, ReservationEnded { state: Expired });
                    expired += 1;
                }
            }
        }
        assert_eq!(house.quantities("TEA").await, (100_000 - committed, 0), "round {round}");
    }
    assert!(committed > 0 && expired > 0, "both happen: {committed} and {expired}");
    house.assert_clean().await;
}

async fn a_commit_and_a_release_leave_the_shelf_as_it_was(house: House) {
    house.fill("TEA", 1_000).await;
    let (mut overtaken, mut returned) = (0, 0);
    for round in 0..rounds(house.stock.database(), [60, 10, 2_000]) {
        let ids = reserve_many(&house, round).await;
        let both = ids.iter().enumerate().map(async |(n, id)| match (n + round) % 2 {
            0 => join(house.commit(id), house.release(id)).await,
            _ => {
                let (release, commit) = join(house.release(id), house.commit(id)).await;
                (commit, release)
            }
        });
        for (commit, release) in join_all(both).await {
            match (commit, release) {
                (Ok(Committed), Returned) => returned += 1,
                (Err(ReservationEnded { state: Released }), Released) => overtaken += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(house.quantities("TEA").await, (1_000, 0), "round {round}");
    }
    assert!(overtaken > 0 && returned > 0, "both happen: {overtaken} and {returned}");
    house.assert_clean().await;
}

/// Stock is put to a location by those who adjust it and by what comes back, while somebody removes it, whose levels are there
/// and empty: it is removed, or it holds something.
async fn a_location_goes_or_gets_stock_never_both(house: House) {
    let (mut gone, mut kept) = (0, 0);
    for round in 0..rounds(house.stock.database(), [40, 20, 1_000]) {
        let place = house.location(&format!("Place {round}")).await;
        let returned = format!("returned-{round}");
        let (tea, cup) = (format!("TEA-{round}"), format!("CUP-{round}"));
        house.register(&[&tea, &cup]).await;
        house.receive(&tea, Some(&place), 1).await;
        house.reserve(&returned, &[(&tea, 1)]).await.expect("reserves");
        house.commit(&returned).await.expect("commits");
        house.receive(&cup, Some(&place), 1).await;
        let here = |pieces| AdjustRow { location: Some(place.clone()), ..row(&cup, Change::Delta(pieces)) };
        house.adjust(&format!("away-{round}"), vec![here(-1)]).await.expect("adjusts");
        let path = format!("/v1/admin/locations/{place}");
        let remove = house.send(Method::DELETE, &path, "staff", None, Value::Null);
        let adjust_id = format!("late-{round}");
        let adjust =
            async { if round % 2 == 0 { house.adjust(&adjust_id, vec![here(1)]).await.is_ok() } else { false } };
        let give_back = async { if round % 2 == 1 { Some(house.release(&returned).await) } else { None } };
        let (removed, adjusted, given_back) = if round % 4 < 2 {
            join3(remove, adjust, give_back).await
        } else {
            let (adjusted, given_back, removed) = join3(adjust, give_back, remove).await;
            (removed, adjusted, given_back)
        };
        let there = house.get(&format!("/v1/admin/stock?location={place}"), "staff").await;
        let pieces: i64 = there.data().iter().filter_map(|level| level["on_hand"].as_i64()).sum();
        match removed.status {
            204 => {
                gone += 1;
                assert!(!adjusted && pieces == 0, "round {round}: removed with {pieces}");
            }
            409 => {
                kept += 1;
                assert_eq!(pieces, 1, "round {round}");
            }
            status => panic!("{status}: {}", removed.body),
        }
        assert!(given_back.is_none_or(|state| state == Returned));
    }
    assert!(gone > 0 && kept > 0, "{gone} and {kept}");
    house.stock.sweep().await.expect("sweeps");
    house.assert_clean().await;
}
