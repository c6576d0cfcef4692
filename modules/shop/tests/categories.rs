//! The category tree: made, moved, listed, and used to narrow lists of products.

mod common;

use std::time::Duration;

use common::{Api, Reply, World, delete, get, patch, post, product};
use diesel::connection::SimpleConnection;
use emporium_kernel::Outage;
use serde_json::{Value, json};

async fn make(app: &Api, body: Value) -> Reply {
    post("/v1/admin/categories").by("staff").json(&body).to(app).await
}

async fn change(app: &Api, key: &str, body: Value) -> Reply {
    let ask = patch(&format!("/v1/admin/categories/{key}")).by("staff").header("if-match", "*");
    ask.json(&body).to(app).await
}

/// Home (Kitchen (Cups, Pots), Garden) and Books.
async fn plant(app: &Api) {
    for (name, parent) in [
        ("Home", Value::Null),
        ("Kitchen", json!("home")),
        ("Cups", json!("kitchen")),
        ("Pots", json!("kitchen")),
        ("Garden", json!("home")),
        ("Books", Value::Null),
    ] {
        make(app, json!({"name": name, "parent": parent})).await.expect(201);
    }
}

async fn outline(app: &Api) -> Vec<String> {
    let tree = get("/v1/categories").to(app).await.expect(200);
    let rows = tree.body["data"].as_array().cloned().unwrap_or_default();
    rows.iter()
        .map(|row| {
            format!(
                "{}{}",
                "-".repeat(row["depth"].as_u64().unwrap_or(99) as usize),
                row["slug"].as_str().unwrap_or("")
            )
        })
        .collect()
}

#[actix_web::test]
async fn the_tree_lists_parents_before_their_children() {
    let world = World::new();
    let app = world.app().await;
    plant(&app).await;
    assert_eq!(outline(&app).await, ["home", "-kitchen", "--cups", "--pots", "-garden", "books"]);
    let tree = get("/v1/categories").to(&app).await.expect(200);
    assert_eq!(tree.text("/data/1/parent"), tree.text("/data/0/id"));
    assert!(tree.body["data"][0].get("version").is_none());
    let staff = get("/v1/admin/categories").by("staff").to(&app).await.expect(200);
    assert_eq!(staff.body["data"][0]["version"], 1);
}

#[actix_web::test]
async fn a_category_is_renamed_moved_and_placed() {
    let world = World::new();
    let app = world.app().await;
    plant(&app).await;
    change(&app, "cups", json!({"name": "Mugs", "parent": "garden"})).await.expect(200);
    change(&app, "books", json!({"position": 0})).await.expect(200);
    change(&app, "garden", json!({"slug": "yard", "parent": null})).await.expect(200);
    assert_eq!(outline(&app).await, ["books", "home", "-kitchen", "--pots", "yard", "-cups"]);
    let moved = get("/v1/admin/categories/cups").by("staff").to(&app).await.expect(200);
    assert_eq!((moved.text("/name"), moved.header("etag")), ("Mugs", "\"2\""));
    let by_id = format!("/v1/admin/categories/{}", moved.text("/id"));
    assert_eq!(get(&by_id).by("staff").to(&app).await.expect(200).body, moved.body);
}

#[actix_web::test]
async fn a_category_never_comes_below_itself() {
    let world = World::new();
    let app = world.app().await;
    plant(&app).await;
    for parent in ["home", "kitchen", "cups"] {
        let refused = change(&app, "home", json!({"parent": parent})).await.expect(422);
        assert_eq!(refused.code(), "category_cycle", "{parent}");
    }
    assert_eq!(outline(&app).await.len(), 6);
    change(&app, "kitchen", json!({"parent": "books"})).await.expect(200);
    change(&app, "home", json!({"parent": "cups"})).await.expect(200);
    assert_eq!(outline(&app).await, ["books", "-kitchen", "--cups", "---home", "----garden", "--pots"]);
}

