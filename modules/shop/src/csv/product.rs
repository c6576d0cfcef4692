//! A group of rows as a product. Product columns are read from the first row, as Shopify does.

use std::collections::BTreeMap;

use emporium_inventory_api::Sku;
use emporium_kernel::{Currency, is_id};

use crate::ShopError;
use crate::catalogue::{Image, ProductDraft, SkuDraft, Status};
use crate::csv::cell::{one_line, prose};
use crate::csv::column::{Column, Field};
use crate::csv::remark::{Remark, RemarkCode};
use crate::csv::row::{Group, MAX_IMAGES, MAX_VARIANTS, Row};
use crate::csv::variant::Options;
use crate::csv::{categories_of, unreadable};

/// The longest description, in characters.
const MAX_BODY: usize = 50_000;

/// What a row says of its SKU, in the order of the draft's SKUs.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Where the row begins.
    pub(super) line: u64,
    /// The row names its SKU; otherwise the draft has one made from handle and options.
    pub(super) given: bool,
    /// On hand, when the row says it.
    pub(super) quantity: Option<i64>,
}

/// A product as its rows say it, before the SKUs of the whole file are told apart.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) line: u64,
    pub(super) handle: String,
    pub(super) draft: ProductDraft,
    pub(super) categories: Vec<String>,
    pub(super) wanted: Vec<Wanted>,
    pub(super) remarks: Vec<Remark>,
}

/// Reads a product; refused when a row cannot be understood without guessing.
pub(super) fn parse(group: &Group, currency: Currency) -> Result<Parsed, ShopError> {
    let mut product = Reading { group, currency, remarks: Vec::new() };
    product.note_rows();
    let first = &group.first;
    let title = product.line::<255>(first, Field::Title)?;
    if title.is_empty() {
        return Err(unreadable(first.line, format!("the product {} has no Title in its first row", group.handle)));
    }
    let options = Options::read(&mut product)?;
    let kind = product.prose::<255>(first, Field::Type)?;
    let (status, extra) = product.status();
    let (skus, wanted) = product.variants(&options)?;
    let draft = ProductDraft {
        slug: Some(group.slug.clone()),
        title,
        description: product.body()?,
        vendor: product.prose::<255>(first, Field::Vendor)?,
        tags: product.tags()?,
        status,
        supplier: product.supplier()?,
        options: options.into_names(),
        images: product.images()?,
        categories: Vec::new(),
        skus,
        extra,
        kind,
    };
    let categories = product.categories(&draft.kind)?;
    let Reading { remarks, .. } = product;
    Ok(Parsed { line: first.line, handle: group.handle.clone(), draft, categories, wanted, remarks })
}

/// A product being read.
pub(super) struct Reading<'a> {
    pub(super) group: &'a Group,
    /// The currency of prices that do not say theirs.
    pub(super) currency: Currency,
    remarks: Vec<Remark>,
}

impl<'a> Reading<'a> {
    pub(super) fn remark(&mut self, line: u64, code: RemarkCode, message: impl Into<String>) {
        let handle = self.group.handle.clone();
        self.remarks.push(Remark { line, handle, code, message: message.into() });
    }

    /// A cell as a text of one line.
    pub(super) fn line<const MAX: usize>(&mut self, row: &Row, field: Field) -> Result<String, ShopError> {
        self.text::<MAX>(row.line, field, row.get(field))
    }

    /// A cell as a text that may have line breaks.
    pub(super) fn prose<const MAX: usize>(&mut self, row: &Row, field: Field) -> Result<String, ShopError> {
        let (text, cleaned) = prose::<MAX>(row.line, field.name(), row.get(field))?;
        self.note_cleaned(row.line, field, cleaned);
        Ok(text)
    }

    /// A part of a cell as a text of one line.
    fn text<const MAX: usize>(&mut self, line: u64, field: Field, text: &str) -> Result<String, ShopError> {
        let (text, cleaned) = one_line::<MAX>(line, field.name(), text)?;
        self.note_cleaned(line, field, cleaned);
        Ok(text)
    }

