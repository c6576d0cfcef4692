//! Search: by the beginning of words, whatever their accents and capitals, in title, SKU and the rest.

mod common;

use common::{Api, World, get, post, product};
use diesel::connection::SimpleConnection;
use emporium_kernel::Outage;
use serde_json::{Value, json};

async fn add(app: &Api, title: &str, sku: &str, more: Value) {
    let mut body = product(title, sku, 100);
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    post("/v1/admin/products").by("staff").json(&body).to(app).await.expect(201);
}

async fn found(app: &Api, query: &str) -> Vec<String> {
    let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let page = get(&format!("/v1/products?q={query}")).to(app).await.expect(200);
    page.column("title").into_iter().map(ToOwned::to_owned).collect()
}

async fn tea_shop(app: &Api) {
    post("/v1/admin/categories").by("staff").json(&json!({"name": "Hot drinks"})).to(app).await.expect(201);
    add(app, "Café Crème Mug", "MUG-350", json!({"vendor": "Acme", "tags": ["ceramic"]})).await;
    add(app, "Green Tea", "TEA-01", json!({"description": "<p class='bold'>Best from a ceramic&nbsp;mug</p>"})).await;
    add(app, "Teapot", "POT 7/b", json!({"kind": "Crockery", "category": "hot-drinks"})).await;
    add(
        app,
        "100% Wool_Sock",
        "SOCK",
        json!({"skus": [
            {"sku": "SOCK", "price": {"amount": 1, "currency": "USD"}, "barcode": "4006381333931"},
        ]}),
    )
    .await;
}

#[actix_web::test]
async fn a_word_is_found_by_its_beginning() {
    let world = World::new();
    let app = world.app().await;
    tea_shop(&app).await;
    assert_eq!(found(&app, "tea").await, ["Green Tea", "Teapot"], "the whole word first");
    assert_eq!(found(&app, "TEAP").await, ["Teapot"]);
    assert!(found(&app, "eapot").await.is_empty());
    assert_eq!(found(&app, "cafe creme").await, ["Café Crème Mug"]);
    assert_eq!(found(&app, "CAFÉ CRÈME").await, ["Café Crème Mug"]);
    assert_eq!(found(&app, "ｍｕｇ").await.len(), 2, "other forms of the same letters");
}

#[actix_web::test]
async fn a_product_is_found_by_everything_that_is_said_of_it() {
    let world = World::new();
    let app = world.app().await;
    tea_shop(&app).await;
    for (query, title) in [
        ("tea-01", "Green Tea"),
        ("TEA-0", "Green Tea"),
        ("pot 7/b", "Teapot"),
        ("acme", "Café Crème Mug"),
        ("crockery", "Teapot"),
        ("hot drink", "Teapot"),
        ("4006381", "100% Wool_Sock"),
    ] {
        assert_eq!(found(&app, query).await, [title], "{query}");
    }
    assert_eq!(found(&app, "mug").await, ["Café Crème Mug", "Green Tea"], "title before description");
    assert!(found(&app, "bold").await.is_empty(), "tags of HTML are not words");
    assert!(found(&app, "nbsp").await.is_empty());
}

#[actix_web::test]
async fn every_word_has_to_match() {
    let world = World::new();
    let app = world.app().await;
    tea_shop(&app).await;
    assert_eq!(found(&app, "ceramic mug").await, ["Café Crème Mug", "Green Tea"]);
    assert_eq!(found(&app, "ceramic tea").await, ["Green Tea"]);
    assert!(found(&app, "ceramic sock").await.is_empty());
    assert!(found(&app, "mug unheardof").await.is_empty());
}

#[actix_web::test]
async fn percent_underscore_and_quotes_mean_nothing() {
    let world = World::new();
    let app = world.app().await;
    tea_shop(&app).await;
    assert_eq!(found(&app, "100%").await, ["100% Wool_Sock"]);
    assert_eq!(found(&app, "wool_sock").await, ["100% Wool_Sock"]);
    for nothing in ["%", "_", "!!!", "'", "' or 1=1 --", "te_", "*"] {
        let all = found(&app, nothing).await;
        assert!(all.is_empty() || nothing == "te_", "{nothing}: {all:?}");
    }
    assert_eq!(found(&app, "  ").await.len(), 4, "a blank query asks for nothing");
    assert!(get("/v1/products?q=%00").to(&app).await.status == 400);
}