#[actix_web::test]
async fn changes_are_based_on_the_version_that_was_read() {
    let world = World::new();
    let app = world.app().await;
    let made = make(&app, json!({"name": "Home"})).await.expect(201);
    let path = made.header("location").to_owned();
    assert_eq!(made.header("etag"), "\"1\"");
    let rename = json!({"name": "House"});
    patch(&path).by("staff").json(&rename).to(&app).await.expect(428);
    patch(&path).by("staff").header("if-match", "\"1\"").json(&rename).to(&app).await.expect(200);
    let stale = patch(&path).by("staff").header("if-match", "\"1\"").json(&json!({"name": "Hut"})).to(&app).await;
    assert_eq!(stale.expect(412).text("/current_version"), "\"2\"");
    delete(&path).by("staff").header("if-match", "\"1\"").to(&app).await.expect(412);
    delete(&path).by("staff").header("if-match", "\"2\"").to(&app).await.expect(204);
    get(&path).by("staff").to(&app).await.expect(404);
}

#[actix_web::test]
async fn only_an_empty_category_can_be_removed() {
    let world = World::new();
    let app = world.app().await;
    plant(&app).await;
    let remove = async |key: &str| {
        delete(&format!("/v1/admin/categories/{key}")).by("staff").header("if-match", "*").to(&app).await
    };
    let mut mug = product("Mug", "MUG", 1);
    mug["category"] = "cups".into();
    let mug = post("/v1/admin/products").by("staff").json(&mug).to(&app).await.expect(201);
    assert_eq!(remove("kitchen").await.expect(409).code(), "category_in_use");
    assert_eq!(remove("cups").await.expect(409).code(), "category_in_use");
    remove("pots").await.expect(204);
    let path = format!("/v1/admin/products/{}", mug.text("/id"));
    patch(&path).by("staff").header("if-match", "*").json(&json!({"category": null})).to(&app).await.expect(200);
    remove("cups").await.expect(204);
    remove("cups").await.expect(404);
    remove("kitchen").await.expect(204);
}

#[actix_web::test]
async fn slugs_are_numbered_and_what_is_wrong_is_refused() {
    let world = World::new();
    let app = world.app().await;
    assert_eq!(make(&app, json!({"name": "Tea"})).await.expect(201).text("/slug"), "tea");
    assert_eq!(make(&app, json!({"name": "TEA!"})).await.expect(201).text("/slug"), "tea-2");
    assert_eq!(make(&app, json!({"name": "x", "slug": "tea"})).await.expect(409).code(), "slug_taken");
    assert_eq!(change(&app, "tea-2", json!({"slug": "tea"})).await.expect(409).code(), "slug_taken");
    assert_eq!(make(&app, json!({"name": "x", "parent": "none"})).await.expect(422).code(), "unknown_category");
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": "x", "position": -1}), "position"),
        (json!({"name": "x", "parent": "No Slug"}), "parent"),
        (json!({"name": "x", "depth": 1}), "depth"),
    ] {
        assert_eq!(make(&app, body).await.expect(422).text("/errors/0/field"), field);
    }
    for token in ["supplier-sue", "customer-bob"] {
        let ask = post("/v1/admin/categories").by(token).json(&json!({"name": "x"}));
        ask.to(&app).await.expect(403);
    }
}

