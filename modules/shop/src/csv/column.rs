//! Columns: those that mean something here, and those that are kept as they are.

use std::collections::{BTreeMap, BTreeSet};

use csv::StringRecord;

use crate::ShopError;
use crate::csv::unreadable;

/// A column that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Handle,
    Title,
    Body,
    Vendor,
    Type,
    Tags,
    Published,
    Option1Name,
    Option1Value,
    Option2Name,
    Option2Value,
    Option3Name,
    Option3Value,
    Sku,
    Grams,
    Quantity,
    Price,
    CompareAt,
    Barcode,
    ImageSrc,
    ImagePosition,
    ImageAlt,
    VariantImage,
    Status,
    /// Ours: the currency of the price.
    Currency,
    /// Ours: the variant's title where it is not its options.
    VariantTitle,
    /// Ours: the variant's options, a line each, where they are not as many as the product's.
    OptionLines,
    /// Ours: the user who supplies the product.
    Supplier,
    /// Ours: the product's tags, a line each, where one has a comma.
    TagLines,
    /// Ours: the product's categories, a line each, where they are not its type.
    Categories,
}

impl Field {
    /// The three options: name and value.
    pub(super) const OPTIONS: [(Field, Field); 3] = [
        (Field::Option1Name, Field::Option1Value),
        (Field::Option2Name, Field::Option2Value),
        (Field::Option3Name, Field::Option3Value),
    ];

    const ALL: [Field; 30] = [
        Field::Handle,
        Field::Title,
        Field::Body,
        Field::Vendor,
        Field::Type,
        Field::Tags,
        Field::Published,
        Field::Option1Name,
        Field::Option1Value,
        Field::Option2Name,
        Field::Option2Value,
        Field::Option3Name,
        Field::Option3Value,
        Field::Sku,
        Field::Grams,
        Field::Quantity,
        Field::Price,
        Field::CompareAt,
        Field::Barcode,
        Field::ImageSrc,
        Field::ImagePosition,
        Field::ImageAlt,
        Field::VariantImage,
        Field::Status,
        Field::Currency,
        Field::VariantTitle,
        Field::OptionLines,
        Field::Supplier,
        Field::TagLines,
        Field::Categories,
    ];

    /// What heads the column.
    pub(super) fn name(self) -> &'static str {
        match self {
            Field::Handle => "Handle",
            Field::Title => "Title",
            Field::Body => "Body (HTML)",
            Field::Vendor => "Vendor",
            Field::Type => "Type",
            Field::Tags => "Tags",
            Field::Published => "Published",
            Field::Option1Name => "Option1 Name",
            Field::Option1Value => "Option1 Value",
            Field::Option2Name => "Option2 Name",
            Field::Option2Value => "Option2 Value",
            Field::Option3Name => "Option3 Name",
            Field::Option3Value => "Option3 Value",
            Field::Sku => "Variant SKU",
            Field::Grams => "Variant Grams",
            Field::Quantity => "Variant Inventory Qty",
            Field::Price => "Variant Price",
            Field::CompareAt => "Variant Compare At Price",
            Field::Barcode => "Variant Barcode",
            Field::ImageSrc => "Image Src",
            Field::ImagePosition => "Image Position",
            Field::ImageAlt => "Image Alt Text",
            Field::VariantImage => "Variant Image",
            Field::Status => "Status",
            Field::Currency => "Emporium Currency",
            Field::VariantTitle => "Emporium Variant Title",
            Field::OptionLines => "Emporium Variant Options",
            Field::Supplier => "Emporium Supplier",
            Field::TagLines => "Emporium Tags",
            Field::Categories => "Emporium Categories",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let name = if name == "Body HTML" { "Body (HTML)" } else { name };
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Whether it holds a number or a code, before which an apostrophe is never meant.
    pub(super) fn is_code(self) -> bool {
        matches!(
            self,
            Field::Sku
                | Field::Barcode
                | Field::Grams
                | Field::Quantity
                | Field::Price
                | Field::CompareAt
                | Field::ImagePosition
                | Field::Published
                | Field::Status
        )
    }
}

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// It means something here.
    Known(Field),
    /// It is kept for the next export.
    Kept(String),
}

