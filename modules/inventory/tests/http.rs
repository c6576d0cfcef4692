//! The public routes: who may, what is refused, and what suppliers see.

mod common;

use actix_web::http::Method;
use common::{House, QUARTER_HOUR, main_id};
use emporium_inventory::routes;
use emporium_inventory_api::Inventory;
use emporium_kernel::After;
use serde_json::{Value, json};

const ADJUST: &str = "/v1/admin/stock/adjustments";
const TRANSFER: &str = "/v1/admin/stock/transfers";
const LOCATIONS: &str = "/v1/admin/locations";

fn one(row: Value) -> Value {
    json!({"adjustments": [row]})
}

async fn delete(house: &House, path: &str, token: &str) -> common::Reply {
    house.send(Method::DELETE, path, token, None, Value::Null).await
}

async fn patch(house: &House, path: &str, token: &str, body: Value) -> common::Reply {
    house.send(Method::PATCH, path, token, None, body).await
}

#[actix_web::test]
async fn staff_adjust_stock_once_for_each_key() {
    let house = House::new();
    house.register(&["TEA"]).await;
    let body = one(json!({"sku": "TEA", "delta": 5, "reason": "delivery"}));
    let first = house.post(ADJUST, "staff", "k1", body.clone()).await;
    let level = json!({"sku": "TEA", "location": main_id(), "on_hand": 5, "reserved": 0, "available": 5});
    assert_eq!((first.status, first.replayed, &first.body), (200, false, &json!({"data": [level]})));
    let again = house.post(ADJUST, "staff", "k1", body.clone()).await;
    assert_eq!((again.status, again.replayed, again.body), (200, true, first.body));
    assert_eq!(house.quantities("TEA").await, (5, 0));
    let other = one(json!({"sku": "TEA", "delta": 6, "reason": "delivery"}));
    assert_eq!(house.post(ADJUST, "staff", "k1", other).await.refusal(), (422, "idempotency_key_reused"));
    assert_eq!(house.post(ADJUST, "staff", "k2", body).await.body["data"][0]["on_hand"], 10);
}

#[actix_web::test]
async fn refusals_of_adjustments_say_what_to_do() {
    let house = House::new();
    house.fill("TEA", 10).await;
    house.reserve("a", &[("TEA", 4)]).await.expect("reserves");
    let below = house.post(ADJUST, "staff", "1", one(json!({"sku": "TEA", "delta": -7, "reason": "broken"}))).await;
    assert_eq!((below.refusal(), &below.body["available"]), ((409, "below_reserved"), &json!(6)));
    let body = one(json!({"sku": "TEA", "set": 7, "reason": "count", "expected_on_hand": 9}));
    let changed = house.post(ADJUST, "staff", "2", body).await;
    assert_eq!((changed.refusal(), &changed.body["on_hand"]), ((409, "stock_changed"), &json!(10)));
    let unknown = house.post(ADJUST, "staff", "3", one(json!({"sku": "GONE", "set": 7, "reason": "count"}))).await;
    assert_eq!(unknown.refusal(), (404, "unknown_sku"));
    let much = one(json!({"sku": "TEA", "delta": 1_000_000_000, "reason": "typo"}));
    assert_eq!(house.post(ADJUST, "staff", "4", much).await.refusal(), (422, "too_much"));
    assert_eq!(house.quantities("TEA").await, (10, 4));
}

