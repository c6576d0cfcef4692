//! The order saga against neighbours that fail, lose answers and change their minds.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use std::time::Duration;

use common::{Api, FakeInventory, Mishap, Reply, World, get, post, user};
use diesel::connection::SimpleConnection;
use emporium_inventory_api::{InventoryError, ReservationState};
use emporium_kernel::{Call, Currency, Money, Outage};
use emporium_shop::Settings;
use emporium_shop::orders::TaxRate;
use emporium_wallet_api::{HoldState, Payee, WalletError};
use serde_json::json;

const BUYER: &str = "customer-ada";

/// A shop that sells a pen for 100 cents, ten of them on the shelf, to a buyer who has 1,000 cents.
async fn world() -> (World, Api) {
    let world = World::with(Settings { order_patience_millis: 5_000, ..Settings::default() });
    world.selling(&[("PEN", 100)]).await;
    world.wallet.fund(&user(BUYER), Money::new(1_000, Currency::USD).expect("money"));
    let app = world.app().await;
    (world, app)
}

async fn buy(app: &Api, key: &str) -> Reply {
    let order = json!({"items": [{"sku": "PEN", "quantity": 2}], "payment": {"method": "wallet"}});
    post("/v1/orders").by(BUYER).header("idempotency-key", key).json(&order).to(app).await
}

#[actix_web::test]
async fn the_same_key_while_its_first_request_runs_is_told_to_come_back() {
    let (world, app) = world().await;
    let gate = world.wallet.script.gate("hold");
    let first = buy(&app, "k");
    let second = async {
        while world.wallet.script.count("hold") == 0 {
            tokio::task::yield_now().await;
        }
        let refused = buy(&app, "k").await.expect(409);
        assert_eq!((&refused.body["code"], refused.header("retry-after")), (&json!("idempotency_in_progress"), "1"));
        gate.add_permits(10);
    };
    let (first, ()) = futures_util::future::join(first, second).await;
    let first = first.expect(201);
    let again = buy(&app, "k").await.expect(201);
    assert_eq!((again.header("idempotent-replayed"), &again.body["id"]), ("true", &first.body["id"]));
    assert_bought_once(&world);
}

#[actix_web::test]
async fn an_order_keeps_the_tax_of_its_day() {
    let taxed = |hundredths: i64| {
        let tax_rate = TaxRate::try_from(hundredths).expect("a rate");
        Settings { tax_rate, order_patience_millis: 5_000, ..Settings::default() }
    };
    let world = World::with(taxed(1_900));
    world.selling(&[("PEN", 119), ("CAP", 1_001)]).await;
    world.wallet.fund(&user(BUYER), Money::new(10_000, Currency::USD).expect("money"));
    let items = json!([{"sku": "PEN", "quantity": 2}, {"sku": "CAP", "quantity": 1}]);
    let order = json!({"items": items, "payment": {"method": "wallet"}});
    let request = post("/v1/orders").by(BUYER).header("idempotency-key", "k").json(&order);
    let placed = request.to(&world.app().await).await.expect(201).body;
    let usd = |amount: i64| json!({"amount": amount, "currency": "USD"});
    assert_eq!((&placed["total"], &placed["tax"]), (&usd(1_239), &usd(198)));
    let lines = placed["items"].as_array().expect("lines");
    assert!(lines.iter().all(|line| line["tax_rate"] == 1_900));
    assert_eq!((&lines[0]["tax"], &lines[1]["tax"]), (&usd(38), &usd(160)));

    let world = world.restarted_with(taxed(700));
    let path = format!("/v1/orders/{}", placed["id"].as_str().expect("an id"));
    let later = get(&path).by(BUYER).to(&world.app().await).await.expect(200).body;
    assert_eq!((&later["tax"], &later["items"]), (&placed["tax"], &placed["items"]));
}

/// Recovery goes on until nothing is left, as its worker does.
async fn recover(world: &World) {
    for _ in 0..20 {
        world.hand.advance(Duration::from_secs(120));
        world.shop.recover().await.expect("recovers");
        if world.shop.unfinished().await.expect("lists").is_empty() {
            return;
        }
    }
    panic!("still unfinished: {:?}", world.shop.unfinished().await);
}

async fn assert_clean(world: &World) {
    let audit = world.shop.verify(&Call::internal("test")).await.expect("verifies");
    assert!(audit.is_clean(), "{audit:?}");
}

/// Nothing was taken, nothing is promised, nothing is held.
fn assert_untouched(world: &World) {
    assert_eq!(world.inventory.level("PEN"), (10, 0));
    assert_eq!(world.wallet.balance(&user(BUYER), "USD"), (1_000, 0));
}

/// Two pens are gone and paid, once.
fn assert_bought_once(world: &World) {
    assert_eq!(world.inventory.level("PEN"), (8, 0));
    assert_eq!(world.wallet.balance(&user(BUYER), "USD"), (800, 0));
    assert_eq!(world.wallet.paid_to(&Payee::Store), 200);
}

