//! Products as rows of Shopify's format.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use emporium_kernel::Money;

use crate::catalogue::{ProductDraft, SkuDraft};
use crate::csv::cell::guard;
use crate::csv::column::Field;
use crate::csv::product::published_of;
use crate::csv::variant::{NO_TITLE, joined};
use crate::csv::{Listing, categories_of};

/// Shopify's columns in Shopify's order.
const SHOPIFY: [&str; 46] = [
    "Handle",
    "Title",
    "Body (HTML)",
    "Vendor",
    "Type",
    "Tags",
    "Published",
    "Option1 Name",
    "Option1 Value",
    "Option2 Name",
    "Option2 Value",
    "Option3 Name",
    "Option3 Value",
    "Variant SKU",
    "Variant Grams",
    "Variant Inventory Tracker",
    "Variant Inventory Qty",
    "Variant Inventory Policy",
    "Variant Fulfillment Service",
    "Variant Price",
    "Variant Compare At Price",
    "Variant Requires Shipping",
    "Variant Taxable",
    "Variant Barcode",
    "Image Src",
    "Image Position",
    "Image Alt Text",
    "Gift Card",
    "SEO Title",
    "SEO Description",
    "Google Shopping / Google Product Category",
    "Google Shopping / Gender",
    "Google Shopping / Age Group",
    "Google Shopping / MPN",
    "Google Shopping / AdWords Grouping",
    "Google Shopping / AdWords Labels",
    "Google Shopping / Condition",
    "Google Shopping / Custom Product",
    "Google Shopping / Custom Label 0",
    "Google Shopping / Custom Label 1",
    "Google Shopping / Custom Label 2",
    "Google Shopping / Custom Label 3",
    "Google Shopping / Custom Label 4",
    "Variant Image",
    "Variant Weight Unit",
    "Status",
];

/// A row: the cells that have something in them, by column.
type Cells<'a> = BTreeMap<&'a str, Cow<'a, str>>;

/// The columns of a file to be written: Shopify's, then those that its products need besides, then the currency, by
/// which a file is known as ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns(BTreeSet<String>);

impl Columns {
    /// Takes note of the columns a product needs. Every product that is written must have been met.
    pub fn meet(&mut self, listing: &Listing) {
        for row in rows(listing) {
            for name in row.keys().filter(|name| !is_fixed(name)) {
                if !self.0.contains(*name) {
                    self.0.insert((*name).to_owned());
                }
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let last = std::iter::once(Field::Currency.name());
        SHOPIFY.into_iter().chain(self.0.iter().map(String::as_str)).chain(last)
    }

    fn hold(&self, row: &Cells) -> bool {
        row.keys().all(|name| is_fixed(name) || self.0.contains(*name))
    }
}

fn is_fixed(name: &str) -> bool {
    name == Field::Currency.name() || SHOPIFY.contains(&name)
}

/// Writes a product file.
#[derive(Debug)]
pub struct ProductWriter<W: Write> {
    columns: Columns,
    out: csv::Writer<W>,
}

impl<W: Write> ProductWriter<W> {
    /// Writes the first row.
    pub fn start(out: W, columns: Columns) -> io::Result<Self> {
        let mut out = csv::Writer::from_writer(out);
        out.write_record(columns.names().map(|name| guard(name).into_owned()))?;
        Ok(Self { columns, out })
    }

    /// Writes the rows of a product; `false`, and nothing is written, when it needs a column that was not met.
    pub fn write(&mut self, listing: &Listing) -> io::Result<bool> {
        let rows = rows(listing);
        if !rows.iter().all(|row| self.columns.hold(row)) {
            return Ok(false);
        }
        for row in rows {
            let cells = self.columns.names().map(|name| row.get(name).map_or("".as_bytes(), |cell| cell.as_bytes()));
            self.out.write_record(cells)?;
        }
        Ok(true)
    }

    /// Writes what is still in memory.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The rows of a product: one for each variant, the pictures from the first row on, and rows of their own for the
/// pictures that are left.
fn rows(listing: &Listing) -> Vec<Cells<'_>> {
    let draft = &listing.draft;
    let count = draft.skus.len().max(draft.images.len()).max(1);
    (0..count).map(|at| row(listing, at)).collect()
}

fn row(listing: &Listing, at: usize) -> Cells<'_> {
    let draft = &listing.draft;
    let mut row = Cells::new();
    if let Some(sku) = draft.skus.get(at) {
        kept(&mut row, &sku.extra);
        variant(&mut row, draft, sku);
        let pieces = listing.stock.get(&sku.sku).map(i64::to_string);
        put(&mut row, Field::Quantity, pieces.unwrap_or_default());
    }
    if at == 0 {
        kept(&mut row, &draft.extra);
        product(&mut row, listing);
    }
    if let Some(image) = draft.images.get(at) {
        text(&mut row, Field::ImageSrc, &image.src);
        put(&mut row, Field::ImagePosition, (at + 1).to_string());
        text(&mut row, Field::ImageAlt, &image.alt);
    }
    text(&mut row, Field::Handle, draft.slug.as_ref().map_or("", |slug| slug.as_str()));
    row
}

fn product<'a>(row: &mut Cells<'a>, listing: &'a Listing) {
    let draft = &listing.draft;
    text(row, Field::Title, &draft.title);
    text(row, Field::Body, &draft.description);
    text(row, Field::Vendor, &draft.vendor);
    text(row, Field::Type, &draft.kind);
    put(row, Field::Tags, guard(&draft.tags.join(", ")).into_owned());
    if draft.tags.iter().any(|tag| tag.contains(',')) {
        put(row, Field::TagLines, lines(&draft.tags));
    }
    row.entry(Field::Published.name()).or_insert(published_of(draft.status).into());
    put(row, Field::Status, draft.status.name());
    text(row, Field::Supplier, draft.supplier.as_deref().unwrap_or_default());
    if listing.categories != categories_of(&draft.kind) {
        put(row, Field::Categories, lines(&listing.categories));
    }
    if draft.options.is_empty() {
        put(row, Field::Option1Name, "Title");
    }
    for (name, (field, _)) in draft.options.iter().zip(Field::OPTIONS) {
        text(row, field, name);
    }
}

