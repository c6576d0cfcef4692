//! Import and export of the catalogue, with a warehouse made by hand.
#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

mod common;

use std::path::{Path, PathBuf};

use common::Mishap;
use common::World;
use emporium_inventory_api::{InventoryError, Sku};
use emporium_kernel::{Call, Currency};
use emporium_shop::ShopError;
use emporium_shop::catalogue::{Product, ProductDraft, Status};
use emporium_shop::csv::{
    ImportOptions, ImportReport, Listing, ProductFile, Products, Progress, Remark, RemarkCode, StockMode, export,
    import,
};

const HEAD: &str = "Handle,Title,Type,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price\n";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn options() -> ImportOptions {
    ImportOptions { dry_run: false, stock: StockMode::Created, currency: Currency::USD, actor: "import".to_owned() }
}

async fn import_with(
    world: &World,
    path: &Path,
    options: ImportOptions,
) -> Result<(ImportReport, Vec<Remark>), ShopError> {
    let mut remarks = Vec::new();
    let tell = |progress| {
        if let Progress::Remark(remark) = progress {
            remarks.push(remark);
        }
    };
    let report = import(&world.shop, &Call::internal("import"), path, options, tell).await?;
    Ok((report, remarks))
}

async fn import_text(
    world: &World,
    text: &str,
    options: ImportOptions,
) -> Result<(ImportReport, Vec<Remark>), ShopError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("products.csv");
    std::fs::write(&path, text).expect("written");
    import_with(world, &path, options).await
}

async fn exported(world: &World) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(&world.shop, &Call::internal("export"), &mut bytes, |_, _| {}).await.expect("exports");
    bytes
}

/// The products of a file by slug; the order in which a catalogue lists them says nothing.
fn listings(bytes: &[u8]) -> Vec<Listing> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("products.csv");
    std::fs::write(&path, bytes).expect("written");
    let mut file = ProductFile::open(&path, Currency::USD).expect("reads");
    let mut listings: Vec<Listing> =
        std::iter::from_fn(|| file.next_product().expect("reads")).map(|r| r.listing).collect();
    listings.sort_by(|a, b| a.draft.slug.cmp(&b.draft.slug));
    listings
}

async fn catalogue(world: &World) -> Vec<Product> {
    let mut products = world.shop.all_products(None, 1_000).await.expect("reads");
    products.sort_by(|a, b| a.slug.cmp(&b.slug));
    products
}

fn created(products: u64) -> Products {
    Products { created: products, ..Products::default() }
}

fn unchanged(products: u64) -> Products {
    Products { unchanged: products, ..Products::default() }
}

#[actix_web::test]
async fn a_file_becomes_products_categories_and_stock() {
    let world = World::new();
    let (report, remarks) = import_with(&world, &fixture("clothing.csv"), options()).await.expect("imports");
    assert_eq!(remarks.iter().map(|one| (one.line, one.code)).collect::<Vec<_>>(), [(8, RemarkCode::PriceZero)]);
    assert_eq!((report.products, report.skus_created, report.stock_set), (created(3), 5, 4));
    let products = catalogue(&world).await;
    let titles: Vec<(&str, Status)> = products.iter().map(|one| (one.title.as_str(), one.status)).collect();
    assert_eq!(
        titles,
        [("Gift Wrap", Status::Draft), ("Harbour Jacket", Status::Active), ("Tea Towel", Status::Active)]
    );
    let jacket = &products[1];
    assert_eq!(jacket.categories.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["Jackets"]);
    assert_eq!(
        jacket.skus.iter().map(|sku| sku.sku.as_str()).collect::<Vec<_>>(),
        ["HJ-M-NAVY", "HJ-L-NAVY", "HJ-L-OLIVE"]
    );
    assert_eq!(
        ["HJ-M-NAVY", "HJ-L-NAVY", "HJ-L-OLIVE", "TOWEL"].map(|sku| world.inventory.level(sku).0),
        [7, 0, 12, 40]
    );
    let known = world.inventory.registration("HJ-L-OLIVE").expect("registered");
    assert_eq!(known.title, "Harbour Jacket - L / Olive / Cotton");
}