    fn note_cleaned(&mut self, line: u64, field: Field, cleaned: bool) {
        if cleaned {
            let message = format!("took line breaks, control or invisible characters out of {}", field.name());
            self.remark(line, RemarkCode::TextCleaned, message);
        }
    }

    /// The parts of a cell that are not empty.
    fn parts(&mut self, field: Field, separator: char) -> Result<Vec<String>, ShopError> {
        let first = &self.group.first;
        let parts: Result<Vec<String>, _> =
            first.get(field).split(separator).map(|part| self.text::<255>(first.line, field, part)).collect();
        Ok(parts?.into_iter().filter(|part| !part.is_empty()).collect())
    }

    /// What the rows themselves have that must not go unseen.
    fn note_rows(&mut self) {
        let group = self.group;
        if group.handle != group.slug.as_str() {
            self.remark(group.first.line, RemarkCode::HandleChanged, format!("the handle became {}", group.slug));
        }
        for row in group.rows() {
            for column in &row.dropped {
                let message = format!("dropped the apostrophe before {column}");
                self.remark(row.line, RemarkCode::ApostropheDropped, message);
            }
        }
        for row in &group.rest {
            self.note_later(row);
        }
    }

    /// Product columns that say in a later row what the first row does not.
    fn note_later(&mut self, row: &Row) {
        let of_product = [
            Field::Title,
            Field::Body,
            Field::Vendor,
            Field::Type,
            Field::Tags,
            Field::Published,
            Field::Status,
            Field::Option1Name,
            Field::Option2Name,
            Field::Option3Name,
            Field::Supplier,
            Field::TagLines,
            Field::Categories,
        ];
        for field in of_product {
            if !row.get(field).is_empty() && row.get(field) != self.group.first.get(field) {
                let message = format!("left out {}: it counts only in the product's first row", field.name());
                self.remark(row.line, RemarkCode::ValueIgnored, message);
            }
        }
    }

    /// HTML as it is, line breaks included.
    fn body(&self) -> Result<String, ShopError> {
        let (line, body) = (self.group.first.line, self.group.first.get(Field::Body));
        if body.chars().count() > MAX_BODY {
            return Err(unreadable(line, format!("Body (HTML) is longer than {MAX_BODY} characters")));
        }
        Ok(body.to_owned())
    }

    fn tags(&mut self) -> Result<Vec<String>, ShopError> {
        let has_lines = !self.group.first.get(Field::TagLines).is_empty();
        if has_lines { self.parts(Field::TagLines, '\n') } else { self.parts(Field::Tags, ',') }
    }

    fn supplier(&mut self) -> Result<Option<String>, ShopError> {
        let first = &self.group.first;
        match first.get(Field::Supplier).trim() {
            "" => Ok(None),
            id if is_id("usr", id) => Ok(Some(id.to_owned())),
            other => Err(unreadable(first.line, format!("{other} is no user id; Emporium Supplier names a user"))),
        }
    }

    fn categories(&mut self, kind: &str) -> Result<Vec<String>, ShopError> {
        let named = !self.group.first.get(Field::Categories).is_empty();
        if named { self.parts(Field::Categories, '\n') } else { Ok(categories_of(kind)) }
    }

