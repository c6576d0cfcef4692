//! Remarks: what was changed or left out on the way in, row by row.

use serde::Serialize;

/// What was noticed at a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RemarkCode {
    /// The row has no SKU and got one made from handle and options.
    SkuMade,
    /// The SKU stands in an earlier row; this one got a number behind it.
    SkuRepeated,
    /// The SKU was longer than 64 characters.
    SkuShortened,
    /// An apostrophe that a spreadsheet had put before a cell was dropped.
    ApostropheDropped,
    /// The price is 0: the variant is sold for nothing.
    PriceZero,
    /// A quantity below 0 became 0.
    NegativeQuantity,
    /// A quantity that is no whole number up to 1,000,000,000 became 0.
    InvalidQuantity,
    /// A weight that is no number of grams became 0, or a fraction of a gram was rounded.
    InvalidGrams,
    /// A `Status` or `Published` that means nothing; the product is a draft.
    InvalidStatus,
    /// The handle is no slug and was made one.
    HandleChanged,
    /// Line breaks, control characters or invisible characters were taken out of a one-line text.
    TextCleaned,
    /// A value that stands where it has no meaning was left out.
    ValueIgnored,
    /// The catalogue refused the product; nothing of it was changed.
    ProductRefused,
    /// Inventory refused the quantity; stock was left as it is.
    StockRefused,
}

impl RemarkCode {
    /// The name on the wire; it never changes.
    pub fn name(self) -> &'static str {
        match self {
            RemarkCode::SkuMade => "sku_made",
            RemarkCode::SkuRepeated => "sku_repeated",
            RemarkCode::SkuShortened => "sku_shortened",
            RemarkCode::ApostropheDropped => "apostrophe_dropped",
            RemarkCode::PriceZero => "price_zero",
            RemarkCode::NegativeQuantity => "negative_quantity",
            RemarkCode::InvalidQuantity => "invalid_quantity",
            RemarkCode::InvalidGrams => "invalid_grams",
            RemarkCode::InvalidStatus => "invalid_status",
            RemarkCode::HandleChanged => "handle_changed",
            RemarkCode::TextCleaned => "text_cleaned",
            RemarkCode::ValueIgnored => "value_ignored",
            RemarkCode::ProductRefused => "product_refused",
            RemarkCode::StockRefused => "stock_refused",
        }
    }
}

impl std::fmt::Display for RemarkCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that was noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The line of the file where the row begins.
    pub line: u64,
    /// The product, as the file names it.
    pub handle: String,
    /// What was noticed.
    pub code: RemarkCode,
    /// The same for people, with what was done about it.
    pub message: String,
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}: {} ({})", self.line, self.handle, self.message, self.code)
    }
}
