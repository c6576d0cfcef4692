//! Reserve, commit and release, in every order in which messages can arrive.

mod common;

use actix_web::http::Method;
use common::{House, QUARTER_HOUR, call, main_id, of, reservation, short, sku, wanted};
use emporium_inventory_api::InventoryError::{
    self, IdReused, OutOfStock, ReservationEnded, UnknownReservation, UnknownSku,
};
use emporium_inventory_api::ReservationState::{
    self, Committed, Expired, Refused, Released, Reserved, Returned, Tombstone,
};
use emporium_inventory_api::{AdjustRow, AskReservations, Change, Inventory, Reservation};
use futures_util::future::join_all;
use serde_json::{Value, json};

fn ended<T>(state: ReservationState) -> Result<T, InventoryError> {
    Err(ReservationEnded { state })
}

#[tokio::test]
async fn reserved_stock_is_promised_and_committed_stock_is_gone() {
    let house = House::new();
    house.fill("TEA", 10).await;
    assert_eq!(house.reserve("a", &[("TEA", 4)]).await, Ok(Reserved));
    assert_eq!(house.quantities("TEA").await, (10, 4));
    assert_eq!(house.available("TEA").await, 6);
    assert_eq!(house.commit("a").await, Ok(Committed));
    assert_eq!(house.quantities("TEA").await, (6, 0));
    house.assert_clean().await;
}

#[tokio::test]
async fn repeated_commands_change_nothing_and_answer_the_same() {
    let house = House::new();
    house.fill("TEA", 10).await;
    for _ in 0..3 {
        assert_eq!(house.reserve("a", &[("TEA", 4)]).await, Ok(Reserved));
    }
    assert_eq!(house.quantities("TEA").await, (10, 4));
    for _ in 0..3 {
        assert_eq!(house.commit("a").await, Ok(Committed));
    }
    assert_eq!(house.reserve("a", &[("TEA", 4)]).await, Ok(Committed), "a late repetition sees where it stands");
    assert_eq!(house.quantities("TEA").await, (6, 0));
    for _ in 0..3 {
        assert_eq!(house.release("a").await, Returned);
    }
    assert_eq!(house.quantities("TEA").await, (10, 0));
    assert_eq!(house.commit("a").await, ended(Returned));
    assert_eq!(house.reserve("a", &[("TEA", 4)]).await, ended(Returned));
    assert_eq!(house.quantities("TEA").await, (10, 0));
    house.assert_clean().await;
}

#[tokio::test]
async fn released_stock_is_available_again_and_cannot_be_committed() {
    let house = House::new();
    house.fill("TEA", 10).await;
    house.reserve("a", &[("TEA", 4)]).await.expect("reserves");
    for _ in 0..2 {
        assert_eq!(house.release("a").await, Released);
    }
    assert_eq!(house.quantities("TEA").await, (10, 0));
    assert_eq!(house.commit("a").await, ended(Released));
    assert_eq!(house.reserve("a", &[("TEA", 4)]).await, ended(Released));
    assert_eq!(house.quantities("TEA").await, (10, 0));
}

#[tokio::test]
async fn a_release_that_arrives_first_keeps_the_late_reserve_out() {
    let house = House::new();
    house.fill("TEA", 10).await;
    for _ in 0..2 {
        assert_eq!(house.release("a").await, Tombstone);
    }
    assert_eq!(house.reserve("a", &[("TEA", 4)]).await, ended(Tombstone));
    assert_eq!(house.commit("a").await, ended(Tombstone));
    assert_eq!(house.quantities("TEA").await, (10, 0));
    assert_eq!(house.release("a").await, Tombstone);
    house.assert_clean().await;
}

#[tokio::test]
async fn a_commit_of_what_was_never_asked_for_leaves_no_trace() {
    let house = House::new();
    house.fill("TEA", 10).await;
    assert_eq!(house.commit("a").await, Err(UnknownReservation));
    assert_eq!(house.reserve("a", &[("TEA", 4)]).await, Ok(Reserved));
}