#[actix_web::test]
async fn what_is_not_sold_is_found_by_staff_alone() {
    let world = World::new();
    let app = world.app().await;
    add(&app, "Secret Tea", "S1", json!({"status": "draft"})).await;
    assert!(found(&app, "tea").await.is_empty());
    assert_eq!(get("/v1/admin/products?q=tea").by("staff").to(&app).await.expect(200).column("title"), ["Secret Tea"]);
    let foreign = get("/v1/admin/products?q=tea").by("supplier-sue").to(&app).await.expect(200);
    assert!(foreign.column("title").is_empty());
}

#[actix_web::test]
async fn a_changed_text_is_found_by_its_new_words_alone() {
    let world = World::new();
    let app = world.app().await;
    let made = post("/v1/admin/products").by("staff").json(&product("Green Tea", "T", 1)).to(&app).await.expect(201);
    let path = format!("/v1/admin/products/{}", made.text("/id"));
    let ask = common::patch(&path).by("staff").header("if-match", "*");
    ask.json(&json!({"title": "Black Tea"})).to(&app).await.expect(200);
    assert_eq!(found(&app, "black").await, ["Black Tea"]);
    assert_eq!(found(&app, "tea").await, ["Black Tea"]);
    assert!(found(&app, "green").await.is_empty());
}

#[actix_web::test]
async fn results_come_in_pages_and_can_be_sorted_and_counted() {
    let world = World::new();
    let app = world.app().await;
    for n in 0..7 {
        let more = if n % 2 == 0 { json!({}) } else { json!({"title": format!("Other {n}"), "tags": ["tea"]}) };
        add(&app, &format!("Tea {n}"), &format!("T{n}"), more).await;
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(&format!("/v1/products?q=tea&limit=2&include=total{after}")).to(&app).await.expect(200);
        assert_eq!(page.body["total"], 7);
        seen.extend(page.column("title").into_iter().map(ToOwned::to_owned));
        match page.body["next_cursor"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => break,
        }
    }
    let mut titles = seen.clone();
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), 7);
    assert!(seen[..4].iter().all(|title| title.starts_with("Tea")), "titles before tags: {seen:?}");
    let sorted = get("/v1/products?q=tea&sort=-title&limit=3").to(&app).await.expect(200);
    assert_eq!(sorted.column("title"), ["Tea 6", "Tea 4", "Tea 2"]);
    let cursor = sorted.text("/next_cursor");
    let foreign = get(&format!("/v1/products?q=tea&after={cursor}")).to(&app).await.expect(400);
    assert_eq!(foreign.code(), "invalid_query");
}

/// Mugs with the ids and prices of their numbers: 5,500 that are no longer sold, then 6,000 that are. Every thousandth is
/// of one supplier, every fourth is blue, and of these every other one is of the blue of the sea as well; none is green.
const MUGS: &str = "
    insert into category (id, slug, name, parent, position, version, created_at)
    values ('cat_blue', 'blue', 'Blue', null, 9, 1, 0), ('cat_sea', 'sea', 'Sea', 'cat_blue', 0, 1, 0),
           ('cat_green', 'green', 'Green', null, 8, 1, 0);
    create table number as
        with recursive counted(n) as (select 1 union all select n + 1 from counted where n < 11500) select n from counted;
    insert into product (id, slug, title, description, vendor, kind, tags, options, images, extra, status, supplier, price_from,
                         registered, version, created_at, updated_at)
    select printf('prd_0%025d', n), 'mug-' || n, 'Mug ' || n, '', '', '', '[]', '[]', '[]', '{}',
           case when n <= 5500 then 'archived' else 'active' end, case n % 1000 when 0 then 'sue' end, 20000 - n, 1, 1, n, n
    from number;
    insert into search_term (term, product, weight) select 'mug', printf('prd_0%025d', n), 8 from number;
    insert into product_category (product, category, status, title, price_from, created_at)
    select id, 'cat_blue', status, title, price_from, created_at from product where created_at % 4 = 0;
    insert into product_category (product, category, status, title, price_from, created_at)
    select id, 'cat_sea', status, title, price_from, created_at from product where created_at % 8 = 0;
    drop table number;";

