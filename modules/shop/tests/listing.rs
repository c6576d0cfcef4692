//! Lists of products: every row once, in every order, however the list grows meanwhile.

mod common;

use std::time::Duration;

use common::{Api, World, get, post, product};
use serde_json::json;

/// Products with titles, prices and times in different orders, some of them equal.
async fn fill(world: &World, app: &Api, count: i64) {
    for n in 0..count {
        let body = product(&format!("Thing {}", n % 5), &format!("T-{n}"), (n * 7) % 4 * 100);
        post("/v1/admin/products").by("staff").json(&body).to(app).await.expect(201);
        if n % 3 == 0 {
            world.hand.advance(Duration::from_secs(1));
        }
    }
}

async fn walk(app: &Api, path: &str) -> Vec<serde_json::Value> {
    walk_from(app, path, "").await
}

/// The rest of a list from a cursor on.
async fn walk_from(app: &Api, path: &str, cursor: &str) -> Vec<serde_json::Value> {
    let mut rows = Vec::new();
    let mut after = if cursor.is_empty() { String::new() } else { format!("&after={cursor}") };
    loop {
        let page = get(&format!("{path}{after}")).to(app).await.expect(200);
        rows.extend(page.body["data"].as_array().cloned().unwrap_or_default());
        match page.body["next_cursor"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => return rows,
        }
    }
}

fn column(rows: &[serde_json::Value], pointer: &str) -> Vec<String> {
    rows.iter().map(|row| row.pointer(pointer).map(ToString::to_string).unwrap_or_default()).collect()
}

#[actix_web::test]
async fn every_order_shows_every_product_once() {
    let world = World::new();
    let app = world.app().await;
    fill(&world, &app, 23).await;
    let orders = [("created_at", "/created_at"), ("title", "/title"), ("price", "/skus/0/price/amount")];
    for (name, pointer) in orders {
        let up = walk(&app, &format!("/v1/products?limit=4&sort={name}")).await;
        let down = walk(&app, &format!("/v1/products?limit=5&sort=-{name}")).await;
        let mut ids = column(&up, "/id");
        let mut backwards = column(&down, "/id");
        backwards.reverse();
        assert_eq!(ids, backwards, "{name}");
        assert!(column(&up, pointer).is_sorted(), "{name}: {:?}", column(&up, pointer));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 23, "{name}");
    }
    let newest = walk(&app, "/v1/products?limit=100").await;
    assert_eq!(newest, walk(&app, "/v1/products?limit=7&sort=-created_at").await);
}

#[actix_web::test]
async fn a_list_that_grows_while_it_is_read_neither_repeats_nor_skips() {
    let world = World::new();
    let app = world.app().await;
    fill(&world, &app, 12).await;
    let before = column(&walk(&app, "/v1/products?limit=100").await, "/id");
    for sort in ["-created_at", "created_at", "title", "-price"] {
        let first = get(&format!("/v1/products?limit=5&sort={sort}")).to(&app).await.expect(200);
        let mut seen = column(first.body["data"].as_array().expect("rows"), "/id");
        for n in 0..3 {
            let body = product("Thing 2", &format!("{sort}-{n}"), 100 * n);
            post("/v1/admin/products").by("staff").json(&body).to(&app).await.expect(201);
        }
        let cursor = first.text("/next_cursor");
        seen.extend(column(&walk_from(&app, &format!("/v1/products?limit=5&sort={sort}"), cursor).await, "/id"));
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{sort}: a row came twice");
        assert!(before.iter().all(|id| seen.contains(id)), "{sort}: a row was left out");
    }
}

#[actix_web::test]
async fn lists_are_narrowed_by_price_and_status_and_count_when_asked() {
    let world = World::new();
    let app = world.app().await;
    world.selling(&[("A", 100), ("B", 200), ("C", 300)]).await;
    let mut hidden = product("D", "D", 200);
    hidden["status"] = "draft".into();
    post("/v1/admin/products").by("staff").json(&hidden).to(&app).await.expect(201);
    let titles = async |query: &str| -> Vec<String> {
        let page = get(&format!("/v1/products?sort=title&{query}")).to(&app).await.expect(200);
        page.column("title").into_iter().map(ToOwned::to_owned).collect()
    };
    assert_eq!(titles("min_price=150").await, ["B", "C"]);
    assert_eq!(titles("max_price=200").await, ["A", "B"]);
    assert_eq!(titles("min_price=150&max_price=250").await, ["B"]);
    let counted = get("/v1/products?limit=1&include=total").to(&app).await.expect(200);
    assert_eq!((&counted.body["total"], counted.column("id").len()), (&json!(3), 1));
    assert!(get("/v1/products").to(&app).await.expect(200).body.get("total").is_none());
    let drafts = get("/v1/admin/products?status=draft&include=total").by("staff").to(&app).await.expect(200);
    assert_eq!((drafts.column("title"), &drafts.body["total"]), (vec!["D"], &json!(1)));
    assert_eq!(drafts.body["data"][0]["skus"][0]["sku"], "D");
}

#[actix_web::test]
async fn a_query_that_cannot_be_read_is_refused() {
    let world = World::new();
    let app = world.app().await;
    world.selling(&[("A", 100), ("B", 200)]).await;
    let by_price = get("/v1/products?limit=1&sort=price").to(&app).await.expect(200);
    let foreign = by_price.text("/next_cursor");
    let cases = [
        ("limit=0".to_owned(), "limit", "limit_out_of_range"),
        ("limit=101".to_owned(), "limit", "limit_out_of_range"),
        ("sort=vendor".to_owned(), "sort", "invalid_value"),
        ("after=%21%21".to_owned(), "after", "invalid_cursor"),
        (format!("after={foreign}"), "after", "invalid_cursor"),
        (format!("sort=title&after={foreign}"), "after", "invalid_cursor"),
        ("offset=1".to_owned(), "offset", "unknown_field"),
        ("status=draft".to_owned(), "status", "unknown_field"),
        ("min_price=x".to_owned(), "min_price", "invalid_value"),
        ("include=everything".to_owned(), "include", "invalid_value"),
    ];
    for (query, field, code) in cases {
        let refused = get(&format!("/v1/products?{query}")).to(&app).await.expect(400);
        assert_eq!(refused.code(), "invalid_query", "{query}");
        assert_eq!((refused.text("/errors/0/field"), refused.text("/errors/0/code")), (field, code), "{query}");
    }
}
