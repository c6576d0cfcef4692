//! Cursors, whatever the size of the pages and whoever writes between and beside them: every row that was there at the
//! start and stays is shown once, and none is shown twice.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::drafts::{draft, variant};
use common::{Api, Mishap, Reply, World, get, post, product, user};
use emporium_kernel::{Call, Currency, ManualClock, Money};
use emporium_shop::catalogue::{Product, ProductPatch, Slug, Status};
use emporium_shop::{Settings, Shop};
use futures_util::future::join3;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use tokio::sync::Semaphore;

const SORTS: [&str; 6] = ["created_at", "-created_at", "title", "-title", "price", "-price"];

/// What is put on sale before the walk and between its pages: a title, a price, and seconds until the next.
type Batch = Vec<(u8, u8, u8)>;

async fn sell(world: &World, app: &Api, batch: &Batch, next: &mut u32) -> Vec<String> {
    let mut ids = Vec::new();
    for (title, price, pause) in batch {
        *next += 1;
        let body = product(&format!("Thing {}", title % 4), &format!("T-{next}"), i64::from(price % 4) * 100);
        let made = post("/v1/admin/products").by("staff").json(&body).to(app).await.expect(201);
        ids.push(made.text("/id").to_owned());
        world.hand.advance(Duration::from_secs(u64::from(pause % 3)));
    }
    ids
}

async fn walk(sort: &str, limit: usize, first: &Batch, between: &[Batch]) {
    let (world, mut next) = (World::new(), 0);
    let app = world.app().await;
    let there: BTreeSet<String> = sell(&world, &app, first, &mut next).await.into_iter().collect();
    let (mut shown, mut after, mut growth) = (Vec::new(), String::new(), between.iter());
    loop {
        let page = get(&format!("/v1/products?sort={sort}&limit={limit}{after}")).to(&app).await.expect(200);
        shown.extend(page.column("id").into_iter().map(str::to_owned));
        match page.body["next_cursor"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => break,
        }
        if let Some(batch) = growth.next() {
            sell(&world, &app, batch, &mut next).await;
        }
    }
    let once: BTreeSet<String> = shown.iter().cloned().collect();
    assert_eq!(once.len(), shown.len(), "nothing is shown twice");
    assert!(there.is_subset(&once), "nothing is skipped");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_row_is_skipped_or_seen_twice_while_the_list_grows(
        sort in 0..SORTS.len(),
        limit in 1..6_usize,
        first in vec(any::<(u8, u8, u8)>(), 0..15),
        between in vec(vec(any::<(u8, u8, u8)>(), 0..3), 0..6),
    ) {
        actix_web::rt::System::new().block_on(walk(SORTS[sort], limit, &first, &between));
    }
}

/// Every order of products that there is, and orders of those that a word finds or that are in a category or two.
const PRODUCTS: [&str; 12] = [
    "sort=created_at",
    "sort=-created_at",
    "sort=title",
    "sort=-title",
    "sort=price",
    "sort=-price",
    "q=thing&sort=relevance",
    "q=thing&sort=title",
    "q=thing&sort=-price",
    "category=all&sort=-created_at",
    "category=all&sort=title",
    "category=all&sort=-price",
];

/// How a product looks: where it has the word `thing`, its price, and seconds until the next.
type Look = (u8, u8, u8);

/// What somebody does to the catalogue while another reads a list of it.
#[derive(Clone, Debug)]
enum Act {
    Sell(Look),
    Edit { nth: usize, to: u8 },
    Archive { nth: usize },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => any::<Look>().prop_map(Act::Sell),
        3 => any::<(usize, u8)>().prop_map(|(nth, to)| Act::Edit { nth, to }),
        1 => any::<usize>().prop_map(|nth| Act::Archive { nth }),
    ]
}

/// Somebody who works on the catalogue.
#[derive(Clone)]
struct Keeper {
    shop: Arc<Shop>,
    hand: ManualClock,
    call: Call,
    made: Arc<AtomicUsize>,
}

impl Keeper {
    fn of(world: &World) -> Self {
        let (shop, hand) = (world.shop.clone(), world.hand.clone());
        Self { shop, hand, call: Call::internal("keeper"), made: Arc::default() }
    }