#[actix_web::test]
async fn a_word_of_very_many_products_still_finds_the_ones_that_a_filter_leaves() {
    let world = World::new();
    let app = world.app().await;
    world.shop.database().write::<_, Outage, _>(|db| Ok(db.batch_execute(MUGS)?)).await.expect("is written");
    let list = async |query: &str| get(&format!("/v1/products?q=mug&include=total&limit=3{query}")).to(&app).await;
    let page = list("&max_price=8510").await.expect(200);
    assert_eq!((page.column("title").len(), &page.body["total"]), (3, &json!(11)), "the last ones there are");
    assert_eq!(list("&category=blue").await.expect(200).body["total"], Value::Null, "too many to be asked");
    let supplied = get("/v1/admin/products?q=mug&supplier=sue&include=total").by("staff").to(&app).await.expect(200);
    assert_eq!(supplied.body["total"], 11);
    let cheapest = list("&sort=price").await.expect(200);
    let titles = vec!["Mug 11500", "Mug 11499", "Mug 11498"];
    assert_eq!((cheapest.column("title"), &cheapest.body["total"]), (titles, &Value::Null));
    let next = cheapest.text("/next_cursor");
    assert_eq!(list(&format!("&sort=price&after={next}")).await.expect(200).column("title")[0], "Mug 11497");
    let none = get("/v1/products?q=mug%20cup&sort=price").to(&app).await.expect(200);
    assert!(none.column("title").is_empty());
}

/// Words of more than half of all mugs: every second is tall, the others are wide, and of the oldest forty all are.
const TALL_AND_WIDE: &str = "
    insert into search_term (term, product, weight) select 'tall', id, 8 from product where rowid % 2 = 0;
    insert into search_term (term, product, weight) select 'wide', id, 8 from product where rowid % 2 = 1 or rowid <= 40;
    insert into search_term (term, product, weight) select 'wider', id, 20 from product where rowid % 10 = 0 and rowid <= 40;";

/// The same where neither the mugs stand in the order in which they were made, nor are there few terms for a word.
fn scattered(sql: &str) -> String {
    let sql = sql.replace("printf('prd_0%025d', n)", "printf('prd_0%025d', n * 7919 % 11503)");
    sql.replace("'tall'", "'tall' || (rowid % 30)").replace("'wide'", "'wide' || (rowid % 30)")
}

#[actix_web::test]
async fn two_words_of_very_many_products_find_all_that_have_both() {
    let side_by_side = format!("{MUGS}{TALL_AND_WIDE}");
    let titles = |numbers: &[i64]| numbers.iter().map(|n| format!("Mug {n}")).collect::<Vec<_>>();
    for (sql, is_scattered) in [(scattered(&side_by_side), true), (side_by_side, false)] {
        let world = World::new();
        let app = world.app().await;
        world.shop.database().write::<_, Outage, _>(move |db| Ok(db.batch_execute(&sql)?)).await.expect("is written");
        let up: Vec<i64> = (1..=20).map(|n| 2 * n).collect();
        let down: Vec<i64> = up.iter().rev().copied().collect();
        let mut by_relevance = up.clone();
        by_relevance.sort_by_key(|n| n % 10 != 0);
        let orders = [("-created_at", &down), ("price", &down), ("created_at", &up), ("relevance", &by_relevance)];
        for (sort, expected) in orders {
            let pages = app.pages(&format!("/v1/admin/products?q=tall+wide&sort={sort}")).await;
            let (mut shown, mut expected): (Vec<&str>, _) =
                (pages.iter().flat_map(|page| page.column("title")).collect(), titles(expected));
            // What does not stand together is not ranked together.
            if is_scattered && sort == "relevance" {
                shown.sort_unstable();
                expected.sort_unstable();
            }
            assert_eq!(shown, expected, "{sort}");
            // Of 11,500, 300 are looked at for a page; to be ranked 500, of those that have a word where its terms are few.
            let most = match (sort, is_scattered) {
                ("relevance", true) => 24,
                ("relevance", false) => 12,
                _ => 39,
            };
            assert!(pages.len() <= most, "{sort}: {}", pages.len());
        }
    }
}

/// The titles on all pages of a search; `meanwhile` happens after each with the number of titles seen so far.
async fn all_found(app: &Api, list: &str, token: &str, meanwhile: impl AsyncFn(usize)) -> Vec<String> {
    let (mut shown, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(&format!("{list}{after}")).by(token).to(app).await.expect(200);
        shown.extend(page.column("title").into_iter().map(ToOwned::to_owned));
        let Some(cursor) = page.body["next_cursor"].as_str() else { return shown };
        after = format!("&after={cursor}");
        meanwhile(shown.len()).await;
    }
}