#[actix_web::test]
async fn bad_input_is_refused_with_its_field() {
    let house = House::new();
    house.fill("TEA", 10).await;
    let row = |more: Value| {
        let mut row = json!({"sku": "TEA", "reason": "r"});
        row.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        one(row)
    };
    let many = json!({"adjustments": vec![json!({"sku": "TEA", "delta": 1, "reason": "r"}); 101]});
    let place = main_id();
    let transfer =
        |from: &str, to: &str, quantity: i64| json!({"sku": "TEA", "from": from, "to": to, "quantity": quantity});
    let cases: Vec<(Method, &str, Value, u16, &str, &str)> = vec![
        (Method::POST, ADJUST, row(json!({})), 422, "adjustments[0]", "one_change"),
        (Method::POST, ADJUST, row(json!({"delta": 1, "set": 1})), 422, "adjustments[0]", "one_change"),
        (Method::POST, ADJUST, row(json!({"delta": 0})), 422, "adjustments[0].delta", "delta_out_of_range"),
        (Method::POST, ADJUST, row(json!({"delta": 1.5})), 422, "adjustments[0].delta", "invalid_value"),
        (Method::POST, ADJUST, row(json!({"delta": 1_000_000_001})), 422, "adjustments[0].delta", "delta_out_of_range"),
        (Method::POST, ADJUST, row(json!({"set": -1})), 422, "adjustments[0].set", "count_out_of_range"),
        (
            Method::POST,
            ADJUST,
            row(json!({"set": 1, "expected_on_hand": -1})),
            422,
            "adjustments[0].expected_on_hand",
            "count_out_of_range",
        ),
        (
            Method::POST,
            ADJUST,
            row(json!({"set": 1, "location": "loc_1"})),
            422,
            "adjustments[0].location",
            "invalid_id",
        ),
        (Method::POST, ADJUST, row(json!({"set": 1, "reason": " "})), 422, "adjustments[0].reason", "blank"),
        (Method::POST, ADJUST, row(json!({"set": 1, "colour": 1})), 422, "adjustments[0].colour", "unknown_field"),
        (Method::POST, ADJUST, one(json!({"sku": "TEA", "set": 1})), 422, "adjustments[0].reason", "required"),
        (Method::POST, ADJUST, json!({"adjustments": []}), 422, "adjustments", "count_out_of_range"),
        (Method::POST, ADJUST, many, 422, "adjustments", "count_out_of_range"),
        (Method::POST, TRANSFER, transfer(&place, &place, 1), 422, "to", "same_location"),
        (Method::POST, TRANSFER, transfer(&place, &place, 0), 422, "quantity", "quantity_out_of_range"),
        (Method::POST, LOCATIONS, json!({"name": ""}), 422, "name", "blank"),
        (Method::POST, "/v1/availability", json!({"skus": []}), 422, "skus", "count_out_of_range"),
        (Method::POST, "/v1/availability", json!({"skus": [""]}), 422, "skus[0]", "blank"),
        (Method::PATCH, "/v1/admin/stock/thresholds", json!({"sku": "TEA"}), 422, "low_stock_threshold", "required"),
        (
            Method::PATCH,
            "/v1/admin/stock/thresholds",
            json!({"sku": "TEA", "low_stock_threshold": -1}),
            422,
            "low_stock_threshold",
            "count_out_of_range",
        ),
        (Method::GET, "/v1/admin/stock?limit=0", Value::Null, 400, "limit", "limit_out_of_range"),
        (Method::GET, "/v1/admin/stock?colour=red", Value::Null, 400, "colour", "unknown_field"),
        (Method::GET, "/v1/admin/stock?after=x", Value::Null, 400, "after", "invalid_cursor"),
        (Method::GET, "/v1/admin/stock/movements?kind=theft", Value::Null, 400, "kind", "invalid_value"),
        (Method::GET, "/v1/admin/reservations?state=odd", Value::Null, 400, "state", "invalid_value"),
        (Method::DELETE, "/v1/admin/stock", Value::Null, 400, "sku", "required"),
    ];
    for (n, (method, path, body, status, field, code)) in cases.into_iter().enumerate() {
        let reply = house.send(method, path, "staff", Some(&format!("k{n}")), body.clone()).await;
        let error = &reply.body["errors"][0];
        assert_eq!(
            (reply.status, &error["field"], &error["code"]),
            (status, &json!(field), &json!(code)),
            "{path} {body}"
        );
    }
    let no_key = house.send(Method::POST, ADJUST, "staff", None, row(json!({"set": 1}))).await;
    assert_eq!(no_key.refusal(), (400, "idempotency_key_required"));
    assert_eq!(
        house.send(Method::POST, TRANSFER, "staff", None, json!({})).await.refusal(),
        (400, "idempotency_key_required")
    );
    assert_eq!(house.quantities("TEA").await, (10, 0));
}

