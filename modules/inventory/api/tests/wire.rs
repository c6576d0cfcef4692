//! The wire form of the contract: a change here is a change for every process that calls it.

use emporium_inventory_api::{
    Adjust, AdjustRow, AskAvailability, AskLevels, AskReservations, Available, Change, InventoryError, Level,
    LocationId, OfReservation, Register, Registered, Registration, Reservation, ReservationId, ReservationState,
    Reserve, ReserveLine, Shortage, Sku,
};
use emporium_kernel::{After, Audit, Event, Events, Quantity, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Written as `wire`, read back the same, and read with a field more that a newer neighbour might send.
fn wire<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, wire: Value) {
    assert_eq!(serde_json::to_value(value).ok().as_ref(), Some(&wire));
    let mut newer = wire;
    if let Some(members) = newer.as_object_mut() {
        members.insert("added_later".to_owned(), json!(1));
    }
    assert_eq!(serde_json::from_value::<T>(newer).ok().as_ref(), Some(value));
}

fn sku() -> Sku {
    Sku::stored("PEN".to_owned())
}

#[test]
fn reservations_keep_their_form() {
    let id = ReservationId::derived(&["ord_1", "reserve", "1"]);
    let lines = vec![ReserveLine { sku: sku(), quantity: Quantity::new(2).expect("a quantity") }];
    let reserve = Reserve { id: id.clone(), order: "ord_1".to_owned(), lines, expires_in_secs: 60 };
    let lines = json!([{"sku": "PEN", "quantity": 2}]);
    wire(&reserve, json!({"id": id, "order": "ord_1", "lines": lines, "expires_in_secs": 60}));
    wire(&OfReservation { id: id.clone() }, json!({"id": id}));
    wire(&AskReservations { ids: vec![id.clone()] }, json!({"ids": [id]}));
    let states = [
        (ReservationState::Reserved, "reserved"),
        (ReservationState::Committed, "committed"),
        (ReservationState::Released, "released"),
        (ReservationState::Returned, "returned"),
        (ReservationState::Expired, "expired"),
        (ReservationState::Refused, "refused"),
        (ReservationState::Tombstone, "tombstone"),
    ];
    for (state, name) in states {
        wire(&Reservation { id: id.clone(), state }, json!({"id": id, "state": name}));
    }
}

#[test]
fn stock_keeps_its_form() {
    let registration = Registration { sku: sku(), title: "Pen".to_owned(), supplier: None };
    let registered = json!([{"sku": "PEN", "title": "Pen", "supplier": null}]);
    wire(&Register { skus: vec![registration] }, json!({"skus": registered}));
    wire(&Registered { created: vec![sku()] }, json!({"created": ["PEN"]}));
    wire(&AskAvailability { skus: vec![sku()] }, json!({"skus": ["PEN"]}));
    wire(&AskLevels { skus: vec![sku()] }, json!({"skus": ["PEN"]}));
    wire(&Available { sku: sku(), available: 3 }, json!({"sku": "PEN", "available": 3}));
    let location = LocationId::derived(&["here"]);
    let level = Level { sku: sku(), location: location.clone(), on_hand: 5, reserved: 2, available: 3 };
    wire(&level, json!({"sku": "PEN", "location": location, "on_hand": 5, "reserved": 2, "available": 3}));
    let row = |change| AdjustRow {
        sku: sku(),
        location: None,
        change,
        reason: "count".to_owned(),
        expected_on_hand: Some(4),
    };
    let rows = vec![row(Change::Delta(-1)), row(Change::Set(9))];
    let adjust = Adjust { id: "a1".to_owned(), actor: "usr_1".to_owned(), rows };
    let written = json!([
        {"sku": "PEN", "location": null, "delta": -1, "reason": "count", "expected_on_hand": 4},
        {"sku": "PEN", "location": null, "set": 9, "reason": "count", "expected_on_hand": 4},
    ]);
    wire(&adjust, json!({"id": "a1", "actor": "usr_1", "rows": written}));
}

#[test]
fn refusals_keep_their_codes_and_facts() {
    let short = vec![Shortage { sku: sku(), requested: 3, available: 1 }];
    let shortage = json!([{"sku": "PEN", "requested": 3, "available": 1}]);
    wire(&InventoryError::OutOfStock { short }, json!({"code": "out_of_stock", "short": shortage}));
    let sku = || "PEN".to_owned();
    wire(&InventoryError::UnknownSku { sku: sku() }, json!({"code": "unknown_sku", "sku": "PEN"}));
    let changed = InventoryError::StockChanged { sku: sku(), on_hand: 4 };
    wire(&changed, json!({"code": "stock_changed", "sku": "PEN", "on_hand": 4}));
    let below = InventoryError::BelowReserved { sku: sku(), available: 1 };
    wire(&below, json!({"code": "below_reserved", "sku": "PEN", "available": 1}));
    wire(&InventoryError::TooMuch { sku: sku() }, json!({"code": "too_much", "sku": "PEN"}));
    let ended = InventoryError::ReservationEnded { state: ReservationState::Expired };
    wire(&ended, json!({"code": "reservation_ended", "state": "expired"}));
    let others = [
        (InventoryError::UnknownLocation, "unknown_location"),
        (InventoryError::LocationExists, "location_exists"),
        (InventoryError::LocationInUse, "location_in_use"),
        (InventoryError::RowInUse, "row_in_use"),
        (InventoryError::UnknownReservation, "unknown_reservation"),
        (InventoryError::IdReused, "id_reused"),
    ];
    others.into_iter().for_each(|(error, code)| wire(&error, json!({"code": code})));
    wire(&InventoryError::from(emporium_kernel::Outage::StorageFull), json!({"code": "storage_full"}));
}

#[test]
fn findings_and_events_keep_their_form() {
    let mut audit = Audit { checked: 3, findings: Vec::new() };
    audit.find("level_is_fold_of_movements", "PEN", "3 expected, 4 found");
    let finding = json!({"invariant": "level_is_fold_of_movements", "subject": "PEN", "detail": "3 expected, 4 found"});
    wire(&audit, json!({"checked": 3, "findings": [finding]}));
    wire(&After { number: 7, limit: 100 }, json!({"number": 7, "limit": 100}));
    let at = Timestamp::from_micros(0);
    let event = Event {
        number: 8,
        topic: "stock.low".to_owned(),
        subject: "PEN".to_owned(),
        body: json!({"available": 1}),
        at,
    };
    let written = json!({
        "number": 8, "topic": "stock.low", "subject": "PEN", "body": {"available": 1},
        "at": "1970-01-01T00:00:00.000000Z",
    });
    wire(&Events { events: vec![event] }, json!({"events": [written]}));
}
