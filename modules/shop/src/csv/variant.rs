//! A row as a variant: its options, SKU, price, quantity and weight.

use std::collections::BTreeMap;

use emporium_inventory_api::Sku;
use emporium_kernel::{Currency, Money};

use crate::ShopError;
use crate::catalogue::SkuDraft;
use crate::csv::column::{Column, Field};
use crate::csv::naming;
use crate::csv::product::{Reading, Wanted};
use crate::csv::remark::RemarkCode;
use crate::csv::row::Row;
use crate::csv::unreadable;

/// The most that is counted, as in inventory.
const MOST: i64 = 1_000_000_000;
/// The heaviest, in grams.
const HEAVIEST: i64 = u32::MAX as i64;

/// What Shopify writes as the value of a product without options.
pub(super) const NO_TITLE: &str = "Default Title";

/// The options of a product.
#[derive(Debug)]
pub(super) struct Options {
    /// The options that have names, by place.
    named: Vec<(usize, String)>,
    /// Shopify names the first option `Title` where a product has none; its value is then the variant's title.
    titled: bool,
}

impl Options {
    pub(super) fn read(product: &mut Reading) -> Result<Self, ShopError> {
        let mut named = Vec::new();
        for (at, (name, _)) in Field::OPTIONS.into_iter().enumerate() {
            let name = product.line::<255>(&product.group.first, name)?;
            if !name.is_empty() {
                named.push((at, name));
            }
        }
        // In a file of ours an option that is really called `Title` says so by naming the variants' titles.
        let placeholder = product.group.first.get(Field::VariantTitle).is_empty();
        let titled = placeholder && matches!(named.as_slice(), [(0, name)] if name == "Title");
        Ok(Self { named: if titled { Vec::new() } else { named }, titled })
    }

    pub(super) fn into_names(self) -> Vec<String> {
        self.named.into_iter().map(|(_, name)| name).collect()
    }

    /// The variant's value of each option, and its title.
    fn values(&self, product: &mut Reading, row: &Row) -> Result<(Vec<String>, String), ShopError> {
        let mut values = Vec::new();
        for (at, (_, field)) in Field::OPTIONS.into_iter().enumerate() {
            if self.titled && at == 0 {
                continue;
            }
            let value = product.line::<255>(row, field)?;
            if self.named.iter().any(|(place, _)| *place == at) {
                values.push(value);
            } else if !value.is_empty() && value != NO_TITLE {
                let reason = format!("{} has no name in the product's first row", field.name());
                return Err(unreadable(row.line, reason));
            }
        }
        let title = if self.titled { title(product, row)? } else { joined(&values) };
        let lines = row.get(Field::OptionLines);
        if !lines.is_empty() {
            values = lines.split('\n').map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect();
        }
        Ok((values, title))
    }
}

/// The title of a variant without options.
fn title(product: &mut Reading, row: &Row) -> Result<String, ShopError> {
    let title = product.prose::<255>(row, Field::Option1Value)?;
    Ok(if title == NO_TITLE { String::new() } else { title })
}

/// The title that follows from options.
pub(super) fn joined(values: &[String]) -> String {
    values.iter().filter(|value| !value.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" / ")
}

