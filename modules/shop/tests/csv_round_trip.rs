//! What is written is read back as it was, from a file and through the catalogue of a shop.
#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::World;
use common::drafts::draft;
use emporium_inventory_api::Sku;
use emporium_kernel::{Call, Currency, Money};
use emporium_shop::catalogue::{Image, ProductDraft, SkuDraft, Slug, Status};
use emporium_shop::csv::{
    Columns, ImportOptions, ImportReport, Listing, ProductFile, ProductWriter, Products, Read, StockMode, export,
    import,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn written(listings: &[Listing]) -> Vec<u8> {
    let mut columns = Columns::default();
    listings.iter().for_each(|listing| columns.meet(listing));
    let mut bytes = Vec::new();
    let mut writer = ProductWriter::start(&mut bytes, columns).expect("starts");
    for listing in listings {
        assert!(writer.write(listing).expect("writes"), "all columns were met");
    }
    writer.finish().expect("finishes");
    bytes
}

fn read(bytes: &[u8]) -> Vec<Read> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("products.csv");
    std::fs::write(&path, bytes).expect("written");
    let mut file = ProductFile::open(&path, Currency::USD)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)));
    std::iter::from_fn(|| file.next_product().expect("checked before")).collect()
}

/// A text of one line as the catalogue keeps it: trimmed, without control characters, now and then like a formula.
fn line() -> impl Strategy<Value = String> {
    "['=+@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}-]{0,2}[A-Za-zäЖ\"',;|/<>.°-][ A-Za-z0-9\"',;|&-]{0,12}"
        .prop_map(|text| text.trim().to_owned())
        .prop_filter("not blank", |text| !text.is_empty())
}

fn blank_or_line() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), line()]
}

/// A short text that may have line breaks.
fn prose() -> impl Strategy<Value = String> {
    prop_oneof![blank_or_line(), "['=\u{ff0d}-]?[a-z,\"]{1,5}[\n\r\t ][a-zé'\"]{1,5}"]
}

fn body() -> impl Strategy<Value = String> {
    "([\t '=<\u{ff20}]|\r\n|\n)?[a-z<>\"',\n\r\t \u{feff}\u{99}é]{0,40}"
}

fn extra(prefix: &'static str) -> impl Strategy<Value = BTreeMap<String, String>> {
    let name = prop_oneof![Just("One"), Just("Weight Unit"), Just("=Sum"), Just("'tis")];
    btree_map(name.prop_map(move |name| format!("{prefix}{name}")), body().prop_filter("kept", |c| !c.is_empty()), 0..3)
}

fn sku(options: usize, unlike: bool) -> impl Strategy<Value = (SkuDraft, Option<i64>)> {
    let value = if unlike { line().boxed() } else { blank_or_line().boxed() };
    let currency = prop_oneof![Just(Currency::USD), Just(Currency::parse("JPY").expect("yen"))];
    let price = (0..=Money::MAX, option::of(0..1_000_000i64), currency);
    let names = (line(), prose(), vec(value, options));
    (names, price, prose(), 0..=i64::from(u32::MAX), extra("Variant "), option::of(0..=1_000_000_000i64)).prop_map(
        |((sku, title, options), (amount, before, currency), image, grams, extra, pieces)| {
            let money = |amount| Money::new(amount, currency).expect("in range");
            let title = if title == "Default Title" { String::new() } else { title };
            let draft = SkuDraft {
                sku: Sku::parse(&sku).expect("a line"),
                title,
                options,
                price: money(amount),
                compare_at: before.map(money),
                barcode: image.clone(),
                grams,
                image: image.replace(['\n', '\r', '\t'], "").trim().to_owned(),
                extra,
            };
            (draft, pieces)
        },
    )
}

fn listing() -> impl Strategy<Value = Listing> {
    let options = prop_oneof![
        Just(Vec::new()),
        Just(vec!["Title".to_owned()]),
        Just(vec!["Title".to_owned(), "Size".to_owned()]),
        vec(line(), 1..=3)
    ];
    let skus = options.prop_flat_map(|options| {
        // Now and then a variant has more or fewer values than its product has options.
        let variant = prop_oneof![9 => Just(None), 1 => (0..=3usize).prop_map(Some)];
        let count = options.len();
        let variant =
            variant.prop_flat_map(move |other| sku(other.unwrap_or(count), other.is_some_and(|n| n != count)));
        (vec(variant, 1..5), Just(options))
    });
    let image = (line(), prose()).prop_map(|(src, alt)| Image { src, alt });
    let status = prop_oneof![Just(Status::Active), Just(Status::Draft), Just(Status::Archived)];
    let supplier = option::of(Just(format!("usr_{}", "0".repeat(26))));
    let texts = (line(), body(), prose(), prose());
    let lists = (vec(line(), 0..4), vec(image, 0..7), vec(line(), 0..3));
    (texts, lists, skus, status, supplier, extra("SEO ")).prop_map(
        |((title, description, vendor, kind), (tags, images, categories), (skus, options), status, supplier, extra)| {
            let stock = skus.iter().filter_map(|(draft, pieces)| pieces.map(|n| (draft.sku.clone(), n))).collect();
            let skus = skus.into_iter().map(|(draft, _)| draft).collect();
            let slug = None;
            let draft = ProductDraft {
                slug,
                title,
                description,
                vendor,
                kind,
                tags,
                status,
                supplier,
                options,
                images,
                categories: Vec::new(),
                skus,
                extra,
            };
            Listing { draft, categories, stock }
        },
    )
}

