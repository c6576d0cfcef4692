//! Product files as they are read: what arrives, what is remarked on, and what is refused.
#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

use std::path::{Path, PathBuf};

use emporium_kernel::{Currency, Money};
use emporium_shop::ShopError;
use emporium_shop::catalogue::{Image, Status};
use emporium_shop::csv::{ProductFile, Read, RemarkCode};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn read_all(path: &Path) -> Result<Vec<Read>, ShopError> {
    let mut file = ProductFile::open(path, Currency::USD)?;
    let (products, skus) = (file.products(), file.skus());
    let mut read = Vec::new();
    while let Some(product) = file.next_product()? {
        read.push(product);
    }
    assert_eq!(products, read.len() as u64, "the first pass counts what the second reads");
    assert_eq!(skus, read.iter().map(|product| product.listing.draft.skus.len() as u64).sum::<u64>());
    Ok(read)
}

fn read_bytes(bytes: &[u8]) -> Result<Vec<Read>, ShopError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("products.csv");
    std::fs::write(&path, bytes).expect("written");
    read_all(&path)
}

fn read_text(text: &str) -> Vec<Read> {
    read_bytes(text.as_bytes()).expect(text)
}

fn refused(bytes: &[u8]) -> (u64, String) {
    match read_bytes(bytes) {
        Err(ShopError::UnreadableFile { line, reason }) => (line, reason),
        other => panic!("{} must be refused, not {other:?}", String::from_utf8_lossy(bytes)),
    }
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD).expect("in range")
}

fn skus(read: &[Read]) -> Vec<String> {
    read.iter().flat_map(|product| product.listing.draft.skus.iter().map(|sku| sku.sku.to_string())).collect()
}

fn remarks(read: &[Read]) -> Vec<(u64, RemarkCode)> {
    read.iter().flat_map(|product| product.remarks.iter().map(|remark| (remark.line, remark.code))).collect()
}

/// The remarks of files whose SKUs do not matter.
fn remarks_but_made(read: &[Read]) -> Vec<(u64, RemarkCode)> {
    remarks(read).into_iter().filter(|(_, code)| *code != RemarkCode::SkuMade).collect()
}

#[test]
fn a_product_of_many_rows_arrives_whole() {
    let read = read_all(&fixture("clothing.csv")).expect("reads");
    assert_eq!(remarks(&read), [(8, RemarkCode::PriceZero)]);
    let jacket = &read[0].listing;
    let draft = &jacket.draft;
    assert_eq!(draft.slug.as_ref().map(|slug| slug.as_str()), Some("harbour-jacket"));
    assert_eq!(
        (draft.title.as_str(), draft.vendor.as_str(), draft.kind.as_str(), draft.status),
        ("Harbour Jacket", "North Pier", "Jackets", Status::Active)
    );
    assert!(draft.description.ends_with("closes, and:</p>\n<ul><li>two pockets</li></ul>"), "{}", draft.description);
    assert!(draft.description.contains("\"storm\""));
    assert_eq!(draft.tags, ["Rain", "Outdoor", "New"]);
    assert_eq!(draft.options, ["Size", "Color", "Lining"]);
    assert_eq!(jacket.categories, ["Jackets"]);
    let image = |name: &str, alt: &str| Image { src: format!("https://img.example/{name}.jpg"), alt: alt.to_owned() };
    assert_eq!(
        draft.images,
        [
            image("jacket-front", "From the front"),
            image("jacket-back", ""),
            image("jacket-worn", "Worn at sea"),
            image("jacket-collar", "")
        ]
    );
    assert_eq!(draft.extra["SEO Title"], "Harbour Jacket | North Pier");
    assert_eq!(draft.extra["Gift Card"], "false");
    assert!(!draft.extra.contains_key("Variant Taxable"));
}

