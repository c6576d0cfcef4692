//! Products: made, changed, read, and kept apart by supplier.

mod common;

use common::{Api, Reply, World, delete, get, patch, post, product, user};
use emporium_kernel::{After, Call};
use emporium_shop_api::Shop as _;
use serde_json::{Value, json};

async fn create(app: &Api, by: &str, body: &Value) -> Reply {
    post("/v1/admin/products").by(by).json(body).to(app).await
}

fn admin(id: &str) -> String {
    format!("/v1/admin/products/{id}")
}

fn public(key: &str) -> String {
    format!("/v1/products/{key}")
}

fn sku(sku: &str, cents: i64) -> Value {
    json!({"sku": sku, "price": {"amount": cents, "currency": "USD"}})
}

#[actix_web::test]
async fn a_product_is_made_published_changed_and_archived() {
    let world = World::new();
    let app = world.app().await;
    let body = json!({
        "title": "Blue Mug", "description": "<p>Holds tea.</p>", "vendor": "Acme", "kind": "Cups", "tags": ["blue"],
        "options": ["Size"], "images": [{"src": "https://example.com/mug.jpg", "alt": "A mug"}],
        "skus": [
            {"sku": "MUG-S", "title": "Small", "options": ["S"], "price": {"amount": 900, "currency": "USD"}, "grams": 200},
            {"sku": "MUG-L", "title": "Large", "options": ["L"], "price": {"amount": 1200, "currency": "USD"},
             "compare_at": {"amount": 1500, "currency": "USD"}, "barcode": "4006381333931"},
        ],
    });
    let made = create(&app, "staff", &body).await.expect(201);
    let id = made.text("/id").to_owned();
    assert_eq!((made.text("/slug"), made.text("/status"), made.header("etag")), ("blue-mug", "draft", "\"1\""));
    assert_eq!(made.header("location"), admin(&id));
    assert_eq!(made.body["skus"][1]["compare_at"]["amount"], 1500);
    let known = world.inventory.registration("MUG-L").expect("registered before the answer");
    assert_eq!((known.title.as_str(), known.supplier), ("Blue Mug - Large", None));

    get(&public(&id)).to(&app).await.expect(404);
    let publish = json!({"status": "active", "title": "Bluer Mug"});
    let changed = patch(&admin(&id)).by("staff").header("if-match", "\"1\"").json(&publish).to(&app).await.expect(200);
    assert_eq!((changed.header("etag"), changed.text("/title")), ("\"2\"", "Bluer Mug"));
    assert_eq!(changed.text("/description"), "<p>Holds tea.</p>", "what is absent stays");
    assert_eq!(world.inventory.registration("MUG-L").map(|r| r.title).as_deref(), Some("Bluer Mug - Large"));

    for key in [id.as_str(), "blue-mug"] {
        let shown = get(&public(key)).to(&app).await.expect(200);
        assert_eq!(shown.text("/title"), "Bluer Mug");
        assert_eq!(shown.body["skus"][0]["price"], json!({"amount": 900, "currency": "USD"}));
        for hidden in ["supplier", "version", "status"] {
            assert!(shown.body.get(hidden).is_none(), "{hidden}");
        }
    }

    delete(&admin(&id)).by("staff").header("if-match", "\"2\"").to(&app).await.expect(204);
    get(&public("blue-mug")).to(&app).await.expect(404);
    let archived = get(&admin(&id)).by("staff").to(&app).await.expect(200);
    assert_eq!((archived.text("/status"), archived.header("etag")), ("archived", "\"3\""));
}

#[actix_web::test]
async fn what_happened_to_a_product_is_in_the_feed() {
    let world = World::new();
    let app = world.app().await;
    let id = create(&app, "staff", &product("Mug", "MUG", 900)).await.expect(201).text("/id").to_owned();
    let rename = json!({"title": "Cup"});
    patch(&admin(&id)).by("staff").header("if-match", "*").json(&rename).to(&app).await.expect(200);
    patch(&admin(&id)).by("staff").header("if-match", "*").json(&rename).to(&app).await.expect(200);
    delete(&admin(&id)).by("staff").header("if-match", "*").to(&app).await.expect(204);
    let feed = world.shop.events(&Call::internal("test"), After { number: 0, limit: 10 }).await.expect("the feed");
    let told: Vec<(&str, &str)> = feed.events.iter().map(|e| (e.topic.as_str(), e.subject.as_str())).collect();
    let of = |topic| (topic, id.as_str());
    assert_eq!(told, [of("product.created"), of("product.updated"), of("product.archived")]);
}