fn variant<'a>(row: &mut Cells<'a>, draft: &'a ProductDraft, sku: &'a SkuDraft) {
    for ((value, _), (_, field)) in sku.options.iter().zip(&draft.options).zip(Field::OPTIONS) {
        text(row, field, value);
    }
    let unlike = sku.options.len() != draft.options.len();
    if unlike {
        put(row, Field::OptionLines, lines(&sku.options));
    }
    if draft.options.is_empty() {
        text(row, Field::Option1Value, if sku.title.is_empty() { NO_TITLE } else { &sku.title });
    } else if unlike || sku.title != joined(&sku.options) || draft.options == ["Title"] {
        // A space says that there is none, where nothing would mean the options.
        text(row, Field::VariantTitle, if sku.title.is_empty() { " " } else { &sku.title });
    }
    text(row, Field::Sku, &sku.sku);
    put(row, Field::Grams, sku.grams.to_string());
    put(row, Field::Price, decimal(sku.price));
    put(row, Field::CompareAt, sku.compare_at.map(decimal).unwrap_or_default());
    put(row, Field::Currency, sku.price.currency().code());
    text(row, Field::Barcode, &sku.barcode);
    text(row, Field::VariantImage, &sku.image);
}

fn kept<'a>(row: &mut Cells<'a>, extra: &'a BTreeMap<String, String>) {
    row.extend(extra.iter().map(|(name, cell)| (name.as_str(), guard(cell))));
}

/// A list as lines of one cell. A space says that there is nothing in it, where an empty cell says nothing.
fn lines(list: &[String]) -> String {
    if list.is_empty() { " ".to_owned() } else { guard(&list.join("\n")).into_owned() }
}

fn text<'a>(row: &mut Cells<'a>, field: Field, text: &'a str) {
    put(row, field, guard(text));
}

fn put<'a>(row: &mut Cells<'a>, field: Field, cell: impl Into<Cow<'a, str>>) {
    let cell = cell.into();
    if !cell.is_empty() {
        row.insert(field.name(), cell);
    }
}

/// The amount as a decimal, without its currency.
fn decimal(money: Money) -> String {
    money.to_string().split(' ').next().unwrap_or_default().to_owned()
}