/// All that a search for mugs shows while something happens to them.
#[expect(clippy::expect_used, reason = "a test stops where it cannot go on")]
async fn all_mugs_while(meanwhile: &str) -> Vec<String> {
    let world = World::new();
    let app = world.app().await;
    let run = async |sql: String| {
        let database = world.shop.database();
        database.write::<_, Outage, _>(move |db| Ok(db.batch_execute(&sql)?)).await.expect("is written");
    };
    // Three are not sold at first. What is ranked together ends with 11,001, which is ranked last of it; of those that follow
    // one would be ranked first and one last.
    run(format!(
        "{MUGS}update product set status = 'draft' where slug in ('mug-11400', 'mug-11401', 'mug-11402');
         update search_term set weight = 1 where product in (printf('prd_0%025d', 11001), printf('prd_0%025d', 10999));
         update search_term set weight = 50 where product = printf('prd_0%025d', 11000);
         update search_term set weight = 5 where product = printf('prd_0%025d', 11050);
         update search_term set weight = 4 where product >= printf('prd_0%025d', 11350);"
    ))
    .await;
    all_found(&app, "/v1/products?q=mug&limit=100", "staff", async |seen| {
        if seen == 300 {
            add(&app, "Mug of today", "TODAY", json!({})).await;
            run(meanwhile.to_owned()).await;
        }
    })
    .await
}

/// More products than are ranked again, between two that are ranked together.
const LATE: &str = "
    create table number as
        with recursive counted(n) as (select 1 union all select n + 1 from counted where n < 1200) select n from counted;
    insert into product (id, slug, title, description, vendor, kind, tags, options, images, extra, status, supplier, price_from,
                         registered, version, created_at, updated_at)
    select printf('prd_0%025d', 11100) || n, 'late-' || n, 'Late ' || n, '', '', '', '[]', '[]', '[]', '{}', 'active', null, 1, 1, 1, n, n
    from number;
    insert into search_term (term, product, weight) select 'mug', printf('prd_0%025d', 11100) || n, 8 from number;
    drop table number;";