    /// Sells one more, which the word `thing` finds by its title, a tag or its description.
    async fn sell(&self, (look, price, pause): Look) {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        let title = format!("{} {}", if look % 3 == 0 { "Thing" } else { "Mug" }, look % 4);
        let cents = i64::from(price % 4) * 100;
        let mut one = draft(&format!("t-{number}"), &title, &[(&format!("T-{number}"), cents)]);
        match look % 3 {
            1 => one.tags = vec!["thing".to_owned()],
            2 => one.description = "A thing.".to_owned(),
            _ => {}
        }
        let categories = if look % 2 == 0 { vec!["some", "others"] } else { vec!["some"] };
        one.categories = categories.into_iter().map(|slug| Slug::parse(slug).expect("a slug")).collect();
        self.shop.create_product(&self.call, None, one).await.expect("made");
        self.hand.advance(Duration::from_secs(u64::from(pause % 3)));
    }

    /// Changes what this list is not sorted by: of a row that moves while it is read, nothing is promised.
    async fn edit(&self, one: &Product, to: u8, list: &str) {
        let patch = if list.contains("price") {
            ProductPatch { title: Some(format!("Thing {to}")), ..ProductPatch::default() }
        } else {
            let skus = one.skus.iter().map(|sku| variant(&sku.sku, i64::from(to))).collect();
            ProductPatch { skus: Some(skus), ..ProductPatch::default() }
        };
        self.shop.change_product(&self.call, one.id.clone(), None, patch, None).await.expect("changed");
    }

    /// Acts as turns come; how often that was, and what is no longer sold.
    async fn work(
        self,
        acts: Vec<Act>,
        there: Vec<Product>,
        list: &'static str,
        turns: Arc<Semaphore>,
    ) -> (usize, BTreeSet<String>) {
        let (mut done, mut gone) = (0, BTreeSet::new());
        let pick = |nth: usize| there.get(nth % there.len().max(1));
        for act in acts {
            let Ok(turn) = turns.acquire().await else { break };
            turn.forget();
            match act {
                Act::Sell(look) => self.sell(look).await,
                Act::Edit { nth, to } => match pick(nth) {
                    Some(one) => self.edit(one, to, list).await,
                    None => self.sell((to, to, to)).await,
                },
                Act::Archive { nth } => {
                    let Some(one) = pick(nth) else { continue };
                    gone.insert(one.id.to_string());
                    self.shop.archive_product(&self.call, one.id.clone(), None, None).await.expect("archived");
                }
            }
            done += 1;
        }
        (done, gone)
    }
}

/// Reads a list to its end; with each page, two who wait for a turn get one.
async fn read_list(app: &Api, who: &str, list: &str, turns: &Semaphore) -> Vec<String> {
    let (mut shown, mut after) = (Vec::new(), String::new());
    loop {
        turns.add_permits(2);
        // They take them now: the list may end with this page.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let page = get(&format!("{list}{after}")).by(who).to(app).await.expect(200);
        shown.extend(page.column("id").into_iter().map(str::to_owned));
        match page.body["next_cursor"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => break,
        }
    }
    turns.close();
    shown
}

fn assert_shown_once(shown: &[String], stayed: impl IntoIterator<Item = String>, list: &str) {
    let once: BTreeSet<&String> = shown.iter().collect();
    assert_eq!(once.len(), shown.len(), "{list}: a row came twice");
    for id in stayed {
        assert!(once.contains(&id), "{list}: {id} was left out");
    }
}

