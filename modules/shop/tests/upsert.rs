//! Products written without HTTP: from files, and made known to inventory.

mod common;

use common::drafts::{draft, variant};
use common::{Mishap, World, get, patch, post, product, user};
use emporium_inventory_api::{InventoryError, Sku};
use emporium_kernel::Call;
use emporium_shop::catalogue::{Outcome, ProductPatch, Upserted};
use serde_json::json;

fn outcomes(written: &[Upserted]) -> Vec<Result<Outcome, String>> {
    written.iter().map(|one| one.outcome.clone().map_err(|error| error.to_string())).collect()
}

#[actix_web::test]
async fn a_file_that_is_read_again_changes_nothing() {
    let world = World::new();
    let call = Call::internal("import");
    let names = ["Cups".to_owned(), "Tea & Coffee".to_owned(), "cups".to_owned(), "--".to_owned()];
    let slugs = world.shop.ensure_categories(&names).await.expect("makes them");
    assert_eq!(slugs.len(), 3);
    assert_eq!(world.shop.ensure_categories(&names).await.expect("finds them"), slugs);
    let mut drafts = vec![draft("mug", "Mug", &[("MUG-S", 900), ("MUG-L", 1200)]), draft("cup", "Cup", &[("CUP", 5)])];
    drafts[0].categories = vec![slugs["Tea & Coffee"].clone(), slugs["Cups"].clone(), slugs["cups"].clone()];
    let first = world.shop.upsert_products(&call, drafts.clone()).await.expect("imports");
    assert_eq!(outcomes(&first), [Ok(Outcome::Created), Ok(Outcome::Created)]);
    let created: Vec<&str> = first.iter().flat_map(|one| &one.created_skus).map(Sku::as_str).collect();
    assert_eq!(created, ["MUG-S", "MUG-L", "CUP"]);
    assert_eq!((world.inventory.registered(), world.inventory.script.count("register")), (3, 1));

    let before = world.shop.all_products(None, 10).await.expect("reads");
    let again = world.shop.upsert_products(&call, drafts.clone()).await.expect("imports");
    assert_eq!(outcomes(&again), [Ok(Outcome::Unchanged), Ok(Outcome::Unchanged)]);
    assert_eq!(again[0].id, first[0].id);
    assert_eq!(world.shop.all_products(None, 10).await.expect("reads"), before);
    assert_eq!(world.inventory.script.count("register"), 1);

    drafts[1].skus.push(variant("CUP-2", 6));
    let third = world.shop.upsert_products(&call, drafts).await.expect("imports");
    assert_eq!(outcomes(&third), [Ok(Outcome::Unchanged), Ok(Outcome::Changed)]);
    assert_eq!(third[1].created_skus, [Sku::parse("CUP-2").expect("a SKU")]);
    assert!(world.inventory.registration("CUP-2").is_some());
}

#[actix_web::test]
async fn a_refused_row_of_a_file_leaves_the_others_and_nothing_of_itself() {
    let world = World::new();
    let call = Call::internal("import");
    let drafts = vec![
        draft("mug", "Mug", &[("MUG", 900)]),
        draft("thief", "Thief", &[("NEW", 1), ("MUG", 1)]),
        draft("twice", "Twice", &[("T", 1), ("T", 2)]),
        draft("empty", "Empty", &[]),
        draft("mug", "Mug again", &[("MUG", 901)]),
        draft("cup", "Cup", &[("NEW", 5)]),
    ];
    let written = world.shop.upsert_products(&call, drafts).await.expect("imports");
    let taken = |sku| Err(format!("the SKU {sku} is taken"));
    let nothing = Err("there is nothing in it".to_owned());
    let (created, changed) = (Ok(Outcome::Created), Ok(Outcome::Changed));
    assert_eq!(outcomes(&written), [created.clone(), taken("MUG"), taken("T"), nothing, changed, created]);
    assert_eq!(written[0].id, written[4].id);
    assert_eq!(written[1].id, None);
    let all = world.shop.all_products(None, 10).await.expect("reads");
    let mut titles: Vec<&str> = all.iter().map(|one| one.title.as_str()).collect();
    titles.sort_unstable();
    assert_eq!(titles, ["Cup", "Mug again"]);
}

