//! Products: what is sold, and in which variants.

use std::borrow::Cow;
use std::collections::BTreeMap;

use emporium_inventory_api::Sku;
use emporium_kernel::{Money, Timestamp, id, invalid};
use emporium_shop_api::ProductId;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

id!(
    /// Names a category.
    CategoryId = "cat"
);

/// Whether a product is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Being prepared; only staff and its supplier see it.
    Draft,
    /// Sold.
    Active,
    /// No longer sold; orders still mention it.
    Archived,
}

impl Status {
    /// Every one there is.
    pub const ALL: [Self; 3] = [Self::Draft, Self::Active, Self::Archived];

    /// The name on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Status::Draft => "draft",
            Status::Active => "active",
            Status::Archived => "archived",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Status::Draft, Status::Active, Status::Archived].into_iter().find(|s| s.name() == name)
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // Read as text: for an enum serde_json calls a number or null broken JSON, which would be 400 and no field.
        Self::parse(&Cow::<str>::deserialize(from)?)
            .ok_or_else(|| invalid("unknown_status", "use draft, active or archived"))
    }
}

/// A name for addresses: lower case letters and digits of any script, in groups joined by single hyphens, at most 200
/// characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    /// Reads one.
    pub fn parse(text: &str) -> Option<Self> {
        let slug = Self::from_words(text)?;
        (slug.0 == text).then_some(slug)
    }

    /// Makes one from a title; `None` when it has neither letter nor digit.
    pub fn from_words(text: &str) -> Option<Self> {
        let lower = text.to_lowercase();
        let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let joined = words.collect::<Vec<_>>().join("-");
        let slug: String = joined.chars().take(200).collect();
        let slug = slug.trim_end_matches('-').to_owned();
        (!slug.is_empty()).then_some(Self(slug))
    }

    /// The same with a number behind it, for the next one of that name.
    #[must_use]
    pub fn numbered(&self, n: usize) -> Self {
        let head: String = self.0.chars().take(190).collect();
        Self(format!("{}-{n}", head.trim_end_matches('-')))
    }

    /// One that was stored by us and is therefore known to be well formed.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Slug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Slug {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?)
            .ok_or_else(|| invalid("invalid_slug", "use lower case letters and digits joined by single hyphens"))
    }
}

impl JsonSchema for Slug {
    fn schema_name() -> Cow<'static, str> {
        "Slug".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": 200})
    }
}

/// A picture of a product, kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its address.
    pub src: String,
    /// What it shows, for those who cannot see it.
    #[serde(default)]
    pub alt: String,
}

/// A product as staff see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Product {
    /// Names it.
    pub id: ProductId,
    /// Names it in addresses.
    pub slug: Slug,
    /// What it is called.
    pub title: String,
    /// HTML or plain text.
    pub description: String,
    /// Who makes it.
    pub vendor: String,
    /// What kind of thing it is.
    pub kind: String,
    /// Words it can be found by.
    pub tags: Vec<String>,
    /// Whether it is sold.
    pub status: Status,
    /// The user who supplies it and is paid for it; the store itself when absent.
    pub supplier: Option<String>,
    /// The names of its options, at most three, as in `Size`.
    pub options: Vec<String>,
    /// Pictures.
    pub images: Vec<Image>,
    /// Where it stands in the category tree.
    pub categories: Vec<CategoryRef>,
    /// Its variants, in their order, without archived ones.
    pub skus: Vec<ProductSku>,
    /// Columns of an imported file that the shop keeps but does not use.
    #[serde(skip)]
    pub extra: BTreeMap<String, String>,
    /// Rises with every change; its ETag.
    pub version: i64,
    /// Since when.
    pub created_at: Timestamp,
    /// Changed when.
    pub updated_at: Timestamp,
}

/// A category of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CategoryRef {
    /// Names it.
    pub id: CategoryId,
    /// Names it in addresses.
    pub slug: Slug,
    /// What it is called.
    pub name: String,
}

/// A variant of a product: the thing that is counted and sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProductSku {
    /// Names it.
    pub sku: Sku,
    /// What it is called beside its product, as in `Red / Large`; may be empty.
    pub title: String,
    /// Its value of each option.
    pub options: Vec<String>,
    /// Its price.
    pub price: Money,
    /// What it cost before.
    pub compare_at: Option<Money>,
    /// Barcode (GTIN, ISBN); may be empty.
    pub barcode: String,
    /// Weight in grams; 0 when unknown.
    pub grams: i64,
    /// Its own picture; may be empty.
    pub image: String,
    /// Columns of an imported file that the shop keeps but does not use.
    #[serde(skip)]
    pub extra: BTreeMap<String, String>,
}

/// A product to be made or imported, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductDraft {
    /// Names it in addresses; made from the title when absent.
    pub slug: Option<Slug>,
    /// What it is called, 1 to 255 characters.
    pub title: String,
    /// HTML or plain text, at most 50,000 characters.
    pub description: String,
    /// Who makes it.
    pub vendor: String,
    /// What kind of thing it is.
    pub kind: String,
    /// Words it can be found by.
    pub tags: Vec<String>,
    /// Whether it is sold.
    pub status: Status,
    /// The user who supplies it.
    pub supplier: Option<String>,
    /// The names of its options.
    pub options: Vec<String>,
    /// Pictures.
    pub images: Vec<Image>,
    /// Slugs of its categories.
    pub categories: Vec<Slug>,
    /// Its variants; at least one.
    pub skus: Vec<SkuDraft>,
    /// Columns of an imported file that the shop keeps but does not use.
    pub extra: BTreeMap<String, String>,
}

/// A variant to be made or imported, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkuDraft {
    /// Names it.
    pub sku: Sku,
    /// What it is called beside its product.
    pub title: String,
    /// Its value of each option.
    pub options: Vec<String>,
    /// Its price.
    pub price: Money,
    /// What it cost before, in the same currency.
    pub compare_at: Option<Money>,
    /// Barcode.
    pub barcode: String,
    /// Weight in grams.
    pub grams: i64,
    /// Its own picture.
    pub image: String,
    /// Columns of an imported file that the shop keeps but does not use.
    pub extra: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_made_from_titles() {
        let made = |title| Slug::from_words(title).map(|slug| slug.to_string());
        assert_eq!(made("  Blue Mug, 350 ml! ").as_deref(), Some("blue-mug-350-ml"));
        assert_eq!(made("Größe Ж").as_deref(), Some("größe-ж"));
        assert_eq!(made("!!!"), None);
        assert!(Slug::parse("blue-mug").is_some());
        for bad in ["Blue", "blue--mug", "-blue", "blue mug", ""] {
            assert_eq!(Slug::parse(bad), None, "{bad}");
        }
    }
}