#[actix_web::test]
async fn running_it_again_changes_nothing() {
    let world = World::new();
    for name in ["clothing.csv", "remarks.csv"] {
        let first = import_with(&world, &fixture(name), options()).await.expect("imports");
        let (before, adjusted) = (catalogue(&world).await, world.inventory.script.count("adjust"));
        world.hand.advance(std::time::Duration::from_secs(60));
        for stock in [StockMode::Created, StockMode::Set] {
            let again =
                import_with(&world, &fixture(name), ImportOptions { stock, ..options() }).await.expect("imports");
            assert_eq!(again.0.products, unchanged(first.0.products.created), "{name}");
            assert_eq!((again.0.skus_created, again.0.stock_set), (0, 0));
            assert_eq!(again.1, first.1, "the same remarks");
            assert_eq!(catalogue(&world).await, before);
            assert_eq!(world.inventory.script.count("adjust"), adjusted);
        }
    }
}

#[actix_web::test]
async fn stock_is_set_only_for_skus_that_the_run_creates_unless_it_is_asked_for() {
    let world = World::new();
    let file = |blue: i64| format!("{HEAD}mug,Mug,Mugs,Colour,Blue,MUG-BLUE,{blue},8\nmug,,,,Red,MUG-RED,4,8\n");
    import_text(&world, &file(5), options()).await.expect("imports");
    world.inventory.stock("MUG-BLUE", 2);
    let more = format!("{}mug,,,,Green,MUG-GREEN,9,8\n", file(6));
    let (report, _) = import_text(&world, &more, options()).await.expect("imports");
    assert_eq!((report.skus_created, report.stock_set), (1, 1));
    assert_eq!(["MUG-BLUE", "MUG-RED", "MUG-GREEN"].map(|sku| world.inventory.level(sku).0), [2, 4, 9]);
    let set = ImportOptions { stock: StockMode::Set, ..options() };
    let (report, _) = import_text(&world, &more, set).await.expect("imports");
    assert_eq!((report.products, report.stock_set), (unchanged(1), 1), "only where it differs");
    assert_eq!(["MUG-BLUE", "MUG-RED", "MUG-GREEN"].map(|sku| world.inventory.level(sku).0), [6, 4, 9]);
}

#[actix_web::test]
async fn a_refused_file_changes_nothing_anywhere() {
    let world = World::new();
    let rows: String = (0..1_000).map(|n| format!("p-{n},P {n},Things,,,SKU-{n},1,1\n")).collect();
    let good = format!("{HEAD}{rows}");
    for bad in ["x,\"X,Things,,,X,1,1\n", "x,X,Things,,,X,1,abc\n", "x,X,Things\n", "p-0,P,Things,,,X,1,1\n"] {
        let refused = import_text(&world, &format!("{good}{bad}"), options()).await.expect_err(bad);
        assert!(matches!(refused, ShopError::UnreadableFile { line: 1_002, .. }), "{refused}");
    }
    assert_eq!(catalogue(&world).await, []);
    assert_eq!(world.inventory.script.calls(), Vec::<String>::new());
    assert!(import_text(&world, &good, options()).await.is_ok(), "without the bad row it is imported");
}

#[actix_web::test]
async fn a_dry_run_tells_what_would_be_done_and_does_nothing() {
    let world = World::new();
    let dry = ImportOptions { dry_run: true, ..options() };
    for name in ["clothing.csv", "remarks.csv"] {
        let before = catalogue(&world).await;
        let told = import_with(&world, &fixture(name), dry.clone()).await.expect("reads");
        assert_eq!(catalogue(&world).await, before);
        assert_eq!(told, import_with(&world, &fixture(name), options()).await.expect("imports"), "{name}");
        let again = import_with(&world, &fixture(name), dry.clone()).await.expect("reads");
        assert_eq!(again.0.products, unchanged(told.0.products.created));
        assert_eq!((again.0.skus_created, again.0.stock_set), (0, 0));
    }
    let calls = world.inventory.script.calls();
    let changed = format!("{HEAD}tea-towel,Tea Towel,Kitchen,,,TOWEL,1,8\nmat,Mat,Kitchen,,,WRAP,1,8\n");
    let told = import_text(&world, &changed, dry).await.expect("reads").0.products;
    assert_eq!(told, Products { changed: 1, refused: 1, ..Products::default() });
    assert_eq!(world.inventory.script.calls(), calls, "inventory is not asked for anything");
}