impl Reading<'_> {
    pub(super) fn variant(
        &mut self,
        row: &Row,
        is_first: bool,
        options: &Options,
    ) -> Result<(SkuDraft, Wanted), ShopError> {
        let (values, title) = options.values(self, row)?;
        let given = self.sku(row)?;
        let (price, compare_at) = self.prices(row)?;
        let named: &[String] = if options.titled { std::slice::from_ref(&title) } else { &values };
        let wanted = Wanted { line: row.line, given: given.is_some(), quantity: self.quantity(row) };
        let draft = SkuDraft {
            sku: given.unwrap_or_else(|| naming::made(&self.group.slug, named)),
            title: self.title(row, title)?,
            options: values,
            price,
            compare_at,
            barcode: self.prose::<64>(row, Field::Barcode)?,
            grams: self.grams(row),
            image: self.line::<2048>(row, Field::VariantImage)?,
            extra: kept(row, is_first),
        };
        Ok((draft, wanted))
    }

    fn sku(&mut self, row: &Row) -> Result<Option<Sku>, ShopError> {
        let whole = self.line::<1024>(row, Field::Sku)?;
        if whole.is_empty() {
            return Ok(None);
        }
        let sku = naming::shortened(&whole);
        if sku.as_str() != whole {
            self.remark(row.line, RemarkCode::SkuShortened, format!("the SKU {whole} is too long and became {sku}"));
        }
        Ok(Some(sku))
    }

    /// The title, which a file of ours names where it does not follow from the options; white space is no title.
    fn title(&mut self, row: &Row, title: String) -> Result<String, ShopError> {
        if row.get(Field::VariantTitle).is_empty() { Ok(title) } else { self.prose::<255>(row, Field::VariantTitle) }
    }

    fn prices(&mut self, row: &Row) -> Result<(Money, Option<Money>), ShopError> {
        let code = row.get(Field::Currency).trim();
        let named = if code.is_empty() { Some(self.currency) } else { Currency::parse(code) };
        let currency = named.ok_or_else(|| unreadable(row.line, format!("{code} is no currency of ISO 4217")))?;
        let price = price(row, Field::Price, currency)?
            .ok_or_else(|| unreadable(row.line, format!("a variant of {} has no Variant Price", self.group.handle)))?;
        if price.amount() == 0 {
            self.remark(row.line, RemarkCode::PriceZero, "the price is 0: it is sold for nothing".to_owned());
        }
        Ok((price, self::price(row, Field::CompareAt, currency)?))
    }

    /// On hand; `None` when the row does not say it.
    fn quantity(&mut self, row: &Row) -> Option<i64> {
        let cell = row.get(Field::Quantity).trim();
        match (cell, whole_number(cell)) {
            ("", _) => None,
            (_, Some(pieces @ 0..=MOST)) => Some(pieces),
            (_, Some(i64::MIN..0)) => {
                self.remark(row.line, RemarkCode::NegativeQuantity, format!("the quantity {cell} became 0"));
                Some(0)
            }
            (_, None | Some(_)) => {
                let message = format!("the quantity {cell} is no whole number up to {MOST} and became 0");
                self.remark(row.line, RemarkCode::InvalidQuantity, message);
                Some(0)
            }
        }
    }

    /// The weight, rounded to whole grams.
    fn grams(&mut self, row: &Row) -> i64 {
        let cell = row.get(Field::Grams).trim();
        let (whole, fraction) = cell.split_once('.').unwrap_or((cell, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let up = i64::from(fraction.starts_with(['5', '6', '7', '8', '9']));
        let read = whole
            .parse::<i64>()
            .ok()
            .filter(|_| digits(whole) && digits(fraction))
            .map(|grams| grams.saturating_add(up));
        match read.filter(|grams| *grams <= HEAVIEST) {
            _ if cell.is_empty() => 0,
            Some(grams) => {
                if fraction.bytes().any(|b| b != b'0') {
                    let message = format!("the weight {cell} was rounded to {grams} grams");
                    self.remark(row.line, RemarkCode::InvalidGrams, message);
                }
                grams
            }
            None => {
                let message = format!("the weight {cell} is no number of grams and became 0");
                self.remark(row.line, RemarkCode::InvalidGrams, message);
                0
            }
        }
    }
}

/// Columns that are kept with the variant: its own, and in later rows all of them.
fn kept(row: &Row, is_first: bool) -> BTreeMap<String, String> {
    let mine = row.kept().filter(|(name, _)| !is_first || Column::is_of_variant(name));
    mine.map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
}

fn price(row: &Row, field: Field, currency: Currency) -> Result<Option<Money>, ShopError> {
    match row.get(field).trim() {
        "" => Ok(None),
        cell => currency.parse_decimal(cell).map(Some).ok_or_else(|| {
            let reason = format!(
                "{} is {cell}; write a price in {currency} such as 19.99, with at most {} decimals",
                field.name(),
                currency.exponent()
            );
            unreadable(row.line, reason)
        }),
    }
}

/// Reads `5`, `-5` and, as spreadsheets write them, `5.0`.
fn whole_number(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    whole.parse().ok().filter(|_| fraction.bytes().all(|b| b == b'0'))
}