/// What is ranked together stays together: neither mugs that come nor those that go move the others to where they were
/// shown already, or are not shown any more.
#[actix_web::test]
async fn all_that_a_common_word_finds_is_shown_once_though_mugs_come_and_go() {
    type Sold = fn(i64) -> bool;
    let is_draft = |n: i64| (11_400..=11_402).contains(&n);
    let changes: [(&str, Sold); 5] = [
        ("update product set status = 'active' where status = 'draft'", |_| true),
        ("update product set status = 'archived' where slug in ('mug-11499', 'mug-11500')", |n| n < 11_499),
        ("delete from search_term where product >= printf('prd_0%025d', 11490)", |n| n < 11_490),
        (LATE, |_| true),
        // Now nine terms begin with the word, which are not few.
        ("insert into search_term select term || rowid, product.id, 8 from search_term join product on product.rowid < 10 where
          search_term.product = product.id", |_| true),
    ];
    for (number, (meanwhile, sold)) in changes.into_iter().enumerate() {
        let sold = |n: &i64| sold(*n) && (number == 0 || !is_draft(*n));
        let mut expected: Vec<String> = (5_501..=11_500).filter(sold).map(|n| format!("Mug {n}")).collect();
        let mut shown = all_mugs_while(meanwhile).await;
        shown.retain(|title| !title.starts_with("Late"));
        expected.sort();
        shown.sort();
        assert!(shown == expected, "{meanwhile}: {} shown, {} expected", shown.len(), expected.len());
    }
}

#[actix_web::test]
async fn all_that_a_word_finds_is_shown_once_though_it_becomes_a_common_one() {
    let world = World::new();
    let app = world.app().await;
    let run = async |sql: &'static str| {
        let database = world.shop.database();
        database.write::<_, Outage, _>(move |db| Ok(db.batch_execute(sql)?)).await.expect("is written");
    };
    run(MUGS).await;
    // Of 1,000 mugs left, the lighter ones are scattered.
    run("delete from search_term where product < printf('prd_0%025d', 10501);
         update search_term set weight = 1 + substr(product, -4) % 7")
    .await;
    let mut shown = all_found(&app, "/v1/products?q=mug&limit=100", "staff", async |seen| {
        if seen == 300 {
            add(&app, "Mug of today", "TODAY", json!({})).await;
        }
    })
    .await;
    let mut expected: Vec<String> = (10_501..=11_500).map(|n| format!("Mug {n}")).collect();
    shown.retain(|title| title != "Mug of today");
    expected.sort();
    shown.sort();
    assert!(shown == expected, "{} shown, {} expected", shown.len(), expected.len());
}

/// Mugs of half of the shop each, and some that are both: thirty in the middle, and five among the oldest that match better.
const BOTH: &str = "
    insert into search_term (term, product, weight) select 'tall', id, 8 from product where rowid % 2 = 0;
    insert into search_term (term, product, weight)
    select 'wide', id, 8 from product where rowid % 2 = 1 or rowid between 6400 and 6459;
    insert into search_term (term, product, weight) select 'wide', id, 50 from product where rowid <= 10 and rowid % 2 = 0;";

#[actix_web::test]
async fn better_matches_are_not_lost_behind_the_products_that_a_page_looks_at() {
    let world = World::new();
    let app = world.app().await;
    let sql = format!("{MUGS}{BOTH}");
    world.shop.database().write::<_, Outage, _>(move |db| Ok(db.batch_execute(&sql)?)).await.expect("is written");
    let shown = all_found(&app, "/v1/admin/products?q=tall+wide&limit=25", "staff", async |_| {}).await;
    let expected = (0..30).map(|n| 6_400 + 2 * n).chain((1..=5).map(|n| 2 * n));
    assert_eq!(shown, expected.map(|n| format!("Mug {n}")).collect::<Vec<_>>());
}

/// Of a word that very many products have, a status may leave few: these are ranked together, however old the best one is.
#[actix_web::test]
async fn few_drafts_with_a_very_common_word_are_ranked_together() {
    let world = World::new();
    let app = world.app().await;
    let drafts = "update product set status = 'draft' where rowid <= 1000;
        update search_term set weight = 50 where product = printf('prd_0%025d', 1);";
    let sql = format!("{MUGS}{drafts}");
    world.shop.database().write::<_, Outage, _>(move |db| Ok(db.batch_execute(&sql)?)).await.expect("is written");
    let best = get("/v1/admin/products?q=mug&status=draft&limit=1").by("staff").to(&app).await.expect(200);
    assert_eq!(best.column("title"), ["Mug 1"]);
}

/// Whatever of a filter leaves few products or many: every page shows what it lets through, once and in order.
#[actix_web::test]
async fn a_list_of_very_many_products_shows_all_that_a_filter_leaves_in_every_order() {
    let world = World::new();
    let app = world.app().await;
    world.shop.database().write::<_, Outage, _>(|db| Ok(db.batch_execute(MUGS)?)).await.expect("is written");
    type Filter = (&'static str, fn(i64) -> bool);
    let filters: [Filter; 7] = [
        ("category=blue", |n| n % 4 == 0),
        ("max_price=8550", |n| n >= 11_450),
        ("max_price=9700&min_price=8600", |n| (10_300..=11_400).contains(&n)),
        ("category=blue&max_price=9700", |n| n % 4 == 0 && n >= 10_300),
        ("q=mug&category=blue&max_price=8600", |n| n % 4 == 0 && n >= 11_400),
        ("q=mug&min_price=13500", |n| n <= 6_500),
        ("category=green", |_| false),
    ];
    for (filter, lets_through) in filters {
        // By price the last ones are first.
        for (sort, falls) in [("created_at", false), ("-created_at", true), ("price", true), ("-price", false)] {
            let mut expected: Vec<String> =
                (5_501..=11_500).filter(|n| lets_through(*n)).map(|n| format!("Mug {n}")).collect();
            if falls {
                expected.reverse();
            }
            let pages = app.pages(&format!("/v1/products?{filter}&sort={sort}&include=total")).await;
            // Of two categories 2,250 members would have to be told apart.
            let total = if filter == "category=blue" { Value::Null } else { json!(expected.len()) };
            assert!(pages.iter().all(|page| page.body["total"] == total), "{filter} by {sort}");
            let shown: Vec<&str> = pages.iter().flat_map(|page| page.column("title")).collect();
            assert_eq!(shown, expected, "{filter} by {sort}");
        }
    }
    let all = get("/v1/admin/products?include=total&sort=title&limit=1").by("staff").to(&app).await.expect(200);
    assert_eq!(all.body["total"], 5_000, "of 11,500: so many are counted");
}

/// More than can be known of one product, and more than can be asked for.
#[actix_web::test]
async fn two_hundred_words_of_a_product_are_known_and_eight_of_a_query_count() {
    let world = World::new();
    let app = world.app().await;
    let words: Vec<String> = (0..300).map(|n| format!("word{n:03}")).collect();
    add(&app, "Scroll", "SCROLL", json!({"description": words.join(" ")})).await;
    assert_eq!(found(&app, "word000").await, ["Scroll"]);
    assert_eq!(found(&app, "word150").await, ["Scroll"]);
    assert!(found(&app, "word299").await.is_empty());
    let eight: Vec<&str> = words[..8].iter().map(String::as_str).collect();
    assert_eq!(found(&app, &format!("{} never", eight.join(" "))).await, ["Scroll"], "the ninth does not count");
    assert!(found(&app, &format!("never {}", eight.join(" "))).await.is_empty());
}