#[actix_web::test]
async fn every_route_knows_who_may_use_it() {
    let house = House::new();
    for route in routes().iter() {
        let path = route.path.replace("{id}", &main_id());
        if route.path == "/v1/availability" {
            continue;
        }
        let send =
            async |token: &str| house.send(route.method.clone(), &path, token, Some("k"), Value::Null).await.status;
        assert_eq!(send("").await, 401, "{route:?}");
        assert_eq!(send("forged").await, 401, "{route:?}");
        assert_eq!(send("customer").await, 403, "{route:?}");
        let staff_only = ["/v1/admin/locations", "/v1/admin/reservations"];
        let looks_around = route.path == "/v1/admin/locations" && route.method == Method::GET;
        if staff_only.iter().any(|start| route.path.starts_with(start)) && !looks_around {
            assert_eq!(send("supplier").await, 403, "{route:?}");
        }
    }
}

#[actix_web::test]
async fn a_supplier_sees_and_changes_only_its_own() {
    let house = House::new();
    house.fill("STORE", 5).await;
    house.register_of(&["OWN"], Some("usr_supplier")).await;
    house.register_of(&["RIVAL"], Some("usr_rival")).await;
    house.receive("RIVAL", None, 7).await;
    let reply = house.post(ADJUST, "supplier", "1", one(json!({"sku": "OWN", "set": 3, "reason": "count"}))).await;
    assert_eq!(reply.status, 200);
    for foreign in ["RIVAL", "STORE", "NEVER"] {
        let body = one(json!({"sku": foreign, "set": 0, "reason": "sabotage"}));
        let reply = house.post(ADJUST, "supplier", &format!("2{foreign}"), body).await;
        assert_eq!(reply.refusal(), (404, "unknown_sku"), "{foreign}");
        let threshold = json!({"sku": foreign, "low_stock_threshold": 100});
        let reply = patch(&house, "/v1/admin/stock/thresholds", "supplier", threshold).await;
        assert_eq!(reply.refusal(), (404, "unknown_sku"), "{foreign}");
        assert_eq!(delete(&house, &format!("/v1/admin/stock?sku={foreign}"), "supplier").await.status, 404);
        let path = format!("/v1/admin/stock?sku={foreign}");
        assert_eq!(house.get(&path, "supplier").await.body, json!({"data": [], "next_cursor": null}));
        let path = format!("/v1/admin/stock/movements?sku={foreign}");
        assert_eq!(house.get(&path, "supplier").await.data().len(), 0);
    }
    assert_eq!((house.quantities("RIVAL").await, house.quantities("STORE").await), ((7, 0), (5, 0)));
    let skus = |reply: &common::Reply| reply.data().iter().map(|row| row["sku"].clone()).collect::<Vec<_>>();
    assert_eq!(skus(&house.get("/v1/admin/stock", "supplier").await), ["OWN"]);
    assert_eq!(skus(&house.get("/v1/admin/stock/movements", "supplier").await), ["OWN"]);
    assert_eq!(skus(&house.get("/v1/admin/stock", "staff").await), ["OWN", "RIVAL", "STORE"]);
    patch(&house, "/v1/admin/stock/thresholds", "staff", json!({"sku": "RIVAL", "low_stock_threshold": 100})).await;
    assert_eq!(house.get("/v1/admin/stock/low", "supplier").await.data().len(), 0);
    assert_eq!(skus(&house.get("/v1/admin/stock/low", "rival").await), ["RIVAL"]);
}

#[actix_web::test]
async fn lists_go_on_where_the_page_before_ended() {
    let house = House::new();
    let names: Vec<String> = (0..5).map(|n| format!("SKU {n}")).collect();
    for name in &names {
        house.fill(name, 1).await;
    }
    for path in ["/v1/admin/stock", "/v1/admin/stock/movements"] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        for _ in 0..3 {
            let page = house.get(&format!("{path}?limit=2{after}"), "staff").await;
            seen.extend(page.data().iter().map(|row| row["sku"].as_str().expect("text").to_owned()));
            after = page.body["next_cursor"].as_str().map(|cursor| format!("&after={cursor}")).unwrap_or_default();
        }
        if path.ends_with("movements") {
            seen.reverse();
        }
        assert_eq!((seen, after.as_str()), (names.clone(), ""), "{path}");
    }
}