    /// `Status` decides; a file without it has `Published`. Columns that are kept go along: a `Published` that does not
    /// follow from the status is one of them.
    fn status(&mut self) -> (Status, BTreeMap<String, String>) {
        let first = &self.group.first;
        let mut extra: BTreeMap<String, String> = first
            .kept()
            .filter(|(name, _)| !Column::is_of_variant(name))
            .map(|(name, cell)| (name.into(), cell.into()))
            .collect();
        let published = first.get(Field::Published).trim().to_lowercase();
        let said = first.get(Field::Status).trim().to_lowercase();
        let status = match (said.as_str(), published.as_str()) {
            ("", "" | "true") => Some(Status::Active),
            ("", "false") => Some(Status::Draft),
            ("", _) => None,
            (name, _) => Status::parse(name),
        };
        let status = status.unwrap_or_else(|| {
            let message = format!("{said}{published} is no status; the product is a draft and not sold");
            self.remark(first.line, RemarkCode::InvalidStatus, message);
            Status::Draft
        });
        if matches!(published.as_str(), "true" | "false") && published != published_of(status) {
            extra.insert(Field::Published.name().to_owned(), published);
        }
        (status, extra)
    }

    fn variants(&mut self, options: &Options) -> Result<(Vec<SkuDraft>, Vec<Wanted>), ShopError> {
        let (mut skus, mut wanted) = (Vec::new(), Vec::new());
        let group = self.group;
        for (at, row) in group.rows().enumerate() {
            if row.is_variant() {
                let (sku, want) = self.variant(row, at == 0, options)?;
                skus.push(sku);
                wanted.push(want);
            } else {
                self.note_left_out(row, at == 0);
            }
        }
        if skus.is_empty() {
            let reason = format!("the product {} has no variant: no row of it has a Variant Price", group.handle);
            return Err(unreadable(group.first.line, reason));
        }
        if skus.len() > MAX_VARIANTS {
            let reason = format!("the product {} has more than {MAX_VARIANTS} variants", group.handle);
            return Err(unreadable(group.first.line, reason));
        }
        Ok((skus, wanted))
    }

    /// What a row that is no variant says although only variants have it.
    fn note_left_out(&mut self, row: &Row, is_first: bool) {
        let known = [
            Field::Grams,
            Field::Quantity,
            Field::CompareAt,
            Field::Barcode,
            Field::VariantImage,
            Field::Currency,
            Field::VariantTitle,
            Field::OptionLines,
        ];
        let known = known.into_iter().filter(|field| !row.get(*field).is_empty()).map(|field| -> &str { field.name() });
        let kept = row.kept().map(|(name, _)| name).filter(|name| !is_first || Column::is_of_variant(name));
        let left: Vec<&str> = known.chain(kept).collect();
        if !left.is_empty() {
            let message = format!("left out {}: the row is no variant, it has no price", left.join(", "));
            self.remark(row.line, RemarkCode::ValueIgnored, message);
        }
    }

    /// The pictures, in the order of their positions and then of their rows.
    fn images(&mut self) -> Result<Vec<Image>, ShopError> {
        let mut images: Vec<(u64, Image)> = Vec::new();
        let group = self.group;
        for row in group.rows() {
            let src = self.line::<2048>(row, Field::ImageSrc)?;
            let alt = self.prose::<1024>(row, Field::ImageAlt)?;
            if src.is_empty() {
                if !alt.is_empty() {
                    let message = "left out Image Alt Text: the row has no picture";
                    self.remark(row.line, RemarkCode::ValueIgnored, message);
                }
                continue;
            }
            images.push((row.get(Field::ImagePosition).trim().parse().unwrap_or(u64::MAX), Image { src, alt }));
        }
        if images.len() > MAX_IMAGES {
            let reason = format!("the product {} has more than {MAX_IMAGES} pictures", group.handle);
            return Err(unreadable(group.first.line, reason));
        }
        images.sort_by_key(|(position, _)| *position);
        Ok(images.into_iter().map(|(_, image)| image).collect())
    }
}

/// What `Published` says of a product with this status.
pub(super) fn published_of(status: Status) -> &'static str {
    if status == Status::Active { "true" } else { "false" }
}

/// A SKU as the draft is to have it.
pub(super) fn rename(draft: &mut ProductDraft, at: usize, sku: Sku) {
    if let Some(draft) = draft.skus.get_mut(at) {
        draft.sku = sku;
    }
}