async fn read_beside_keepers(limit: usize, first: Vec<Look>, acts: [Vec<Act>; 2]) {
    let world = World::new();
    let (app, keeper) = (world.app().await, Keeper::of(&world));
    for category in
        [json!({"name": "All"}), json!({"name": "Some", "parent": "all"}), json!({"name": "Others", "parent": "some"})]
    {
        post("/v1/admin/categories").by("staff").json(&category).to(&app).await.expect(201);
    }
    for look in first {
        keeper.sell(look).await;
    }
    for list in PRODUCTS {
        let mut there = world.shop.all_products(None, 1_000).await.expect("reads");
        there.retain(|one| one.status == Status::Active);
        let turns = Arc::new(Semaphore::new(0));
        let work = |acts: &Vec<Act>| {
            let work = keeper.clone().work(acts.clone(), there.clone(), list, turns.clone());
            tokio::spawn(work)
        };
        let working: Vec<_> = acts.iter().map(work).collect();
        let shown = read_list(&app, "customer-ada", &format!("/v1/products?{list}&limit={limit}"), &turns).await;
        let (mut acted, mut gone) = (0, BTreeSet::new());
        for work in working {
            let (done, archived) = work.await.expect("no panic");
            acted += done;
            gone.extend(archived);
        }
        let could_act = !there.is_empty() || acts.iter().flatten().any(|act| matches!(act, Act::Sell(_)));
        assert!(acted > 0 || !could_act, "{list}: nobody did anything meanwhile");
        assert_shown_once(&shown, there.iter().map(|one| one.id.to_string()).filter(|id| !gone.contains(id)), list);
    }
}

/// Who reads which orders.
const ORDERS: [(&str, &str); 3] =
    [("customer-ada", "/v1/orders?"), ("staff", "/v1/admin/orders?"), ("staff", "/v1/admin/orders?sku=PEN&")];

const BUYERS: [&str; 2] = ["customer-ada", "customer-bob"];

async fn buy(app: &Api, buyer: usize, key: &Cell<usize>) -> Reply {
    key.set(key.get() + 1);
    let (buyer, key) = (BUYERS[buyer], format!("order-{}", key.get()));
    let order = json!({"items": [{"sku": "PEN", "quantity": 1}], "payment": {"method": "wallet"}});
    post("/v1/orders").by(buyer).header("idempotency-key", &key).json(&order).to(app).await
}

/// Orders are placed while others are read, and some of those that are read are taken up by recovery.
async fn read_beside_buyers(limit: usize, before: &[(usize, u8)], meanwhile: &[usize]) {
    let world = World::with(Settings { order_patience_millis: 5_000, ..Settings::default() });
    world.selling(&[("PEN", 100)]).await;
    world.inventory.stock("PEN", 1_000_000);
    for buyer in BUYERS {
        world.wallet.fund(&user(buyer), Money::new(1_000_000, Currency::USD).expect("money"));
    }
    let (app, key) = (world.app().await, Cell::new(0));
    for (buyer, pause) in before {
        buy(&app, *buyer, &key).await.expect(201);
        world.hand.advance(Duration::from_secs((pause % 3).into()));
    }
    for (who, list) in ORDERS {
        for buyer in 0..BUYERS.len() {
            world.wallet.script.plan("hold", Mishap::Lost);
            buy(&app, buyer, &key).await.expect(202);
        }
        let there = get(&format!("{list}limit=100")).by(who).to(&app).await.expect(200);
        assert!(there.body["next_cursor"].is_null(), "all of them on one page");
        let turns = Semaphore::new(0);
        let buying = async {
            for buyer in meanwhile {
                let Ok(turn) = turns.acquire().await else { return };
                turn.forget();
                let bought = buy(&app, *buyer, &key).await;
                assert!([201, 202].contains(&bought.status), "{}", bought.body);
            }
        };
        let recovering = async {
            while let Ok(turn) = turns.acquire().await {
                turn.forget();
                world.hand.advance(Duration::from_secs(60));
                world.shop.recover().await.expect("recovers");
            }
        };
        let path = format!("{list}limit={limit}");
        let (shown, (), ()) = join3(read_list(&app, who, &path, &turns), buying, recovering).await;
        assert_shown_once(&shown, there.column("id").into_iter().map(str::to_owned), list);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn no_product_is_skipped_or_seen_twice_while_others_sell_edit_and_archive(
        limit in 2..7_usize,
        first in vec(any::<Look>(), 12..25),
        acts in [vec(act(), 3..7), vec(act(), 3..7)],
    ) {
        actix_web::rt::System::new().block_on(read_beside_keepers(limit, first, acts));
    }

    #[test]
    fn no_order_is_skipped_or_seen_twice_while_others_are_placed_and_recovered(
        limit in 2..5_usize,
        before in vec((0..BUYERS.len(), any::<u8>()), 4..12),
        meanwhile in vec(0..BUYERS.len(), 2..6),
    ) {
        actix_web::rt::System::new().block_on(read_beside_buyers(limit, &before, &meanwhile));
    }
}