#[actix_web::test]
async fn a_sku_of_another_product_refuses_the_product_and_no_other() {
    let world = World::new();
    import_text(&world, &format!("{HEAD}mug,Mug,,,,MUG,5,8\n"), options()).await.expect("imports");
    let file = format!("{HEAD}cup,Cup,,Size,S,CUP-S,3,8\ncup,,,,M,MUG,7,8\npot,Pot,,,,POT,2,8\n");
    let (report, remarks) = import_text(&world, &file, options()).await.expect("imports");
    assert_eq!(report.products, Products { created: 1, refused: 1, ..Products::default() });
    assert_eq!(remarks.iter().map(|one| (one.line, one.code)).collect::<Vec<_>>(), [(2, RemarkCode::ProductRefused)]);
    assert_eq!(report.remarks.into_iter().collect::<Vec<_>>(), [("product_refused", 1)]);
    assert_eq!(["MUG", "CUP-S", "POT"].map(|sku| world.inventory.level(sku).0), [5, 0, 2]);
    assert!(world.inventory.registration("CUP-S").is_none());
}

#[actix_web::test]
async fn an_import_that_broke_off_is_finished_by_the_next_one() {
    let world = World::new();
    let file = format!("{HEAD}mug,Mug,,,,MUG,5,8\n");
    // Stock could not be set: the catalogue does not have the SKU either.
    for _ in 0..5 {
        world.inventory.script.plan("adjust", Mishap::Lost);
    }
    import_text(&world, &file, options()).await.expect_err("inventory is away");
    assert_eq!(catalogue(&world).await, []);
    let (report, _) = import_text(&world, &file, options()).await.expect("imports");
    assert_eq!((report.products, report.stock_set, world.inventory.level("MUG").0), (created(1), 1, 5));
}

#[actix_web::test]
async fn a_sku_that_is_in_the_catalogue_has_its_stock_even_if_the_import_was_killed_right_then() {
    let world = World::new();
    let file = format!("{HEAD}mug,Mug,,,,MUG,5,8\n");
    // The import registers the SKU and then the catalogue does; there it is killed.
    let gate = world.inventory.script.gate("register");
    gate.add_permits(1);
    let killed = async {
        while world.inventory.script.count("register") < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = import_text(&world, &file, options()) => panic!("it waits for inventory: {done:?}"),
        () = killed => {}
    }
    assert_eq!((catalogue(&world).await.len(), world.inventory.level("MUG").0), (1, 5));
    gate.add_permits(10);
    let (report, _) = import_text(&world, &file, options()).await.expect("imports");
    assert_eq!((report.products, report.stock_set, world.inventory.level("MUG").0), (unchanged(1), 0, 5));
}

#[actix_web::test]
async fn a_lost_answer_is_asked_for_again() {
    let world = World::new();
    world.inventory.script.plan("adjust", Mishap::Unanswered);
    let (report, _) = import_text(&world, &format!("{HEAD}mug,Mug,,,,MUG,5,8\n"), options()).await.expect("imports");
    assert_eq!((report.stock_set, world.inventory.script.count("adjust")), (1, 2));
}

#[actix_web::test]
async fn a_refused_quantity_is_a_remark_and_keeps_no_other_from_being_set() {
    let world = World::new();
    let refusal = |sku: &str| Mishap::Refused(InventoryError::BelowReserved { sku: sku.to_owned(), available: 1 });
    world.inventory.script.plan("adjust", refusal("MUG"));
    world.inventory.script.plan("adjust", refusal("MUG"));
    let file = format!("{HEAD}mug,Mug,,,,MUG,5,8\npot,Pot,,,,POT,2,8\n");
    let (report, remarks) = import_text(&world, &file, options()).await.expect("imports");
    assert_eq!((report.products, report.stock_set), (created(2), 1));
    assert_eq!(remarks.iter().map(|one| (one.line, one.code)).collect::<Vec<_>>(), [(2, RemarkCode::StockRefused)]);
    assert_eq!(world.inventory.level("POT").0, 2);
}