#[actix_web::test]
async fn a_category_lists_the_products_below_it() {
    let world = World::new();
    let app = world.app().await;
    plant(&app).await;
    for (title, categories) in
        [("Mug", json!(["cups"])), ("Pan", json!(["pots", "garden"])), ("Novel", json!(["books"]))]
    {
        let mut body = product(title, title, 100);
        body["categories"] = categories;
        post("/v1/admin/products").by("staff").json(&body).to(&app).await.expect(201);
    }
    let titles = async |category: &str| -> Vec<String> {
        let page = get(&format!("/v1/products?sort=title&category={category}")).to(&app).await.expect(200);
        page.column("title").into_iter().map(ToOwned::to_owned).collect()
    };
    assert_eq!(titles("home").await, ["Mug", "Pan"]);
    assert_eq!(titles("kitchen").await, ["Mug", "Pan"]);
    assert_eq!(titles("garden").await, ["Pan"]);
    let tree = get("/v1/categories").to(&app).await.expect(200);
    assert_eq!(titles(tree.text("/data/5/id")).await, ["Novel"]);
    assert!(titles("nowhere").await.is_empty());
    assert!(titles("cat_00000000000000000000000000").await.is_empty());
    let empty = get("/v1/products?category=nowhere&include=total").to(&app).await.expect(200);
    assert_eq!((&empty.body["total"], &empty.body["next_cursor"]), (&json!(0), &Value::Null));
}

#[actix_web::test]
async fn a_renamed_category_shows_at_once_on_products_that_are_in_memory() {
    let world = World::new();
    let app = world.app().await;
    plant(&app).await;
    let mut mug = product("Mug", "MUG", 1);
    mug["category"] = "cups".into();
    post("/v1/admin/products").by("staff").json(&mug).to(&app).await.expect(201);
    let before = get("/v1/products/mug").to(&app).await.expect(200);
    assert_eq!(before.text("/categories/0/name"), "Cups");
    change(&app, "cups", json!({"name": "Beakers"})).await.expect(200);
    let after = get("/v1/products/mug").header("if-none-match", before.header("etag")).to(&app).await.expect(200);
    assert_eq!(after.text("/categories/0/name"), "Beakers");
    assert_eq!(get("/v1/products?q=beakers").to(&app).await.expect(200).column("title"), ["Mug"]);
    assert!(get("/v1/products?q=cups").to(&app).await.expect(200).column("title").is_empty());
}

/// The process ends when a category has its new name and its first product is found by it: what is left is done later.
#[actix_web::test]
async fn what_a_renaming_left_undone_is_done_by_the_sweep() {
    let world = World::new();
    let app = world.app().await;
    plant(&app).await;
    for title in ["Mug", "Bowl", "Plate"] {
        let mut thing = product(title, title, 100);
        thing["category"] = "cups".into();
        post("/v1/admin/products").by("staff").json(&thing).to(&app).await.expect(201);
    }
    let interrupted =
        "update category set name = 'Crockery', unindexed_after = (select min(id) from product) where slug = 'cups'";
    world.shop.database().write::<_, Outage, _>(|db| Ok(db.batch_execute(interrupted)?)).await.expect("is written");
    let found = async |word: &str| -> usize {
        get(&format!("/v1/products?q={word}")).to(&app).await.expect(200).column("title").len()
    };
    assert_eq!((found("cups").await, found("crockery").await), (3, 0));
    world.shop.sweep().await.expect("sweeps");
    assert_eq!((found("cups").await, found("crockery").await), (1, 2), "the first was found before");
    change(&app, "cups", json!({"name": "Dishes"})).await.expect(200);
    assert_eq!((found("crockery").await, found("cups").await, found("dishes").await), (0, 0, 3));
}