#[actix_web::test]
async fn a_neighbour_that_does_not_answer_is_asked_again_until_it_does() {
    for method in ["reserve", "hold", "commit", "capture"] {
        for lost_on_the_way_back in [false, true] {
            let (world, app) = world().await;
            let plan = |world: &World| match (method, lost_on_the_way_back) {
                ("reserve" | "commit", false) => world.inventory.script.plan(method, Mishap::Lost),
                ("reserve" | "commit", true) => world.inventory.script.plan(method, Mishap::Unanswered),
                (_, false) => world.wallet.script.plan(method, Mishap::Lost),
                (_, true) => world.wallet.script.plan(method, Mishap::Unanswered),
            };
            plan(&world);
            plan(&world);
            let accepted = buy(&app, "k").await.expect(202);
            let path = accepted.header("location").to_owned();
            assert_eq!(buy(&app, "k").await.expect(202).body["id"], accepted.body["id"], "{method}");
            recover(&world).await;
            let order = get(&path).by(BUYER).to(&app).await.expect(200);
            assert_eq!(order.body["status"], "placed", "{method} {lost_on_the_way_back}");
            let replayed = buy(&app, "k").await.expect(201);
            assert_eq!((replayed.header("idempotent-replayed"), &replayed.body["id"]), ("true", &accepted.body["id"]));
            assert_bought_once(&world);
            assert_clean(&world).await;
        }
    }
}

#[actix_web::test]
async fn a_cancel_that_no_neighbour_hears_is_repeated_until_they_do() {
    for (inventory, method) in [(true, "release"), (false, "void")] {
        let (world, app) = world().await;
        world.wallet.script.plan("hold", Mishap::Unanswered);
        let order = buy(&app, "k").await.expect(202);
        for _ in 0..2 {
            if inventory {
                world.inventory.script.plan(method, Mishap::Unanswered);
            } else {
                world.wallet.script.plan(method, Mishap::Lost);
            }
        }
        let path = format!("/v1/orders/{}/cancel", order.text("/id"));
        let cancel = |key: &'static str| post(&path).by(BUYER).header("idempotency-key", key).json(&json!({}));
        cancel("c").to(&app).await.expect(202);
        recover(&world).await;
        let cancelled = cancel("c").to(&app).await.expect(200);
        assert_eq!(cancelled.body["cancel_reason"], "cancelled_by_customer");
        assert_eq!(buy(&app, "k").await.code(), "order_cancelled");
        assert_untouched(&world);
        assert_clean(&world).await;
    }
}

#[actix_web::test]
async fn a_cancel_overtakes_an_order_that_is_being_placed() {
    let (world, app) = world().await;
    let gate = world.wallet.script.gate("hold");
    let (buying, by_hand) = (app.clone(), app.clone());
    let placed = actix_web::rt::spawn(async move { buy(&buying, "k").await });
    let id = loop {
        tokio::task::yield_now().await;
        if let Some(order) = world.shop.unfinished().await.expect("lists").into_iter().next()
            && world.wallet.script.count("hold") == 1
        {
            break order.id;
        }
    };
    let path = format!("/v1/orders/{id}/cancel");
    let cancelled =
        post(&path).by(BUYER).header("idempotency-key", "c").json(&json!({})).to(&by_hand).await.expect(200);
    assert_eq!(cancelled.body["status"], "cancelled");
    gate.add_permits(10);
    let refused = placed.await.expect("no panic");
    assert_eq!((refused.status, refused.code()), (409, "order_cancelled"));
    assert_eq!(
        world.wallet.states(),
        [HoldState::Tombstone],
        "the late hold is refused by what the cancel left behind"
    );
    assert_untouched(&world);
    assert_clean(&world).await;
}

#[actix_web::test]
async fn a_reservation_that_ran_out_cancels_and_gives_the_money_free() {
    let (world, app) = world().await;
    world.wallet.script.plan("hold", Mishap::Unanswered);
    buy(&app, "k").await.expect(202);
    assert_eq!(world.wallet.states(), [HoldState::Held]);
    world.inventory.expire_all();
    recover(&world).await;
    assert_eq!(world.inventory.states(), [ReservationState::Expired]);
    assert_eq!(world.wallet.states(), [HoldState::Voided]);
    assert_eq!(buy(&app, "k").await.code(), "order_cancelled");
    assert_untouched(&world);
    assert_clean(&world).await;
}

#[actix_web::test]
async fn a_lost_hold_is_repeated_once() {
    let (world, app) = world().await;
    world.wallet.script.plan("capture", Mishap::Lost);
    buy(&app, "k").await.expect(202);
    world.wallet.expire_all();
    recover(&world).await;
    buy(&app, "k").await.expect(201);
    assert_bought_once(&world);
    assert_clean(&world).await;
}

#[actix_web::test]
async fn goods_go_back_when_the_money_is_gone_for_good() {
    let (world, app) = world().await;
    world.wallet.script.plan("capture", Mishap::Lost);
    buy(&app, "k").await.expect(202);
    world.wallet.expire_all();
    let gone = WalletError::InsufficientFunds { available: 0, currency: "USD".to_owned() };
    world.wallet.script.plan("hold", Mishap::Refused(gone));
    recover(&world).await;
    let refused = buy(&app, "k").await;
    assert_eq!((refused.status, refused.code()), (402, "insufficient_funds"));
    assert_eq!(world.inventory.states(), [ReservationState::Returned]);
    assert_untouched(&world);
    assert_clean(&world).await;
}