#[tokio::test]
async fn a_refusal_says_what_is_left_and_is_given_again_even_after_a_restock() {
    let house = House::new();
    house.fill("TEA", 3).await;
    house.fill("CUP", 10).await;
    house.fill("POT", 0).await;
    let lines = [("TEA", 5), ("CUP", 1), ("POT", 1)];
    let refused = Err(OutOfStock { short: vec![short("POT", 1, 0), short("TEA", 5, 3)] });
    assert_eq!(house.reserve("a", &lines).await, refused);
    assert_eq!(house.quantities("CUP").await, (10, 0), "what was there is not kept for a refused order");
    house.receive("TEA", None, 100).await;
    house.receive("POT", None, 100).await;
    assert_eq!(house.reserve("a", &lines).await, refused);
    assert_eq!(house.commit("a").await, ended(Refused));
    assert_eq!(house.release("a").await, Refused);
    assert_eq!(house.reserve("second attempt", &lines).await, Ok(Reserved));
    house.assert_clean().await;
}

#[tokio::test]
async fn an_unknown_sku_is_refused_and_the_refusal_is_stored() {
    let house = House::new();
    house.fill("TEA", 3).await;
    let lines = [("GONE", 1), ("TEA", 9)];
    let refused = Err(UnknownSku { sku: "GONE".to_owned() });
    assert_eq!(house.reserve("a", &lines).await, refused);
    house.fill("GONE", 3).await;
    assert_eq!(house.reserve("a", &lines).await, refused);
    assert_eq!(house.quantities("TEA").await, (3, 0));
}

#[tokio::test]
async fn lines_of_the_same_sku_are_summed_before_any_check() {
    let house = House::new();
    house.fill("TEA", 10).await;
    let refused = Err(OutOfStock { short: vec![short("TEA", 12, 10)] });
    assert_eq!(house.reserve("a", &[("TEA", 6), ("TEA", 6)]).await, refused);
    assert_eq!(house.reserve("b", &[("TEA", 6), ("TEA", 4)]).await, Ok(Reserved));
    assert_eq!(house.reserve("b", &[("TEA", 4), ("TEA", 6)]).await, Ok(Reserved), "the same content");
    assert_eq!(house.quantities("TEA").await, (10, 10));
}