#[actix_web::test]
async fn available_stock_moves_between_locations() {
    let house = House::new();
    house.fill("TEA", 10).await;
    house.reserve("a", &[("TEA", 4)]).await.expect("reserves");
    let north = house.location("North").await.to_string();
    let move_it =
        |quantity: i64| json!({"sku": "TEA", "from": main_id(), "to": north, "quantity": quantity, "reason": "fair"});
    let refused = house.post(TRANSFER, "staff", "1", move_it(7)).await;
    assert_eq!((refused.refusal(), &refused.body["available"]), ((409, "below_reserved"), &json!(6)));
    let moved = house.post(TRANSFER, "staff", "2", move_it(6)).await;
    let after = [&moved.body["from"]["on_hand"], &moved.body["to"]["on_hand"]];
    assert_eq!((moved.status, after), (201, [&json!(4), &json!(6)]));
    assert!(house.post(TRANSFER, "staff", "2", move_it(6)).await.replayed);
    let back = json!({"sku": "TEA", "from": north, "to": main_id(), "quantity": 1});
    assert_eq!(house.post(TRANSFER, "staff", "3", back).await.status, 201);
    let nowhere = json!({"sku": "TEA", "from": main_id(), "to": "loc_7zzzzzzzzzzzzzzzzzzzzzzzzz", "quantity": 1});
    assert_eq!(house.post(TRANSFER, "staff", "4", nowhere).await.refusal(), (404, "unknown_location"));
    let full = emporium_inventory_api::AdjustRow {
        location: emporium_inventory_api::LocationId::parse(&north),
        ..common::row("TEA", emporium_inventory_api::Change::Set(1_000_000_000))
    };
    house.adjust("full", vec![full.clone()]).await.expect("adjusts");
    assert_eq!(house.post(TRANSFER, "staff", "5", move_it(1)).await.refusal(), (422, "too_much"));
    let change = emporium_inventory_api::Change::Set(5);
    house.adjust("as before", vec![emporium_inventory_api::AdjustRow { change, ..full }]).await.expect("adjusts");
    let cause = moved.body["id"].as_str().expect("an id");
    let story = house.get(&format!("/v1/admin/stock/movements?cause={cause}"), "staff").await;
    let kinds: Vec<&Value> = story.data().iter().map(|movement| &movement["kind"]).collect();
    assert_eq!(kinds, ["transfer_in", "transfer_out"]);
    assert_eq!(house.quantities("TEA").await, (10, 4));
    house.assert_clean().await;
}

#[actix_web::test]
async fn a_supplier_moves_its_own_stock_and_no_other() {
    let house = House::new();
    house.register_of(&["OWN"], Some("usr_supplier")).await;
    house.post(ADJUST, "staff", "1", one(json!({"sku": "OWN", "set": 3, "reason": "count"}))).await;
    house.fill("FOREIGN", 3).await;
    let north = house.location("North").await.to_string();
    let move_it = |sku: &str| json!({"sku": sku, "from": main_id(), "to": north, "quantity": 2});
    let moved = house.post(TRANSFER, "supplier", "2", move_it("OWN")).await;
    assert_eq!((moved.status, &moved.body["to"]["on_hand"]), (201, &json!(2)), "{}", moved.body);
    let foreign = house.post(TRANSFER, "supplier", "3", move_it("FOREIGN")).await;
    let missing = house.post(TRANSFER, "supplier", "4", move_it("NOWHERE")).await;
    assert_eq!((foreign.refusal(), missing.refusal()), ((404, "unknown_sku"), (404, "unknown_sku")));
    assert_eq!(house.quantities("FOREIGN").await, (3, 0));
}

#[actix_web::test]
async fn only_an_empty_row_can_be_removed_and_its_story_goes_on() {
    let house = House::new();
    house.fill("TEA", 2).await;
    let path = "/v1/admin/stock?sku=TEA";
    assert_eq!(delete(&house, path, "staff").await.refusal(), (409, "row_in_use"));
    house.reserve("a", &[("TEA", 2)]).await.expect("reserves");
    house.commit("a").await.expect("commits");
    assert_eq!(delete(&house, path, "staff").await.status, 204);
    assert_eq!(delete(&house, path, "staff").await.refusal(), (404, "not_found"));
    assert_eq!(house.get(path, "staff").await.data().len(), 0);
    house.assert_clean().await;
    let body = one(json!({"sku": "TEA", "delta": 3, "reason": "delivery"}));
    assert_eq!(house.post(ADJUST, "staff", "1", body).await.status, 200);
    assert_eq!(house.quantities("TEA").await, (3, 0));
    house.assert_clean().await;
}