#[actix_web::test]
async fn slugs_made_from_titles_are_numbered_and_chosen_ones_are_refused() {
    let world = World::new();
    let app = world.app().await;
    let slug_of = async |title: &str, sku: &str| {
        create(&app, "staff", &product(title, sku, 1)).await.expect(201).text("/slug").to_owned()
    };
    assert_eq!(slug_of("Mug", "1").await, "mug");
    assert_eq!(slug_of("mug!", "2").await, "mug-2");
    assert_eq!(slug_of("MUG", "3").await, "mug-3");
    assert_eq!(slug_of("!!!", "4").await, "unnamed");
    let mut chosen = product("Other", "5", 1);
    chosen["slug"] = "mug-2".into();
    let refused = create(&app, "staff", &chosen).await.expect(409);
    assert_eq!((refused.code(), refused.text("/slug")), ("slug_taken", "mug-2"));
    let other = create(&app, "staff", &product("Other", "6", 1)).await.expect(201);
    let ask = patch(&admin(other.text("/id"))).by("staff").header("if-match", "*");
    assert_eq!(ask.json(&json!({"slug": "mug"})).to(&app).await.expect(409).code(), "slug_taken");
}

#[actix_web::test]
async fn a_sku_belongs_to_its_first_product_for_ever() {
    let world = World::new();
    let app = world.app().await;
    let mut body = product("Mug", "MUG-S", 900);
    body["skus"] = json!([sku("MUG-S", 900), sku("MUG-L", 1200)]);
    let id = create(&app, "staff", &body).await.expect(201).text("/id").to_owned();
    let change = async |skus: Value| {
        let ask = patch(&admin(&id)).by("staff").header("if-match", "*");
        ask.json(&json!({"skus": skus})).to(&app).await.expect(200)
    };
    let names = |reply: &Reply| -> Vec<String> {
        let skus = reply.body["skus"].as_array().cloned().unwrap_or_default();
        skus.iter().map(|one| format!("{} {}", one["sku"].as_str().unwrap_or(""), one["price"]["amount"])).collect()
    };

    let shorter = change(json!([sku("MUG-L", 1300)])).await;
    assert_eq!(names(&shorter), ["MUG-L 1300"]);
    for taken in ["MUG-S", "MUG-L"] {
        let refused = create(&app, "staff", &product("Thief", taken, 1)).await.expect(409);
        assert_eq!((refused.code(), refused.text("/sku")), ("sku_taken", taken));
    }
    assert_eq!(create(&app, "staff", &product("mug", "mug-s", 1)).await.status, 201, "capitals count");

    let revived = change(json!([sku("MUG-L", 1300), sku("MUG-S", 950), sku("MUG-XL", 2000)])).await;
    assert_eq!(names(&revived), ["MUG-L 1300", "MUG-S 950", "MUG-XL 2000"]);
    assert!(world.inventory.registration("MUG-XL").is_some());
}

#[actix_web::test]
async fn a_refused_change_leaves_nothing_behind() {
    let world = World::new();
    let app = world.app().await;
    create(&app, "staff", &product("Mug", "MUG", 900)).await.expect(201);
    let id = create(&app, "staff", &product("Cup", "CUP", 900)).await.expect(201).text("/id").to_owned();
    let theft = json!({"title": "Thief", "skus": [sku("CUP-2", 1), sku("MUG", 1)]});
    patch(&admin(&id)).by("staff").header("if-match", "*").json(&theft).to(&app).await.expect(409);
    let still = get(&admin(&id)).by("staff").to(&app).await.expect(200);
    assert_eq!((still.text("/title"), still.header("etag")), ("Cup", "\"1\""));
    create(&app, "staff", &product("Free", "CUP-2", 1)).await.expect(201);
}

#[actix_web::test]
async fn a_change_is_based_on_the_version_that_was_read() {
    let world = World::new();
    let app = world.app().await;
    let id = create(&app, "staff", &product("Mug", "MUG", 900)).await.expect(201).text("/id").to_owned();
    let change = async |seen: Option<&str>, title: &str| {
        let ask = patch(&admin(&id)).by("staff");
        let ask = if let Some(seen) = seen { ask.header("if-match", seen) } else { ask };
        ask.json(&json!({"title": title})).to(&app).await
    };
    assert_eq!(change(None, "A").await.expect(428).code(), "if_match_required");
    assert_eq!(change(Some("1"), "A").await.expect(400).code(), "invalid_if_match");
    change(Some("\"1\""), "A").await.expect(200);
    let stale = change(Some("\"1\""), "B").await.expect(412);
    assert_eq!((stale.code(), stale.text("/current_version")), ("stale_version", "\"2\""));
    assert_eq!(change(Some("\"2\""), "A").await.expect(200).header("etag"), "\"2\"", "nothing differs");
    assert_eq!(change(Some("*"), "C").await.expect(200).header("etag"), "\"3\"");
    let stale = delete(&admin(&id)).by("staff").header("if-match", "\"2\"").to(&app).await.expect(412);
    assert_eq!(stale.code(), "stale_version");
    delete(&admin(&id)).by("staff").to(&app).await.expect(428);
}

