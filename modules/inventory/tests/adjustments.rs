//! Adjustments through the contract: all rows or none, once for each id.
#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

mod common;

use common::{House, call, row, sku};
use emporium_inventory_api::Change::{Delta, Set};
use emporium_inventory_api::InventoryError::{
    BelowReserved, IdReused, StockChanged, TooMuch, UnknownLocation, UnknownSku,
};
use emporium_inventory_api::{Adjust, AdjustRow, Inventory, InventoryError, LocationId};

const MOST: i64 = 1_000_000_000;

fn tea(change: emporium_inventory_api::Change) -> AdjustRow {
    row("TEA", change)
}

async fn refusal(house: &House, id: &str, rows: Vec<AdjustRow>) -> InventoryError {
    let before = house.quantities("TEA").await;
    let refused = house.adjust(id, rows).await.expect_err("is refused");
    assert_eq!(house.quantities("TEA").await, before, "{refused}");
    refused
}

#[tokio::test]
async fn stock_is_added_taken_away_and_set() {
    let house = House::new();
    house.register(&["TEA"]).await;
    let on_hand = async |id: &str, change| house.adjust(id, vec![tea(change)]).await.expect("adjusts")[0].on_hand;
    assert_eq!(on_hand("1", Delta(10)).await, 10);
    assert_eq!(on_hand("2", Delta(-3)).await, 7);
    assert_eq!(on_hand("3", Set(100)).await, 100);
    assert_eq!(on_hand("4", Set(100)).await, 100);
    assert_eq!(on_hand("5", Set(0)).await, 0);
    house.assert_clean().await;
}

#[tokio::test]
async fn what_is_promised_cannot_be_taken_away() {
    let house = House::new();
    house.fill("TEA", 10).await;
    house.reserve("a", &[("TEA", 4)]).await.expect("reserves");
    let only_six = BelowReserved { sku: "TEA".to_owned(), available: 6 };
    assert_eq!(refusal(&house, "1", vec![tea(Delta(-7))]).await, only_six);
    assert_eq!(refusal(&house, "2", vec![tea(Set(3))]).await, only_six);
    assert_eq!(refusal(&house, "3", vec![tea(Delta(i64::MIN))]).await, only_six);
    assert_eq!(refusal(&house, "4", vec![tea(Set(-1))]).await, only_six);
    house.adjust("5", vec![tea(Delta(-6))]).await.expect("what is available can go");
    assert_eq!(house.quantities("TEA").await, (4, 4));
}

#[tokio::test]
async fn more_than_can_be_counted_is_refused() {
    let house = House::new();
    house.fill("TEA", 1).await;
    let too_much = TooMuch { sku: "TEA".to_owned() };
    for (id, change) in [("1", Delta(MOST)), ("2", Set(MOST + 1)), ("3", Delta(i64::MAX)), ("4", Set(i64::MAX))] {
        assert_eq!(refusal(&house, id, vec![tea(change)]).await, too_much, "{change:?}");
    }
    house.adjust("5", vec![tea(Set(MOST))]).await.expect("the most is allowed");
    assert_eq!(refusal(&house, "6", vec![tea(Delta(1))]).await, too_much);
}

#[tokio::test]
async fn a_change_based_on_an_old_count_is_refused() {
    let house = House::new();
    house.fill("TEA", 10).await;
    let expecting = |pieces, change| vec![AdjustRow { expected_on_hand: Some(pieces), ..tea(change) }];
    let changed = StockChanged { sku: "TEA".to_owned(), on_hand: 10 };
    assert_eq!(refusal(&house, "1", expecting(9, Set(5))).await, changed);
    assert_eq!(refusal(&house, "2", expecting(9, Delta(1))).await, changed);
    assert_eq!(refusal(&house, "3", expecting(9, Set(10))).await, changed, "even if nothing would change");
    assert_eq!(house.adjust("4", expecting(10, Set(5))).await.expect("adjusts")[0].on_hand, 5);
}