/// Who renames a category of very many products waits for two hundred of them; the sweep does the rest.
#[actix_web::test]
async fn a_renamed_category_of_very_many_products_is_found_by_its_new_name_by_and_by() {
    let world = World::new();
    let app = world.app().await;
    plant(&app).await;
    let many = "
        create table number as
            with recursive counted(n) as (select 1 union all select n + 1 from counted where n < 450) select n from counted;
        insert into product (id, slug, title, description, vendor, kind, tags, options, images, extra, status, supplier,
                             price_from, registered, version, created_at, updated_at)
        select printf('prd_0%025d', n), 'mug-' || n, 'Mug', '', '', '', '[]', '[]', '[]', '{}', 'active', null, 1, 1, 1, n, n
        from number;
        insert into product_category (product, category, status, title, price_from, created_at)
        select p.id, c.id, p.status, p.title, p.price_from, p.created_at from product p join category c on c.slug = 'cups';
        drop table number;";
    world.shop.database().write::<_, Outage, _>(|db| Ok(db.batch_execute(many)?)).await.expect("is written");
    change(&app, "cups", json!({"name": "Beakers"})).await.expect(200);
    let found = async || -> usize {
        let pages = app.pages("/v1/admin/products?q=beakers&sort=created_at").await;
        pages.iter().map(|page| page.column("id").len()).sum()
    };
    assert_eq!(found().await, 200);
    world.shop.sweep().await.expect("sweeps");
    assert_eq!(found().await, 450);
}

/// Lists of a category hold what they are filtered and sorted by; they follow every change of a product, of its categories,
/// and show once what is in several categories.
#[actix_web::test]
async fn lists_of_a_category_show_its_products_as_they_are_now() {
    let world = World::new();
    let app = world.app().await;
    for body in [json!({"name": "Kitchen"}), json!({"name": "Cups", "parent": "kitchen"}), json!({"name": "Garden"})] {
        make(&app, body).await.expect(201);
    }
    let mut ids = Vec::new();
    for (n, title) in ["Bowl", "Cup", "Jug", "Spoon"].into_iter().enumerate() {
        let mut body = product(title, &format!("P-{n}"), 100 * i64::try_from(n).expect("small"));
        body["categories"] = if n % 2 == 0 { json!(["kitchen", "cups"]) } else { json!(["cups"]) };
        let made = post("/v1/admin/products").by("staff").json(&body).to(&app).await.expect(201);
        ids.push(made.text("/id").to_owned());
        world.hand.advance(Duration::from_secs(1));
    }
    let change = async |nth: usize, body: Value| {
        let ask = patch(&format!("/v1/admin/products/{}", ids[nth])).by("staff").header("if-match", "*");
        ask.json(&body).to(&app).await.expect(200);
    };
    let shown = async |list: &str| -> Vec<String> {
        let list = get(&format!("/v1/products?{list}")).to(&app).await.expect(200);
        list.column("title").into_iter().map(str::to_owned).collect()
    };
    assert_eq!(shown("category=kitchen&sort=price").await, ["Bowl", "Cup", "Jug", "Spoon"]);
    change(2, json!({"title": "Amphora"})).await;
    change(0, json!({"skus": [{"sku": "P-0", "price": {"amount": 250, "currency": "USD"}}]})).await;
    change(3, json!({"status": "archived"})).await;
    for (list, expected) in [
        ("category=kitchen&sort=title", vec!["Amphora", "Bowl", "Cup"]),
        ("category=kitchen&sort=-price", vec!["Bowl", "Amphora", "Cup"]),
        ("category=kitchen&sort=created_at", vec!["Bowl", "Cup", "Amphora"]),
        ("category=kitchen&sort=price&min_price=150&max_price=200", vec!["Amphora"]),
        ("category=kitchen&sort=title&max_price=200", vec!["Amphora", "Cup"]),
        ("category=garden", vec![]),
    ] {
        assert_eq!(shown(list).await, expected, "{list}");
        let page = get(&format!("/v1/products?{list}&include=total&limit=1")).to(&app).await.expect(200);
        assert_eq!(page.body["total"], expected.len(), "{list}");
    }
    change(1, json!({"categories": ["garden"]})).await;
    assert_eq!((shown("category=cups").await.len(), shown("category=garden").await), (2, vec!["Cup".to_owned()]));
    let staff = get("/v1/admin/products?category=cups&sort=title&include=total").by("staff").to(&app).await.expect(200);
    assert_eq!((staff.column("title"), &staff.body["total"]), (vec!["Amphora", "Bowl", "Spoon"], &json!(3)));
}