#[test]
fn variants_have_options_prices_and_quantities() {
    let read = read_all(&fixture("clothing.csv")).expect("reads");
    let jacket = &read[0].listing;
    let [m, navy, olive] = jacket.draft.skus.as_slice() else { panic!("three variants") };
    assert_eq!((m.sku.as_str(), m.title.as_str()), ("HJ-M-NAVY", "M / Navy / Wool"));
    assert_eq!(m.options, ["M", "Navy", "Wool"]);
    assert_eq!((m.price, m.compare_at, m.grams), (usd(12_900), Some(usd(14_950)), 950));
    assert_eq!((m.barcode.as_str(), m.image.as_str()), ("4006381333931", "https://img.example/jacket-navy.jpg"));
    assert_eq!(navy.compare_at, None);
    assert_eq!((olive.extra["Variant Weight Unit"].as_str(), olive.extra["Variant Taxable"].as_str()), ("kg", "false"));
    let stock: Vec<(&str, i64)> = jacket.stock.iter().map(|(sku, pieces)| (sku.as_str(), *pieces)).collect();
    assert_eq!(stock, [("HJ-L-NAVY", 0), ("HJ-L-OLIVE", 12), ("HJ-M-NAVY", 7)]);
}

#[test]
fn an_option_called_title_is_no_option() {
    let read = read_all(&fixture("clothing.csv")).expect("reads");
    let [wrap, towel] = [&read[1].listing, &read[2].listing];
    assert_eq!((wrap.draft.options.len(), wrap.draft.skus[0].title.as_str()), (0, ""));
    assert_eq!((towel.draft.options.len(), towel.draft.skus[0].title.as_str()), (0, "Striped"));
    assert_eq!((wrap.draft.status, wrap.draft.skus[0].price), (Status::Draft, usd(0)), "price 0 is allowed");
    assert!(wrap.stock.is_empty(), "it says no quantity");
    assert!(wrap.categories.is_empty(), "it has no type");
    assert_eq!(towel.draft.skus[0].price, usd(950));
}

#[test]
fn what_is_changed_on_the_way_in_is_remarked_on_row_by_row() {
    use RemarkCode::*;
    let read = read_all(&fixture("remarks.csv")).expect("reads");
    assert_eq!(
        remarks(&read),
        [
            (3, SkuRepeated),
            (4, SkuMade),
            (5, ApostropheDropped),
            (5, ApostropheDropped),
            (5, NegativeQuantity),
            (6, InvalidStatus),
            (6, InvalidQuantity),
            (6, InvalidGrams),
            (6, SkuRepeated),
            (7, ApostropheDropped),
            (7, PriceZero),
            (7, InvalidGrams),
            (8, HandleChanged),
            (8, TextCleaned),
            (10, ValueIgnored),
            (10, ValueIgnored),
        ]
    );
    assert_eq!(skus(&read), ["MUG", "MUG-2", "mug-green", "0042", "MUG-3", "PLATE", "bowl"]);
    let [mug, bowl, plate, soup] = read.as_slice() else { panic!("four products") };
    assert_eq!(mug.listing.draft.skus[3].barcode, "4006381333931");
    assert_eq!(mug.listing.stock.values().copied().collect::<Vec<_>>(), [0, 5, 5, 5]);
    assert_eq!((bowl.listing.draft.status, bowl.listing.draft.skus[0].grams), (Status::Draft, 13));
    assert_eq!(
        (plate.listing.draft.skus[0].options.clone(), plate.listing.draft.skus[0].grams),
        (vec!["-30°".into()], 0)
    );
    assert_eq!((soup.listing.draft.title.as_str(), soup.handle.as_str()), ("Soup Plate", "Soup_Plate"));
    assert_eq!(soup.listing.draft.slug.as_ref().map(|slug| slug.as_str()), Some("soup-plate"));
    assert_eq!(soup.listing.draft.status, Status::Archived);
}

#[test]
fn remarks_say_where_what_and_what_was_applied() {
    let read = read_all(&fixture("remarks.csv")).expect("reads");
    let said: Vec<String> = read[0].remarks.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "line 3: mug: the SKU MUG was there before; this one became MUG-2 (sku_repeated)",
            "line 4: mug: there was no SKU; it got mug-green (sku_made)",
            "line 5: mug: dropped the apostrophe before Variant SKU (apostrophe_dropped)",
            "line 5: mug: dropped the apostrophe before Variant Barcode (apostrophe_dropped)",
            "line 5: mug: the quantity -3 became 0 (negative_quantity)",
        ]
    );
}

#[test]
fn skus_are_the_same_on_every_run() {
    let first = skus(&read_all(&fixture("remarks.csv")).expect("reads"));
    assert_eq!(first, skus(&read_all(&fixture("remarks.csv")).expect("reads again")));
}