impl Column {
    pub(super) fn name(&self) -> &str {
        match self {
            Column::Known(field) => field.name(),
            Column::Kept(name) => name,
        }
    }

    /// Whether its values belong to the variant of their row, also in the product's first row.
    pub(super) fn is_of_variant(name: &str) -> bool {
        name.starts_with("Variant ") || name == "Cost per item"
    }
}

/// The first row of a file.
#[derive(Debug)]
pub(super) struct Header {
    /// The columns in their order.
    pub(super) columns: Vec<Column>,
    /// Whether this is a file that we wrote, so that every apostrophe before a cell is ours.
    pub(super) ours: bool,
    places: BTreeMap<Field, usize>,
}

impl Header {
    /// Reads it; refused when a needed column is missing, or one is there twice or has no name.
    pub(super) fn read(record: &StringRecord) -> Result<Self, ShopError> {
        let names: Vec<&str> = record.iter().map(|name| without_guard(name.trim())).collect();
        if names.iter().all(|name| name.is_empty()) {
            return Err(unreadable(1, "the file is empty"));
        }
        let column = |name: &str| Field::named(name).map_or_else(|| Column::Kept(name.to_owned()), Column::Known);
        let columns: Vec<Column> = names.iter().map(|name| column(name)).collect();
        check(&columns)?;
        let known = |(at, column): (usize, &Column)| match column {
            Column::Known(field) => Some((*field, at)),
            Column::Kept(_) => None,
        };
        let places: BTreeMap<Field, usize> = columns.iter().enumerate().filter_map(known).collect();
        Ok(Self { ours: places.contains_key(&Field::Currency), columns, places })
    }

    /// Where a column stands.
    pub(super) fn place(&self, field: Field) -> Option<usize> {
        self.places.get(&field).copied()
    }
}

fn without_guard(name: &str) -> &str {
    match name.strip_prefix('\'') {
        Some(rest) if super::cell::is_formula(rest) || rest.starts_with('\'') => rest,
        _ => name,
    }
}

fn check(columns: &[Column]) -> Result<(), ShopError> {
    for needed in [Field::Handle, Field::Title, Field::Price] {
        if !columns.contains(&Column::Known(needed)) {
            let reason = format!(
                "there is no column {}; a product file has commas between its columns and, in its first row, the \
                 names that Shopify gives them",
                needed.name()
            );
            return Err(unreadable(1, reason));
        }
    }
    let mut seen = BTreeSet::new();
    for column in columns {
        if column.name().is_empty() {
            return Err(unreadable(1, "a column has no name; name it or remove it"));
        }
        if !seen.insert(column.name()) {
            return Err(unreadable(1, format!("the column {} is there twice", column.name())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &str) -> Result<Header, ShopError> {
        Header::read(&names.split(',').collect::<Vec<_>>().into())
    }

    #[test]
    fn columns_may_stand_in_any_order() {
        let read = header("Variant Price,Colour code, Title ,Handle,Body HTML").expect("reads");
        assert_eq!(read.place(Field::Handle), Some(3));
        assert_eq!(read.place(Field::Title), Some(2));
        assert_eq!(read.place(Field::Body), Some(4));
        assert_eq!(read.columns.get(1), Some(&Column::Kept("Colour code".to_owned())));
        assert!(!read.ours);
    }

    #[test]
    fn other_columns_are_refused() {
        for bad in [
            "",
            "name,price",
            "Handle,Title",
            "Handle;Title;Variant Price",
            "Handle,Title,Variant Price,Handle",
            "Handle,Title,Variant Price,x,x",
            "Handle,Title,Variant Price,Body HTML,Body (HTML)",
            "Handle,Title,Variant Price,",
        ] {
            assert!(matches!(header(bad), Err(ShopError::UnreadableFile { line: 1, .. })), "{bad}");
        }
    }

    #[test]
    fn every_field_has_its_own_name() {
        for field in Field::ALL {
            assert_eq!(Field::named(field.name()), Some(field));
        }
    }
}