#[actix_web::test]
async fn null_empties_what_can_be_empty_and_is_refused_elsewhere() {
    let world = World::new();
    let app = world.app().await;
    post("/v1/admin/categories").by("staff").json(&json!({"name": "Cups"})).to(&app).await.expect(201);
    let supplier = user("supplier-sue");
    let mut body = product("Mug", "MUG", 900);
    for (name, value) in [("vendor", json!("Acme")), ("category", json!("cups")), ("supplier", json!(supplier))] {
        body[name] = value;
    }
    let made = create(&app, "staff", &body).await.expect(201);
    assert_eq!((made.text("/supplier"), made.text("/categories/0/name")), (supplier.as_str(), "Cups"));
    assert_eq!(world.inventory.registration("MUG").and_then(|r| r.supplier), Some(supplier));
    let path = admin(made.text("/id"));
    let change = async |change: Value| patch(&path).by("staff").header("if-match", "*").json(&change).to(&app).await;
    let kept = change(json!({"kind": "Cup"})).await.expect(200);
    assert_eq!((kept.text("/vendor"), kept.body["categories"].as_array().map(Vec::len)), ("Acme", Some(1)));
    let emptied = change(json!({"vendor": null, "category": null, "supplier": null})).await.expect(200);
    assert_eq!((&emptied.body["vendor"], &emptied.body["categories"]), (&json!(""), &json!([])));
    assert_eq!(emptied.body["supplier"], Value::Null);
    assert_eq!(world.inventory.registration("MUG").and_then(|r| r.supplier), None);
    for name in ["title", "slug", "status", "skus"] {
        assert_eq!(change(json!({name: null})).await.expect(422).text("/errors/0/field"), name);
    }
}

#[actix_web::test]
async fn suppliers_see_and_change_only_their_own() {
    let world = World::new();
    let app = world.app().await;
    let sues = create(&app, "supplier-sue", &product("Mug", "MUG", 900)).await.expect(201);
    assert_eq!(sues.text("/supplier"), user("supplier-sue"));
    let tims = create(&app, "supplier-tim", &product("Cup", "CUP", 900)).await.expect(201).text("/id").to_owned();
    let stores = create(&app, "staff", &product("Jug", "JUG", 900)).await.expect(201).text("/id").to_owned();

    let seen = get("/v1/admin/products").by("supplier-sue").to(&app).await.expect(200);
    assert_eq!(seen.column("title"), ["Mug"]);
    let asked = format!("/v1/admin/products?supplier={}", user("supplier-tim"));
    assert!(get(&asked).by("supplier-sue").to(&app).await.expect(200).column("title").is_empty());
    assert_eq!(get(&asked).by("staff").to(&app).await.expect(200).column("title"), ["Cup"]);
    assert_eq!(get("/v1/admin/products").by("staff").to(&app).await.expect(200).column("title").len(), 3);

    let unknown = admin("prd_00000000000000000000000000");
    let missing = get(&unknown).by("supplier-sue").to(&app).await.expect(404).body;
    for path in [admin(&tims), admin(&stores), unknown] {
        let with = |ask: common::Ask| ask.by("supplier-sue").header("if-match", "*");
        assert_eq!(get(&path).by("supplier-sue").to(&app).await.expect(404).body, missing);
        assert_eq!(with(patch(&path)).json(&json!({"title": "Mine"})).to(&app).await.expect(404).body, missing);
        assert_eq!(with(delete(&path)).to(&app).await.expect(404).body, missing);
    }
    assert_eq!(get(&admin(&tims)).by("staff").to(&app).await.expect(200).text("/title"), "Cup");

    let mut foreign = product("Plate", "PLATE", 1);
    foreign["supplier"] = user("supplier-tim").into();
    assert_eq!(create(&app, "supplier-sue", &foreign).await.expect(403).code(), "staff_only");
    let own = admin(sues.text("/id"));
    for supplier in [json!(user("supplier-tim")), Value::Null] {
        let ask = patch(&own).by("supplier-sue").header("if-match", "*");
        ask.json(&json!({"supplier": supplier})).to(&app).await.expect(403);
    }
    patch(&own).by("supplier-sue").header("if-match", "*").json(&json!({"title": "My mug"})).to(&app).await.expect(200);
}

#[actix_web::test]
async fn buyers_and_guests_change_nothing() {
    let world = World::new();
    let app = world.app().await;
    let body = product("Mug", "MUG", 900);
    create(&app, "customer-bob", &body).await.expect(403);
    post("/v1/admin/products").json(&body).to(&app).await.expect(401);
    get("/v1/admin/products").by("customer-bob").to(&app).await.expect(403);
    assert_eq!(world.inventory.registered(), 0);
}