#[test]
fn a_given_sku_wins_over_made_and_numbered_ones_wherever_it_stands() {
    let read = read_text(
        "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\n\
         cup,Cup,Size,S,,1\ncup,,,M,X,1\ncup,,,L,X,1\n\
         pot,Pot,Title,Default Title,cup-s,1\npan,Pan,Title,Default Title,X-2,1\n",
    );
    assert_eq!(skus(&read), ["cup-s-2", "X", "X-3", "cup-s", "X-2"]);
}

#[test]
fn a_sku_that_is_too_long_is_shortened() {
    let long = "L".repeat(80);
    let read = read_text(&format!("Handle,Title,Variant SKU,Variant Price\na,A,{long},1\nb,B,{long},1\n"));
    assert_eq!(
        remarks(&read).iter().map(|(_, code)| code.name()).collect::<Vec<_>>(),
        ["sku_shortened", "sku_shortened", "sku_repeated"]
    );
    assert!(skus(&read).iter().all(|sku| sku.chars().count() <= 64));
}

#[test]
fn columns_stand_in_any_order_and_lines_end_as_they_like() {
    let rows = "Variant Price,Colour code,Title,Handle\r\n1.5,,Cup,cup\r\n\r\n2,0xff,\"Pot\r\nlid\",pot\r\n,,,\r\n";
    for text in [rows.to_owned(), format!("\u{feff}{rows}"), rows.replace("\r\n", "\n"), rows.trim_end().to_owned()] {
        let read = read_text(&text);
        assert_eq!(
            read.iter().map(|product| product.listing.draft.skus[0].price).collect::<Vec<_>>(),
            [usd(150), usd(200)]
        );
        assert_eq!(read[1].listing.draft.extra["Colour code"], "0xff");
        assert_eq!(remarks_but_made(&read), [(4, RemarkCode::TextCleaned)], "{text:?}");
    }
}

#[test]
fn the_first_row_may_be_quoted_behind_a_byte_order_mark() {
    let read = read_text("\u{feff}\"Handle\",\"Title\",\"Variant Price\"\ncup,Cup,1\n");
    assert_eq!(read.len(), 1);
}

#[test]
fn status_wins_over_published_and_the_other_is_kept() {
    let read = read_text(
        "Handle,Title,Variant Price,Published,Status\n\
         a,A,1,TRUE,draft\nb,B,1,false,Active\nc,C,1,,\nd,D,1,false,\ne,E,1,true,active\nf,F,1,maybe,\n",
    );
    let status: Vec<Status> = read.iter().map(|product| product.listing.draft.status).collect();
    use Status::*;
    assert_eq!(status, [Draft, Active, Active, Draft, Active, Draft]);
    let kept: Vec<Option<&str>> =
        read.iter().map(|product| product.listing.draft.extra.get("Published").map(String::as_str)).collect();
    assert_eq!(kept, [Some("true"), Some("false"), None, None, None, None]);
    assert_eq!(remarks_but_made(&read), [(7, RemarkCode::InvalidStatus)]);
}

#[test]
fn pictures_stand_in_the_order_of_their_positions() {
    let read = read_text(
        "Handle,Title,Variant Price,Image Src,Image Position,Image Alt Text\n\
         a,A,1,two,2,second\na,,,one,1,first\na,,,,,lost\n",
    );
    let images: Vec<&str> = read[0].listing.draft.images.iter().map(|image| image.src.as_str()).collect();
    assert_eq!(images, ["one", "two"]);
    assert_eq!(remarks_but_made(&read), [(4, RemarkCode::ValueIgnored)]);
}

#[test]
fn every_currency_has_its_own_decimals() {
    let header = "Handle,Title,Variant Price,Emporium Currency\n";
    let read = read_text(&format!("{header}a,A,1500,JPY\nb,B,1.234,KWD\nc,C,1.20,\n"));
    let prices: Vec<String> = read.iter().map(|product| product.listing.draft.skus[0].price.to_string()).collect();
    assert_eq!(prices, ["1500 JPY", "1.234 KWD", "1.20 USD"]);
    assert_eq!(refused(format!("{header}a,A,1.5,JPY\n").as_bytes()).0, 2);
    assert_eq!(refused(format!("{header}a,A,1.5,XXX\n").as_bytes()).0, 2);
}

#[test]
fn a_file_with_products_but_without_rows_is_empty_and_fine() {
    assert_eq!(read_text("Handle,Title,Variant Price\n"), []);
}