#[actix_web::test]
async fn what_a_killed_process_began_the_next_one_finishes() {
    let (world, app) = world().await;
    world.inventory.script.plan("commit", Mishap::Unanswered);
    let path = buy(&app, "k").await.expect(202).header("location").to_owned();
    drop(app);
    let world = world.restarted();
    world.shop.take_over().await.expect("takes over");
    assert_eq!(world.shop.recover().await.expect("recovers"), 1);
    let app = world.app().await;
    assert_eq!(get(&path).by(BUYER).to(&app).await.expect(200).body["status"], "placed");
    assert_bought_once(&world);
    assert_clean(&world).await;
}

#[actix_web::test]
async fn an_order_under_a_lease_is_left_to_its_owner() {
    let (world, app) = world().await;
    let gate = world.wallet.script.gate("hold");
    let placing = actix_web::rt::spawn(async move { buy(&app, "k").await });
    while world.wallet.script.count("hold") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.shop.recover().await.expect("recovers"), 0);
    gate.add_permits(1);
    placing.await.expect("no panic").expect(201);
}

#[actix_web::test]
async fn refused_stock_is_never_followed_by_a_hold() {
    let (world, app) = world().await;
    let shortage = InventoryError::UnknownSku { sku: "PEN".to_owned() };
    world.inventory.script.plan("reserve", Mishap::Refused(shortage));
    assert_eq!(buy(&app, "k").await.code(), "unknown_sku");
    assert_eq!(world.wallet.script.count("hold"), 0);
    assert_untouched(&world);
}

#[actix_web::test]
async fn the_proof_finds_what_is_wrong() {
    let (world, app) = world().await;
    buy(&app, "k").await.expect(201);
    assert_clean(&world).await;
    let other = std::sync::Arc::new(FakeInventory::default());
    let forgetful = emporium_shop::Shop::of(
        world.shop.database().clone(),
        Settings::default(),
        world.users.clone(),
        other,
        world.wallet.clone(),
        world.clock.clone(),
        world.random.clone(),
    );
    let audit = forgetful.verify(&Call::internal("test")).await.expect("verifies");
    let found: Vec<&str> = audit.findings.iter().map(|finding| finding.invariant.as_str()).collect();
    assert_eq!(found, ["placed_order_has_committed_stock"]);
}

/// Two full pages of orders of a proof, behind all others.
const TWO_PAGES: &str = "
    insert into orders (id, number, buyer, status, payment_status, fulfilment_status, currency, total, step, hold_attempt,
                        accepted, version, lease_until, attempts, created_at, updated_at)
    with recursive counted(k) as (select 1 union all select k + 1 from counted where k < 200),
         numbers(n) as (select k + (select count(*) from orders) from counted)
    select printf('ord_0%025d', n), '' || (1000000000 + n), 'usr_' || n, 'cancelled', 'none', 'unfulfilled', 'USD', 0, 'done', 0,
           0, 0, 0, 0, 0, 0
    from numbers";

#[actix_web::test]
async fn a_proof_does_not_follow_the_orders_that_are_placed_meanwhile() {
    let (world, _) = world().await;
    let place = async || {
        let written = world.shop.database().write::<_, Outage, _>(|db| Ok(db.batch_execute(TWO_PAGES)?));
        written.await.expect("is written");
    };
    place().await;
    let gate = world.inventory.script.gate("reservations");
    let shop = world.shop.clone();
    let proof = actix_web::rt::spawn(async move { shop.verify(&Call::internal("test")).await });
    for page in 1..=2 {
        while world.inventory.script.count("reservations") < page && !proof.is_finished() {
            tokio::task::yield_now().await;
        }
        place().await;
        gate.add_permits(1);
    }
    gate.add_permits(10);
    let audit = proof.await.expect("no panic").expect("verifies");
    assert!(audit.is_clean() && audit.checked == 200, "{audit:?}");
}

#[actix_web::test]
async fn when_as_many_orders_are_placed_as_may_be_the_next_is_told_to_come_back() {
    let world = World::with(Settings { orders_at_once: 1, order_patience_millis: 5_000, ..Settings::default() });
    world.selling(&[("PEN", 100)]).await;
    world.wallet.fund(&user(BUYER), Money::new(1_000, Currency::USD).expect("money"));
    let app = world.app().await;
    let gate = world.wallet.script.gate("hold");
    let buying = app.clone();
    let first = actix_web::rt::spawn(async move { buy(&buying, "first").await });
    while world.wallet.script.count("hold") == 0 {
        tokio::task::yield_now().await;
    }
    let refused = buy(&app, "second").await;
    assert_eq!((refused.status, refused.code(), refused.header("retry-after")), (503, "busy", "1"));
    assert_eq!(get("/v1/products").to(&app).await.status, 200, "everything else goes on");
    gate.add_permits(10);
    first.await.expect("no panic").expect(201);
    buy(&app, "second").await.expect(201);
}