#[actix_web::test]
async fn movements_tell_the_story_and_sum_to_the_level() {
    let house = House::new();
    house.fill("TEA", 10).await;
    house.reserve("sold", &[("TEA", 2)]).await.expect("reserves");
    house.commit("sold").await.expect("commits");
    house.release("sold").await;
    house.reserve("given up", &[("TEA", 3)]).await.expect("reserves");
    house.release("given up").await;
    house.reserve("forgotten", &[("TEA", 4)]).await.expect("reserves");
    house.hand.advance(QUARTER_HOUR);
    house.stock.sweep().await.expect("sweeps");
    house.post(ADJUST, "staff", "1", one(json!({"sku": "TEA", "delta": -1, "reason": "broken"}))).await;
    let story = house.get("/v1/admin/stock/movements?sku=TEA", "staff").await;
    let kinds: Vec<&str> = story.data().iter().rev().map(|m| m["kind"].as_str().expect("text")).collect();
    let told = ["receive", "reserve", "commit", "return", "reserve", "release", "reserve", "expire", "adjust"];
    assert_eq!(kinds, told);
    let sum = |field: &str| story.data().iter().map(|m| m[field].as_i64().expect("a number")).sum::<i64>();
    assert_eq!((sum("delta_on_hand"), sum("delta_reserved")), house.quantities("TEA").await);
    let last = &story.data()[0];
    assert_eq!((&last["on_hand"], &last["actor"], &last["reason"]), (&json!(9), &json!("usr_staff"), &json!("broken")));
    let of_order = house.get("/v1/admin/stock/movements?cause=sold&kind=commit", "staff").await;
    assert_eq!(of_order.data().len(), 1);
    assert_eq!(of_order.body["data"][0]["cause"], json!({"kind": "order", "id": "sold"}));
}

#[actix_web::test]
async fn low_stock_is_told_once_until_it_rises_again() {
    let house = House::new();
    house.fill("TEA", 10).await;
    house.fill("CUP", 1).await;
    let threshold = |n: Value| json!({"sku": "TEA", "low_stock_threshold": n});
    let path = "/v1/admin/stock/thresholds";
    let set = patch(&house, path, "staff", threshold(json!(5))).await;
    assert_eq!((set.status, &set.body["low_since"]), (200, &Value::Null));
    let lows = async || {
        let after = After { number: 0, limit: 500 };
        let events = house.stock.events(&common::call(), after).await.expect("reads").events;
        events.iter().filter(|event| event.topic == "stock.low").count()
    };
    house.reserve("a", &[("TEA", 4)]).await.expect("reserves");
    assert_eq!(lows().await, 0);
    house.reserve("b", &[("TEA", 1)]).await.expect("reserves");
    house.reserve("c", &[("TEA", 1)]).await.expect("reserves");
    house.commit("c").await.expect("commits");
    assert_eq!(lows().await, 1, "once");
    let low = house.get("/v1/admin/stock/low", "staff").await;
    assert_eq!((low.data().len(), &low.body["data"][0]["available"]), (1, &json!(4)));
    assert_eq!(house.get("/v1/admin/stock?below_threshold=true", "staff").await.data().len(), 1);
    assert_eq!(house.get("/v1/admin/stock?below_threshold=false", "staff").await.data().len(), 1);
    house.release("a").await;
    assert_eq!(house.get("/v1/admin/stock/low", "staff").await.data().len(), 0);
    house.reserve("d", &[("TEA", 5)]).await.expect("reserves");
    assert_eq!(lows().await, 2, "again after it rose");
    patch(&house, path, "staff", threshold(Value::Null)).await;
    assert_eq!(house.get("/v1/admin/stock/low", "staff").await.data().len(), 0);
    patch(&house, path, "staff", threshold(json!(100))).await;
    assert_eq!(lows().await, 3, "a threshold set above what there is counts as crossing it");
}

#[actix_web::test]
async fn a_refused_reservation_tells_nobody_anything() {
    let house = House::new();
    house.fill("CUP", 10).await;
    house.fill("TEA", 1).await;
    house.reserve("a", &[("CUP", 1), ("TEA", 2)]).await.expect_err("is refused");
    let story = house.get("/v1/admin/stock/movements?kind=reserve", "staff").await;
    assert_eq!(story.data().len(), 0);
}