/// Products as a catalogue holds them: every slug and SKU is there once.
fn catalogue() -> impl Strategy<Value = Vec<Listing>> {
    (vec(listing(), 0..6), btree_set("[a-zж0-9]{1,5}(-[a-z0-9]{1,3}){0,2}", 6)).prop_map(|(listings, slugs)| {
        let mut taken = BTreeSet::new();
        let slugs = slugs.iter().map(|slug| Slug::parse(slug).expect("a slug"));
        let mut named: Vec<Listing> = listings
            .into_iter()
            .zip(slugs)
            .map(|(mut listing, slug)| {
                listing.draft.slug = Some(slug);
                listing.draft.skus.retain(|sku| taken.insert(sku.sku.clone()));
                let kept: BTreeSet<Sku> = listing.draft.skus.iter().map(|sku| sku.sku.clone()).collect();
                listing.stock.retain(|sku, _| kept.contains(sku));
                listing
            })
            .collect();
        named.retain(|listing| !listing.draft.skus.is_empty());
        named
    })
}

/// The same, but some products have types and categories that others have too, spelt in other ways.
fn sharing() -> impl Strategy<Value = Vec<Listing>> {
    let name = || select(vec!["Rain wear", "rain-wear", "Tea & Coffee", "TEA, coffee", "--"]).prop_map(str::to_owned);
    let shared = (option::of(name()), option::of(vec(name(), 0..4)));
    (catalogue(), vec(shared, 6)).prop_map(|(mut catalogue, shared)| {
        for (listing, (kind, categories)) in catalogue.iter_mut().zip(shared) {
            if let Some(kind) = kind {
                listing.draft.kind = kind;
            }
            if let Some(categories) = categories {
                listing.categories = categories;
            }
        }
        catalogue
    })
}

const LIKE_A_FORMULA: [char; 11] =
    ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_written_is_read_back_without_a_remark(catalogue in catalogue()) {
        let bytes = written(&catalogue);
        let read = read(&bytes);
        let remarks: Vec<String> = read.iter().flat_map(|read| &read.remarks).map(ToString::to_string).collect();
        let listings: Vec<Listing> = read.into_iter().map(|read| read.listing).collect();
        prop_assert_eq!(&listings, &catalogue, "{}", String::from_utf8_lossy(&bytes));
        prop_assert_eq!(remarks, Vec::<String>::new());
        prop_assert_eq!(written(&listings), bytes, "and written again it is the same file");
    }

    #[test]
    fn no_cell_begins_like_a_formula(catalogue in catalogue()) {
        let bytes = written(&catalogue);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
        for record in reader.records() {
            for cell in record.expect("a record").iter() {
                prop_assert!(!cell.starts_with(LIKE_A_FORMULA), "{cell:?}");
                prop_assert!(!cell.trim_start().starts_with(LIKE_A_FORMULA), "{cell:?}");
            }
        }
    }
}

/// A shop takes a file in.
async fn taken_in(world: &World, bytes: &[u8]) -> ImportReport {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("products.csv");
    std::fs::write(&path, bytes).expect("written");
    let actor = "import".to_owned();
    let options = ImportOptions { dry_run: false, stock: StockMode::Set, currency: Currency::USD, actor };
    import(&world.shop, &Call::internal("import"), &path, options, |_| {}).await.expect("imports")
}

async fn given_out(world: &World) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(&world.shop, &Call::internal("export"), &mut bytes, |_, _| {}).await.expect("exports");
    bytes
}

/// The categories that names lead to, in whatever way these are spelt.
fn slugs<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().filter_map(Slug::from_words).map(|slug| slug.to_string()).collect()
}

/// What a catalogue keeps of a file: products in no order, categories as a set, and none of what nobody counted.
fn kept(bytes: &[u8]) -> Vec<Listing> {
    let mut listings: Vec<Listing> = read(bytes).into_iter().map(|read| read.listing).collect();
    for listing in &mut listings {
        listing.categories = slugs(listing.categories.iter().map(String::as_str)).into_iter().collect();
        for sku in &listing.draft.skus {
            listing.stock.entry(sku.sku.clone()).or_insert(0);
        }
    }
    listings.sort_by(|a, b| a.draft.slug.cmp(&b.draft.slug));
    listings
}