#[test]
fn a_file_that_is_not_in_the_format_is_refused_with_the_line() {
    const HEAD: &str = "Handle,Title,Variant Price\n";
    for (bytes, line, word) in [
        (String::new(), 1, "empty"),
        ("sku;name;price\n1;2;3\n".to_owned(), 1, "no column Handle"),
        ("Handle,Title\na,A\n".to_owned(), 1, "no column Variant Price"),
        ("Handle,Title,Title,Variant Price\n".to_owned(), 1, "twice"),
        (format!("{HEAD}a,\"A,1\nb,B,2\n"), 2, "never closed"),
        (format!("{HEAD}a,A,1\nb,12\" pan,2\n"), 3, "inside a cell"),
        (format!("{HEAD}a,\"A\" b,1\n"), 2, "follows"),
        (format!("{HEAD}a,A,1\nb,B\n"), 3, "2 cells"),
        (format!("{HEAD}a,A,1,x\n"), 2, "4 cells"),
        (format!("{HEAD}a,A\0,1\n"), 2, "NUL"),
        (format!("{HEAD}a,A,1\rb,B,1\n"), 2, "carriage return"),
        (format!("{HEAD},A,1\n"), 2, "no Handle"),
        (format!("{HEAD}***,A,1\n"), 2, "neither letter nor digit"),
        (format!("{HEAD}a,,1\n"), 2, "no Title"),
        (format!("{HEAD}a,A,\n"), 2, "no variant"),
        (format!("{HEAD}a,A,1\nb,B,1\na,,1\n"), 4, "comes again"),
        (format!("{HEAD}a,A,1\nA,B,1\n"), 3, "comes again"),
        (format!("{HEAD}a,{},1\n", "x".repeat(256)), 2, "longer than 255"),
    ] {
        let (found, reason) = refused(bytes.as_bytes());
        assert_eq!(found, line, "{bytes:?}: {reason}");
        assert!(reason.contains(word), "{bytes:?}: {reason}");
    }
}

#[test]
fn a_price_that_cannot_be_read_refuses_the_file() {
    for bad in ["abc", "-1", "1.999", "$5", "\"1,50\"", "1e3", "90071992547410.00", "."] {
        let text = format!("Handle,Title,Variant Price,Variant Compare At Price\na,A,1,\nb,B,{bad},\n");
        assert_eq!(refused(text.as_bytes()).0, 3, "{bad}");
        let text = format!("Handle,Title,Variant Price,Variant Compare At Price\na,A,1,\nb,B,1,{bad}\n");
        assert_eq!(refused(text.as_bytes()).0, 3, "{bad}");
    }
    let missing = "Handle,Title,Variant SKU,Variant Price\na,A,S-1,1\na,,S-2,\n";
    assert_eq!(refused(missing.as_bytes()), (3, "a variant of a has no Variant Price".to_owned()));
}

#[test]
fn another_encoding_is_refused() {
    let latin1 = b"Handle,Title,Variant Price\na,A,1\nb,Caf\xe9,1\n";
    let (line, reason) = refused(latin1);
    assert_eq!(line, 3);
    assert!(reason.contains("UTF-8"), "{reason}");
    let text = "Handle,Title,Variant Price\na,A,1\n";
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert!(refused(&utf16).1.contains("UTF-8"));
}

#[test]
fn an_option_value_needs_the_name_of_its_option() {
    let text = "Handle,Title,Option1 Name,Option1 Value,Option2 Value,Variant Price\na,A,Size,M,Red,1\n";
    assert_eq!(refused(text.as_bytes()), (2, "Option2 Value has no name in the product's first row".to_owned()));
}

#[test]
fn a_product_has_at_most_2048_variants() {
    let rows = |n: usize| {
        let rest: String = (1..n).map(|i| format!("a,,{i},1\n")).collect();
        format!("Handle,Title,Variant SKU,Variant Price\na,A,0,1\n{rest}")
    };
    assert_eq!(read_text(&rows(2_048))[0].listing.draft.skus.len(), 2_048);
    assert!(refused(rows(2_049).as_bytes()).1.contains("more than 2048"));
    assert!(refused(rows(3_000).as_bytes()).1.contains("more than 2048"));
}

#[test]
fn what_is_no_file_is_refused() {
    for path in [PathBuf::from("/nowhere/products.csv"), std::env::temp_dir()] {
        assert!(matches!(read_all(&path), Err(ShopError::UnreadableFile { line: 0, .. })), "{}", path.display());
    }
}