#[tokio::test]
async fn an_id_stands_for_one_content() {
    let house = House::new();
    house.fill("TEA", 10).await;
    house.reserve("a", &[("TEA", 4)]).await.expect("reserves");
    assert_eq!(house.reserve("a", &[("TEA", 5)]).await, Err(IdReused));
    let other_order = emporium_inventory_api::Reserve { order: "b".to_owned(), ..wanted("a", &[("TEA", 4)]) };
    assert_eq!(house.stock.reserve(&call(), other_order).await, Err(IdReused));
    let other_time = emporium_inventory_api::Reserve { expires_in_secs: 60, ..wanted("a", &[("TEA", 4)]) };
    assert!(house.stock.reserve(&call(), other_time).await.is_ok(), "settings may change between repetitions");
    assert_eq!(house.quantities("TEA").await, (10, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_buyers_of_a_hundred_pieces_get_exactly_a_hundred() {
    let house = House::new();
    house.fill("TEA", 100).await;
    let names: Vec<String> = (0..200).map(|n| format!("buyer {n}")).collect();
    let buyers = names.iter().map(|name| {
        let (stock, ask) = (house.stock.clone(), wanted(name, &[("TEA", 1)]));
        tokio::spawn(async move { stock.reserve(&call(), ask).await })
    });
    let answers = join_all(buyers).await;
    let (got, refused): (Vec<_>, Vec<_>) = answers.into_iter().map(|a| a.expect("no panic")).partition(Result::is_ok);
    assert_eq!((got.len(), refused.len()), (100, 100));
    assert!(refused.into_iter().all(|r| r == Err(OutOfStock { short: vec![short("TEA", 1, 0)] })));
    assert_eq!(house.quantities("TEA").await, (100, 100));
    house.assert_clean().await;
}

#[actix_web::test]
async fn one_location_serves_a_line_if_it_can_and_all_together_if_not() {
    let house = House::new();
    house.fill("TEA", 5).await;
    let (north, south) = (house.location("North").await, house.location("South").await);
    house.receive("TEA", Some(&north), 20).await;
    house.receive("TEA", Some(&south), 7).await;
    let lines = async |id: &str| {
        let page = house.get(&format!("/v1/admin/reservations?order={id}"), "staff").await;
        let lines = page.body["data"][0]["lines"].as_array().expect("lines").clone();
        lines
            .iter()
            .map(|l| (l["location"].as_str().expect("text").to_owned(), l["quantity"].as_i64().expect("a number")))
            .collect::<Vec<_>>()
    };
    assert_eq!(house.reserve("a", &[("TEA", 4)]).await, Ok(Reserved));
    assert_eq!(lines("a").await, [(main_id(), 4)], "the default location comes first");
    assert_eq!(house.reserve("b", &[("TEA", 6)]).await, Ok(Reserved));
    assert_eq!(lines("b").await.len(), 1, "one that has enough is not split");
    assert_eq!(house.reserve("c", &[("TEA", 22)]).await, Ok(Reserved));
    assert_eq!(lines("c").await, [(main_id(), 1), (north.to_string(), 14), (south.to_string(), 7)]);
    let refused = Err(OutOfStock { short: vec![short("TEA", 1, 0)] });
    assert_eq!(house.reserve("d", &[("TEA", 1)]).await, refused);
    house.commit("c").await.expect("commits");
    assert_eq!(house.release("c").await, Returned);
    assert_eq!(house.quantities("TEA").await, (32, 10));
    house.assert_clean().await;
}

#[actix_web::test]
async fn goods_come_back_although_their_shelf_and_location_are_gone() {
    let house = House::new();
    house.register(&["TEA"]).await;
    let north = house.location("North").await;
    house.receive("TEA", Some(&north), 5).await;
    house.reserve("a", &[("TEA", 5)]).await.expect("reserves");
    house.commit("a").await.expect("commits");
    let path = format!("/v1/admin/locations/{north}");
    let removed = house.send(Method::DELETE, &path, "staff", None, Value::Null).await;
    assert_eq!(removed.status, 204);
    assert_eq!(house.release("a").await, Returned);
    assert_eq!(house.quantities("TEA").await, (5, 0));
    let row = &house.get("/v1/admin/stock?sku=TEA", "staff").await.body["data"][0];
    assert_eq!((&row["location"], &row["on_hand"]), (&main_id().into(), &5.into()), "at the default location");
    house.assert_clean().await;
}

/// A location goes at once, its empty levels by and by: what comes back meanwhile is not put where nobody sees it.
#[actix_web::test]
async fn a_location_with_very_many_empty_levels_goes_and_nothing_comes_back_to_it() {
    let house = House::new();
    house.register(&["TEA"]).await;
    let north = house.location("North").await;
    house.receive("TEA", Some(&north), 5).await;
    house.reserve("a", &[("TEA", 5)]).await.expect("reserves");
    house.commit("a").await.expect("commits");
    let cups = format!(
        "create table number as
             with recursive up(n) as (select 1 union all select n + 1 from up where n < 1200) select n from up;
         insert into item (sku, title, created_at) select 'CUP-' || n, 'Cup', 0 from number;
         insert into level (sku, location, on_hand, reserved, version) select 'CUP-' || n, '{north}', 0, 0, 0 from number;
         drop table number;"
    );
    let fill =
        move |db: &mut emporium_database::Db| Ok(diesel::connection::SimpleConnection::batch_execute(db, &cups)?);
    house.stock.database().write::<_, emporium_kernel::Outage, _>(fill).await.expect("is written");
    let path = format!("/v1/admin/locations/{north}");
    let remove = async || house.send(Method::DELETE, &path, "staff", None, Value::Null).await;
    assert_eq!(remove().await.status, 204);
    assert_eq!(remove().await.refusal(), (404, "unknown_location"));
    assert_eq!(house.get("/v1/admin/locations", "staff").await.data().len(), 1);
    assert_ne!(house.location("North").await, north, "its name is free");
    let more = AdjustRow { location: Some(north.clone()), ..common::row("TEA", Change::Delta(1)) };
    house.adjust("late", vec![more]).await.expect_err("nothing is kept there any more");
    let there = format!("/v1/admin/stock?location={north}");
    assert!(!house.get(&there, "staff").await.data().is_empty());
    assert_eq!(house.release("a").await, Returned);
    let tea = house.get("/v1/admin/stock?sku=TEA", "staff").await;
    let filled: Vec<_> =
        tea.data().iter().filter(|row| row["on_hand"] == 5).map(|row| row["location"].clone()).collect();
    assert_eq!(filled, [Value::from(main_id())]);
    house.stock.sweep().await.expect("sweeps");
    assert!(house.get(&there, "staff").await.data().is_empty());
    house.assert_clean().await;
}

/// A process of an older version, which knows no mark of removal, may put stock there.
#[actix_web::test]
async fn a_removed_location_that_holds_stock_all_the_same_is_there_again() {
    let house = House::new();
    house.register(&["CUP", "TEA"]).await;
    let north = house.location("North").await;
    house.receive("TEA", Some(&north), 5).await;
    let cup = AdjustRow { location: Some(north.clone()), ..common::row("CUP", Change::Delta(1)) };
    let away = AdjustRow { location: Some(north.clone()), ..common::row("CUP", Change::Delta(-1)) };
    house.adjust("there", vec![cup]).await.expect("adjusts");
    house.adjust("away", vec![away]).await.expect("adjusts");
    let mark = format!("update location set removed_at = 1, name = '\n{north}' where id = '{north}'");
    let remove =
        move |db: &mut emporium_database::Db| Ok(diesel::connection::SimpleConnection::batch_execute(db, &mark)?);
    house.stock.database().write::<_, emporium_kernel::Outage, _>(remove).await.expect("is written");
    house.stock.sweep().await.expect("sweeps");
    let locations = house.get("/v1/admin/locations", "staff").await;
    let back = json!({"id": north, "name": north, "is_default": false});
    assert_eq!(locations.data()[1], back);
    let there = house.get(&format!("/v1/admin/stock?location={north}"), "staff").await;
    let skus: Vec<_> = there.data().iter().map(|level| &level["sku"]).collect();
    assert_eq!(skus, ["TEA"], "what was empty is gone");
    house.assert_clean().await;
}

#[tokio::test]
async fn reservations_are_looked_up_together() {
    let house = House::new();
    house.fill("TEA", 10).await;
    house.reserve("a", &[("TEA", 1)]).await.expect("reserves");
    house.reserve("b", &[("TEA", 11)]).await.expect_err("is refused");
    house.release("c").await;
    let ids = ["a", "b", "c", "never"].map(reservation).to_vec();
    let mut found = house.stock.reservations(&call(), AskReservations { ids }).await.expect("reads");
    found.sort_by_key(|reservation| reservation.state as u8);
    let expected = [("a", Reserved), ("b", Refused), ("c", Tombstone)];
    assert_eq!(found, expected.map(|(id, state)| Reservation { id: reservation(id), state }));
}

#[tokio::test]
async fn what_is_not_committed_in_time_is_given_back_by_the_sweep() {
    let house = House::new();
    house.fill("TEA", 10).await;
    house.reserve("late", &[("TEA", 4)]).await.expect("reserves");
    house.reserve("in time", &[("TEA", 3)]).await.expect("reserves");
    house.commit("in time").await.expect("commits");
    house.hand.advance(QUARTER_HOUR - std::time::Duration::from_micros(1));
    house.stock.sweep().await.expect("sweeps");
    assert_eq!(house.quantities("TEA").await, (7, 4));
    house.hand.advance(std::time::Duration::from_micros(1));
    house.stock.sweep().await.expect("sweeps");
    assert_eq!(house.quantities("TEA").await, (7, 0));
    assert_eq!(house.commit("late").await, ended(Expired));
    assert_eq!(house.reserve("late", &[("TEA", 4)]).await, ended(Expired));
    assert_eq!(house.release("late").await, Expired);
    assert_eq!(house.quantities("TEA").await, (7, 0));
    house.assert_clean().await;
}

#[tokio::test]
async fn time_alone_expires_nothing() {
    let house = House::new();
    house.fill("TEA", 10).await;
    house.reserve("a", &[("TEA", 4)]).await.expect("reserves");
    house.hand.advance(QUARTER_HOUR * 10);
    assert_eq!(house.commit("a").await, Ok(Committed), "only a sweep decides that it is too late");
}

#[tokio::test]
async fn a_clock_that_jumps_expires_nothing_in_that_sweep() {
    let house = House::with(emporium_inventory::Settings::default());
    house.fill("TEA", 10).await;
    house.reserve("a", &[("TEA", 4)]).await.expect("reserves");
    house.stock.sweep().await.expect("sweeps");
    house.hand.advance(QUARTER_HOUR * 2);
    house.stock.sweep().await.expect("sweeps");
    assert_eq!(house.quantities("TEA").await, (10, 4));
    house.stock.sweep().await.expect("sweeps");
    assert_eq!(house.quantities("TEA").await, (10, 0));
}

#[tokio::test]
async fn a_sweep_expires_more_than_one_transaction_may() {
    let house = House::with(emporium_inventory::Settings { expire_at_once: 3, ..common::settings() });
    house.fill("TEA", 100).await;
    for n in 0..20 {
        house.reserve(&format!("{n}"), &[("TEA", 1)]).await.expect("reserves");
    }
    house.hand.advance(QUARTER_HOUR);
    house.stock.sweep().await.expect("sweeps");
    assert_eq!(house.quantities("TEA").await, (100, 0));
}

#[tokio::test]
async fn what_is_due_is_promised_to_others_only_after_a_sweep() {
    let house = House::new();
    house.fill("TEA", 5).await;
    house.reserve("old", &[("TEA", 5)]).await.expect("reserves");
    house.hand.advance(QUARTER_HOUR);
    house.reserve("early", &[("TEA", 2)]).await.expect_err("it is due, and nobody has given it back yet");
    house.stock.sweep().await.expect("sweeps");
    assert_eq!(house.reserve("new", &[("TEA", 2)]).await, Ok(Reserved));
    assert_eq!(house.commit("old").await, ended(Expired));
    assert_eq!(house.quantities("TEA").await, (5, 2));
    house.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_expiry_and_a_commit_exactly_one_wins() {
    let house = House::new();
    house.fill("TEA", 1_000).await;
    let (mut committed, mut expired) = (0, 0);
    for round in 0..60 {
        let id = format!("round {round}");
        house.reserve(&id, &[("TEA", 1)]).await.expect("reserves");
        house.hand.advance(QUARTER_HOUR);
        let (sweeper, committer) = (house.stock.clone(), house.stock.clone());
        let sweep = tokio::spawn(async move { sweeper.sweep().await });
        let ask = of(&id);
        let commit = tokio::spawn(async move { committer.commit(&call(), ask).await });
        sweep.await.expect("no panic").expect("sweeps");
        match commit.await.expect("no panic") {
            Ok(_) => committed += 1,
            Err(refusal) => {
                assert_eq!(refusal, ReservationEnded { state: Expired });
                expired += 1;
            }
        }
        assert_eq!(house.quantities("TEA").await, (1_000 - committed, 0), "round {round}");
    }
    assert_eq!(committed + expired, 60);
    house.assert_clean().await;
}

#[tokio::test]
async fn a_tombstone_stands_for_a_week() {
    let house = House::new();
    house.fill("TEA", 5).await;
    house.release("a").await;
    house.hand.advance(QUARTER_HOUR * 4 * 24 * 7 - std::time::Duration::from_secs(1));
    house.stock.sweep().await.expect("sweeps");
    assert_eq!(house.reserve("a", &[("TEA", 1)]).await, ended(Tombstone));
    house.hand.advance(std::time::Duration::from_secs(1));
    house.stock.sweep().await.expect("sweeps");
    let ask = AskReservations { ids: vec![reservation("a")] };
    assert_eq!(house.stock.reservations(&call(), ask).await, Ok(vec![]));
}

#[tokio::test]
async fn registering_again_only_changes_the_description() {
    let house = House::new();
    house.fill("TEA", 5).await;
    let ask = emporium_inventory_api::Register {
        skus: vec![
            emporium_inventory_api::Registration {
                sku: sku("TEA"),
                title: "Green tea".to_owned(),
                supplier: Some("usr_supplier".to_owned()),
            },
            emporium_inventory_api::Registration { sku: sku("CUP"), title: "Cup".to_owned(), supplier: None },
            emporium_inventory_api::Registration { sku: sku("CUP"), title: "Cup".to_owned(), supplier: None },
        ],
    };
    let first = house.stock.register(&call(), ask.clone()).await.expect("registers");
    assert_eq!(first.created, [sku("CUP")]);
    assert_eq!(house.stock.register(&call(), ask).await.expect("registers").created, []);
    assert_eq!(house.quantities("TEA").await, (5, 0));
}