/// The rows as a set, with categories by their slugs.
fn cells(bytes: &[u8]) -> BTreeSet<BTreeMap<String, String>> {
    let mut rows = rows(bytes);
    for row in &mut rows {
        if let Some(cell) = row.get_mut("Emporium Categories") {
            *cell = slugs(cell.split('\n')).into_iter().collect::<Vec<_>>().join("\n");
        }
    }
    rows.into_iter().collect()
}

/// From a file into a shop, out of it and into the same shop, and into another one.
async fn through_shops(file: &[u8], count: usize) {
    let count = u64::try_from(count).expect("few");
    let created = Products { created: count, ..Products::default() };
    let unchanged = Products { unchanged: count, ..Products::default() };
    let world = World::new();
    assert_eq!(taken_in(&world, file).await.products, created);
    let out = given_out(&world).await;
    assert_eq!(kept(&out), kept(file), "{}", String::from_utf8_lossy(&out));

    let before = world.shop.all_products(None, 1_000).await.expect("reads");
    world.hand.advance(Duration::from_secs(60));
    let again = taken_in(&world, &out).await;
    assert_eq!((again.products, again.skus_created, again.stock_set), (unchanged, 0, 0), "what came from it");
    assert_eq!(world.shop.all_products(None, 1_000).await.expect("reads"), before);
    assert_eq!(given_out(&world).await, out);

    let other = World::new();
    assert_eq!(taken_in(&other, &out).await.products, created);
    let moved = given_out(&other).await;
    assert_eq!(kept(&moved), kept(&out), "{}", String::from_utf8_lossy(&moved));
    assert_eq!(cells(&moved), cells(&out));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn what_goes_through_a_shop_comes_out_as_it_was(catalogue in sharing()) {
        actix_web::rt::System::new().block_on(through_shops(&written(&catalogue), catalogue.len()));
    }
}

/// The category of a type with a line break was written as two of them.
#[actix_web::test]
async fn a_type_of_two_lines_is_one_category() {
    let categories = vec!["Gifts".to_owned(), "Rain wear".to_owned()];
    let mut coat = Listing { draft: draft("coat", "Coat", &[("COAT", 900)]), categories, stock: BTreeMap::new() };
    coat.draft.kind = "Rain\nwear".to_owned();
    through_shops(&written(&[coat]), 1).await;
}

#[test]
fn what_begins_like_a_formula_is_read_as_it_was_from_our_file_and_from_another() {
    let behind = [" =".to_owned(), "\u{a0}+".to_owned()];
    for sign in LIKE_A_FORMULA.map(String::from).into_iter().chain(behind) {
        let cell = format!("{sign}1");
        let foreign = format!("Handle,Title,Body (HTML),Variant Price\nmug,Mug,\"'{cell}\",1.00\n");
        let listings: Vec<Listing> = read(foreign.as_bytes()).into_iter().map(|read| read.listing).collect();
        assert_eq!(listings.iter().map(|listing| &listing.draft.description).collect::<Vec<_>>(), [&cell]);
        let ours = written(&listings);
        assert_eq!(rows(&ours)[0]["Body (HTML)"], format!("'{cell}"));
        assert_eq!(read(&ours).into_iter().map(|read| read.listing).collect::<Vec<_>>(), listings);
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(path).expect("a fixture")
}

/// The rows of a file as they are, by the names of their columns.
fn rows(bytes: &[u8]) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(bytes);
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

#[test]
fn a_file_of_shopify_is_given_back_cell_by_cell() {
    let listings: Vec<Listing> = read(&fixture("clothing.csv")).into_iter().map(|read| read.listing).collect();
    let given_back = rows(&written(&listings));
    let original = rows(&fixture("clothing.csv"));
    assert_eq!(given_back.len(), original.len());
    for (row, original) in given_back.iter().zip(&original) {
        for (column, cell) in original {
            let alike = if column == "Variant Price" && cell == "9.5" { "9.50" } else { cell.as_str() };
            assert_eq!(row.get(column).map(String::as_str), Some(alike), "{column}");
        }
    }
}

#[test]
fn shopifys_columns_come_first_and_in_its_order() {
    let bytes = written(&[]);
    let header = String::from_utf8(bytes).expect("text");
    assert!(header.starts_with("Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,"));
    assert!(header.ends_with("Variant Image,Variant Weight Unit,Status,Emporium Currency\n"));
}

#[test]
fn a_product_that_needs_another_column_is_not_written_by_half() {
    let listings: Vec<Listing> = read(&fixture("remarks.csv")).into_iter().map(|read| read.listing).collect();
    let mut needy = listings[0].clone();
    needy.draft.extra.insert("Fabric".to_owned(), "linen".to_owned());
    let mut writer = ProductWriter::start(Vec::new(), Columns::default()).expect("starts");
    assert!(writer.write(&listings[0]).expect("writes"));
    assert!(!writer.write(&needy).expect("writes nothing"));
}