#[actix_web::test]
async fn bad_products_are_refused_with_the_field_at_fault() {
    let world = World::new();
    let app = world.app().await;
    let with = |name: &str, value: Value| {
        let mut body = product("Mug", "MUG", 900);
        body[name] = value;
        body
    };
    let one_sku = |name: &str, value: Value| {
        let mut one = sku("MUG", 900);
        one[name] = value;
        with("skus", json!([one]))
    };
    let many: Vec<Value> = (0..201).map(|n| sku(&format!("S{n}"), 1)).collect();
    let usd = |amount: Value| json!({"amount": amount, "currency": "USD"});
    let cases = [
        (json!({}), "title", "required"),
        (with("title", json!(" ")), "title", "blank"),
        (with("title", json!("x".repeat(256))), "title", "too_long"),
        (with("title", json!("a\u{202e}b")), "title", "forbidden_character"),
        (with("slug", json!("Not A Slug")), "slug", "invalid_slug"),
        (with("status", json!("sold")), "status", "unknown_status"),
        (with("status", json!(1)), "status", "invalid_value"),
        (with("price", json!(1)), "price", "unknown_field"),
        (with("version", json!(1)), "version", "unknown_field"),
        (with("category", json!("Not A Slug")), "category", "invalid_category"),
        (with("supplier", json!("somebody")), "supplier", "invalid_id"),
        (with("options", json!(["a", "b", "c", "d"])), "options", "count_out_of_range"),
        (with("images", json!([{"src": "javascript:alert(1)"}])), "images[0].src", "invalid_address"),
        (with("skus", json!([])), "skus", "count_out_of_range"),
        (with("skus", json!(many)), "skus", "count_out_of_range"),
        (with("skus", json!([sku("A", 1), sku("A", 2)])), "skus[1].sku", "duplicate_sku"),
        (one_sku("sku", json!("")), "skus[0].sku", "blank"),
        (one_sku("price", usd(json!(-1))), "skus[0].price", "amount_out_of_range"),
        (one_sku("price", usd(json!(9_007_199_254_740_992_i64))), "skus[0].price", "amount_out_of_range"),
        (one_sku("price", usd(json!(1.5))), "skus[0].price.amount", "invalid_value"),
        (one_sku("price", json!({"amount": 1, "currency": "XXX"})), "skus[0].price.currency", "unknown_currency"),
        (one_sku("compare_at", json!({"amount": 1, "currency": "EUR"})), "skus[0].compare_at", "currency_differs"),
        (one_sku("grams", json!(-1)), "skus[0].grams", "invalid_value"),
        (one_sku("stock", json!(5)), "skus[0].stock", "unknown_field"),
    ];
    for (body, field, code) in cases {
        let refused = create(&app, "staff", &body).await.expect(422);
        assert_eq!((refused.text("/errors/0/field"), refused.text("/errors/0/code")), (field, code), "{body}");
    }
    let unknown = create(&app, "staff", &with("category", json!("nowhere"))).await.expect(422);
    assert_eq!((unknown.code(), unknown.text("/category")), ("unknown_category", "nowhere"));
    assert!(get("/v1/admin/products").by("staff").to(&app).await.expect(200).column("id").is_empty());
    for path in ["/v1/products/prd_x", "/v1/products/No%20Slug", "/v1/products/%00", "/v1/products/none"] {
        get(path).to(&app).await.expect(404);
    }
}

#[actix_web::test]
async fn the_schema_goes_up_down_and_up_again() {
    let versions = emporium_shop::MIGRATIONS.versions().expect("versions");
    assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "versions are unique and in order: {versions:?}");
    let world = World::new();
    world.shop.database().close();
    emporium_shop::MIGRATIONS.revert(world.shop.database().url()).expect("goes down");
    drop(world.restarted());
}

#[actix_web::test]
async fn a_product_that_is_sent_twice_with_the_same_key_is_made_once() {
    let world = World::new();
    let app = world.app().await;
    let make = |sku: &str| {
        post("/v1/admin/products").by("staff").header("idempotency-key", "p1").json(&product("Mug", sku, 900))
    };
    let first = make("MUG").to(&app).await.expect(201).body;
    let again = make("MUG").to(&app).await.expect(201);
    assert_eq!((again.header("idempotent-replayed"), &again.body["id"]), ("true", &first["id"]));
    assert_eq!(make("CUP").to(&app).await.expect(422).body["code"], "idempotency_key_reused");
    let other =
        post("/v1/admin/products").by("staff-bob").header("idempotency-key", "p1").json(&product("Cup", "CUP", 900));
    other.to(&app).await.expect(201);
}