#[actix_web::test]
async fn locations_have_distinct_names_and_the_default_stays() {
    let house = House::new();
    let first = house.get(LOCATIONS, "staff").await;
    assert_eq!(first.body["data"], json!([{"id": main_id(), "name": "Main", "is_default": true}]));
    house.hand.advance(std::time::Duration::from_secs(1));
    let north = house.location("North").await;
    let path = format!("{LOCATIONS}/{north}");
    let taken = house.send(Method::POST, LOCATIONS, "staff", None, json!({"name": " North "})).await;
    assert_eq!(taken.refusal(), (409, "location_exists"));
    assert_eq!(patch(&house, &path, "staff", json!({"name": "Main"})).await.refusal(), (409, "location_exists"));
    assert_eq!(patch(&house, &path, "staff", json!({"name": "Pole"})).await.body["name"], "Pole");
    let page = house.get(&format!("{LOCATIONS}?limit=1"), "staff").await;
    let cursor = page.body["next_cursor"].as_str().expect("a cursor");
    let rest = house.get(&format!("{LOCATIONS}?limit=1&after={cursor}"), "staff").await;
    assert_eq!((&rest.body["data"][0]["name"], &rest.body["next_cursor"]), (&json!("Pole"), &Value::Null));
    house.fill("TEA", 1).await;
    house.receive("TEA", Some(&north), 1).await;
    assert_eq!(delete(&house, &path, "staff").await.refusal(), (409, "location_in_use"));
    house
        .adjust(
            "away",
            vec![emporium_inventory_api::AdjustRow {
                location: Some(north.clone()),
                ..common::row("TEA", emporium_inventory_api::Change::Set(0))
            }],
        )
        .await
        .expect("adjusts");
    assert_eq!(delete(&house, &path, "staff").await.status, 204);
    assert_eq!(delete(&house, &path, "staff").await.refusal(), (404, "unknown_location"));
    let main = format!("{LOCATIONS}/{}", main_id());
    assert_eq!(delete(&house, &main, "staff").await.refusal(), (409, "location_in_use"));
    house.adjust("empty", vec![common::row("TEA", emporium_inventory_api::Change::Set(0))]).await.expect("adjusts");
    assert_eq!(delete(&house, &main, "staff").await.refusal(), (409, "location_in_use"), "though it is empty");
    assert_eq!(delete(&house, &format!("{LOCATIONS}/nonsense"), "staff").await.status, 404);
    house.assert_clean().await;
}

#[actix_web::test]
async fn everybody_may_ask_what_is_available() {
    let house = House::new();
    house.fill("TEA", 3).await;
    let reply = house.send(Method::POST, "/v1/availability", "", None, json!({"skus": ["TEA", "GONE"]})).await;
    let expected = json!({"data": [{"sku": "TEA", "available": 3}, {"sku": "GONE", "available": 0}]});
    assert_eq!((reply.status, reply.body), (200, expected));
}

#[actix_web::test]
async fn reservations_are_listed_by_state_and_order() {
    let house = House::new();
    house.fill("TEA", 3).await;
    house.reserve("a", &[("TEA", 1)]).await.expect("reserves");
    house.hand.advance(std::time::Duration::from_secs(1));
    house.reserve("b", &[("TEA", 2)]).await.expect("reserves");
    house.commit("b").await.expect("commits");
    house.release("c").await;
    let orders = |reply: common::Reply| reply.data().iter().map(|row| row["order"].clone()).collect::<Vec<_>>();
    assert_eq!(orders(house.get("/v1/admin/reservations?state=reserved", "staff").await), ["a"]);
    assert_eq!(orders(house.get("/v1/admin/reservations?state=tombstone", "staff").await), [Value::Null]);
    assert_eq!(orders(house.get("/v1/admin/reservations?order=b", "staff").await), ["b"]);
    let page = house.get("/v1/admin/reservations?limit=2", "staff").await;
    let cursor = page.body["next_cursor"].as_str().expect("a cursor").to_owned();
    let rest = house.get(&format!("/v1/admin/reservations?limit=2&after={cursor}"), "staff").await;
    assert_eq!(orders(rest), ["a"]);
}