#[tokio::test]
async fn all_rows_are_done_or_none() {
    let house = House::new();
    house.fill("TEA", 10).await;
    house.fill("CUP", 1).await;
    let rows = vec![tea(Delta(5)), row("CUP", Delta(-2))];
    assert_eq!(refusal(&house, "1", rows).await, BelowReserved { sku: "CUP".to_owned(), available: 1 });
    let rows = vec![tea(Delta(5)), row("GONE", Delta(2))];
    assert_eq!(refusal(&house, "2", rows).await, UnknownSku { sku: "GONE".to_owned() });
    let nowhere = LocationId::derived(&["nowhere"]);
    let rows = vec![tea(Delta(5)), AdjustRow { location: Some(nowhere), ..tea(Delta(2)) }];
    assert_eq!(refusal(&house, "3", rows).await, UnknownLocation);
    house.assert_clean().await;
}

#[tokio::test]
async fn rows_for_the_same_stock_are_done_as_they_are_written() {
    let house = House::new();
    house.fill("TEA", 10).await;
    house.fill("CUP", 1).await;
    let rows = vec![tea(Set(3)), row("CUP", Delta(1)), tea(Delta(4)), tea(Delta(-1))];
    let levels = house.adjust("1", rows).await.expect("adjusts");
    assert_eq!(
        levels.iter().map(|l| (l.sku.as_str(), l.on_hand)).collect::<Vec<_>>(),
        [("TEA", 6), ("CUP", 2), ("TEA", 6), ("TEA", 6)]
    );
}

#[tokio::test]
async fn an_id_is_carried_out_once_and_answered_the_same_for_ever() {
    let house = House::new();
    house.fill("TEA", 10).await;
    let first = house.adjust("1", vec![tea(Delta(5))]).await;
    house.adjust("2", vec![tea(Delta(-1))]).await.expect("adjusts");
    assert_eq!(house.adjust("1", vec![tea(Delta(5))]).await, first);
    assert_eq!(house.quantities("TEA").await, (14, 0));
    assert_eq!(refusal(&house, "1", vec![tea(Delta(6))]).await, IdReused);
    let other_actor = Adjust { id: "1".to_owned(), actor: "usr_2".to_owned(), rows: vec![tea(Delta(5))] };
    assert_eq!(house.stock.adjust(&call(), other_actor).await, Err(IdReused));

    let refused = refusal(&house, "3", vec![tea(Delta(-15))]).await;
    house.adjust("4", vec![tea(Delta(100))]).await.expect("adjusts");
    assert_eq!(refusal(&house, "3", vec![tea(Delta(-15))]).await, refused, "a refusal is an answer too");
}

#[tokio::test]
async fn unknown_skus_have_nothing() {
    let house = House::new();
    house.fill("TEA", 10).await;
    let ask = emporium_inventory_api::AskAvailability { skus: vec![sku("GONE"), sku("TEA"), sku("TEA")] };
    let found = house.stock.availability(&call(), ask).await.expect("reads");
    let found: Vec<_> = found.iter().map(|a| (a.sku.as_str(), a.available)).collect();
    assert_eq!(found, [("GONE", 0), ("TEA", 10), ("TEA", 10)]);
}

#[tokio::test]
async fn many_skus_are_registered_and_filled_at_once() {
    let house = House::new();
    let names: Vec<String> = (0..2_500).map(|n| format!("SKU-{n:05}")).collect();
    house.register(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (n, some) in names.chunks(1_000).enumerate() {
        let rows = some.iter().map(|name| row(name, Set(7))).collect();
        house.adjust(&format!("{n}"), rows).await.expect("adjusts");
    }
    let ask = emporium_inventory_api::AskAvailability { skus: names.iter().map(|name| sku(name)).collect() };
    let found = house.stock.availability(&call(), ask).await.expect("reads");
    assert!(found.len() == 2_500 && found.iter().all(|available| available.available == 7));
    house.assert_clean().await;
}