#[actix_web::test]
async fn an_import_keeps_suppliers_and_an_edit_keeps_columns_of_the_file() {
    let world = World::new();
    let app = world.app().await;
    let call = Call::internal("import");
    let mut body = product("Mug", "MUG", 900);
    body["supplier"] = user("supplier-sue").into();
    post("/v1/admin/products").by("staff").json(&body).to(&app).await.expect(201);
    world.shop.upsert_products(&call, vec![draft("mug", "Mug", &[("MUG", 900)])]).await.expect("imports");
    let read = async || world.shop.all_products(None, 1).await.expect("reads").remove(0);
    let one = read().await;
    assert_eq!(one.supplier, Some(user("supplier-sue")));
    assert_eq!((one.extra.len(), one.skus[0].extra.len()), (1, 1));
    let dearer = json!({"skus": [{"sku": "MUG", "price": {"amount": 950, "currency": "USD"}}]});
    patch(&format!("/v1/admin/products/{}", one.id))
        .by("staff")
        .header("if-match", "*")
        .json(&dearer)
        .to(&app)
        .await
        .expect(200);
    let one = read().await;
    assert_eq!((one.skus[0].price.amount(), one.extra.len(), one.skus[0].extra.len()), (950, 1, 1));
}

#[actix_web::test]
async fn all_products_are_read_in_pages() {
    let world = World::new();
    let call = Call::internal("import");
    let drafts = (0..7).map(|n| draft(&format!("p-{n}"), "P", &[(&format!("S{n}"), 1)])).collect();
    world.shop.upsert_products(&call, drafts).await.expect("imports");
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = world.shop.all_products(after, 3).await.expect("reads");
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        seen.extend(page.into_iter().map(|one| one.slug.to_string()));
    }
    seen.sort();
    assert_eq!(seen, ["p-0", "p-1", "p-2", "p-3", "p-4", "p-5", "p-6"]);
}

#[actix_web::test]
async fn a_product_that_inventory_could_not_be_told_of_is_registered_later() {
    let world = World::new();
    let app = world.app().await;
    world.inventory.script.plan("register", Mishap::Lost);
    let reply = post("/v1/admin/products").by("staff").json(&product("Mug", "MUG", 900)).to(&app).await.expect(503);
    assert_eq!(reply.code(), "unreachable");
    assert!(world.inventory.registration("MUG").is_none());
    get("/v1/products/mug").to(&app).await.expect(200);

    let world = world.restarted();
    world.inventory.script.plan("register", Mishap::Lost);
    world.shop.register_pending().await.expect_err("still nobody there");
    world.shop.register_pending().await.expect("inventory is back");
    assert!(world.inventory.registration("MUG").is_some());
    let asked = world.inventory.script.count("register");
    world.shop.register_pending().await.expect("nothing is left");
    assert_eq!(world.inventory.script.count("register"), asked);
}

#[actix_web::test]
async fn a_registration_does_not_count_for_a_product_that_was_changed_meanwhile() {
    let world = World::new();
    let call = Call::internal("test");
    let gate = world.inventory.script.gate("register");
    let draft = draft("mug", "Mug", &[("MUG", 900)]);
    let create = tokio::spawn({
        let (shop, call) = (world.shop.clone(), call.clone());
        async move { shop.create_product(&call, None, draft).await }
    });
    while world.inventory.script.count("register") < 1 {
        tokio::task::yield_now().await;
    }
    let id = world.shop.all_products(None, 1).await.expect("reads").remove(0).id;
    let change = tokio::spawn({
        let shop = world.shop.clone();
        let skus = Some(vec![variant("MUG", 900), variant("MUG-2", 900)]);
        async move { shop.change_product(&call, id, None, ProductPatch { skus, ..Default::default() }, None).await }
    });
    while world.inventory.script.count("register") < 2 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    create.await.expect("runs").expect("the first registration is answered");
    world.inventory.script.plan("register", Mishap::Lost);
    gate.add_permits(1);
    change.await.expect("runs").expect_err("the second is lost");
    gate.add_permits(1);
    world.shop.register_pending().await.expect("registers");
    assert!(world.inventory.registration("MUG-2").is_some(), "the change has to be told again");
}

#[actix_web::test]
async fn a_refused_registration_does_not_hold_up_the_others() {
    let world = World::new();
    let call = Call::internal("test");
    for n in 0..201 {
        world.inventory.script.plan("register", Mishap::Lost);
        let sku = format!("SKU-{n}");
        let draft = draft(&format!("p-{n}"), "P", &[(&sku, 1)]);
        world.shop.create_product(&call, None, draft).await.expect_err("nobody there");
    }
    world.inventory.script.plan("register", Mishap::Refused(InventoryError::IdReused));
    world.shop.register_pending().await.expect("goes on after a refusal");
    assert_eq!(world.inventory.registered(), 1, "the 201st");
    world.shop.register_pending().await.expect("and tries again");
    assert_eq!(world.inventory.registered(), 201);
}