#[actix_web::test]
async fn what_is_exported_and_imported_is_the_same() {
    let world = World::new();
    for name in ["clothing.csv", "remarks.csv"] {
        import_with(&world, &fixture(name), options()).await.expect("imports");
    }
    assign_by_hand(&world).await;
    let (bytes, before) = (exported(&world).await, catalogue(&world).await);
    let text = String::from_utf8(bytes.clone()).expect("text");
    let set = ImportOptions { stock: StockMode::Set, ..options() };
    let (report, remarks) = import_text(&world, &text, set).await.expect("imports");
    assert_eq!((report.products, report.stock_set), (unchanged(8), 0));
    assert!(remarks.iter().all(|one| one.code == RemarkCode::PriceZero), "{remarks:?}");
    assert_eq!(catalogue(&world).await, before);
    let other = World::new();
    let (report, remarks) = import_text(&other, &text, options()).await.expect("imports");
    assert_eq!(report.products, created(8));
    assert!(remarks.iter().all(|one| one.code == RemarkCode::PriceZero), "{remarks:?}");
    assert_eq!(listings(&exported(&other).await), listings(&bytes));
}

/// What only people do: several categories or none, a supplier, a tag with a comma, other numbers of options.
async fn assign_by_hand(world: &World) {
    let products = catalogue(world).await;
    let of = |slug: &str| products.iter().find(|one| one.slug.as_str() == slug).map(ProductDraft::from).expect(slug);
    let slugs = world.shop.ensure_categories(&["Gifts".to_owned(), "Rain wear".to_owned()]).await.expect("made");
    let mut jacket = of("harbour-jacket");
    jacket.categories.extend(slugs.values().cloned());
    jacket.supplier = Some(common::user("supplier-ana"));
    jacket.tags.push("wind, rain".to_owned());
    jacket.skus[0].title = "Small one".to_owned();
    let mut towel = of("tea-towel");
    towel.categories.clear();
    towel.skus[0].options = vec!["Linen".to_owned()];
    let mut euro = of("mug");
    euro.slug = None;
    euro.title = "=Euro mug".to_owned();
    euro.skus.truncate(1);
    euro.skus[0].sku = Sku::parse("-EURO").expect("a SKU");
    euro.skus[0].price = Currency::parse("EUR").expect("euro").parse_decimal("7.77").expect("a price");
    euro.skus[0].compare_at = None;
    let written =
        world.shop.upsert_products(&Call::internal("test"), vec![jacket, towel, euro]).await.expect("written");
    assert!(written.iter().all(|one| one.outcome.is_ok()), "{written:?}");
}

#[actix_web::test]
async fn an_empty_catalogue_is_exported_and_imported() {
    let world = World::new();
    let text = String::from_utf8(exported(&world).await).expect("text");
    let (report, remarks) = import_text(&world, &text, options()).await.expect("imports");
    assert_eq!((report, remarks), (ImportReport::default(), vec![]));
}

#[actix_web::test]
async fn progress_tells_how_much_there_is_and_how_much_is_done() {
    let world = World::new();
    let rows: String = (0..450).map(|n| format!("p-{n},P {n},Things,,,SKU-{n},1,1\n")).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("products.csv");
    std::fs::write(&path, format!("{HEAD}{rows}")).expect("written");
    let mut told = Vec::new();
    import(&world.shop, &Call::internal("import"), &path, options(), |progress| told.push(progress))
        .await
        .expect("imports");
    let done = |skus| Progress::Done { skus };
    assert_eq!(told, [Progress::Checked { products: 450, skus: 450 }, done(200), done(400), done(450)]);
}
