//! The fields of a product as staff send them, each checked by its type.

use std::borrow::Cow;

use emporium_auth_api::UserId;
use emporium_inventory_api::Sku;
use emporium_kernel::{FieldError, Line, Money, Problem, Prose, invalid};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::catalogue::{CategoryKey, Image, ProductDraft, ProductPatch, SkuDraft, Slug, Status};

/// A product to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewProduct {
    /// What it is called.
    title: Line<255>,
    /// Names it in addresses; made from the title when absent.
    slug: Option<Slug>,
    /// HTML or plain text.
    description: Option<Prose<50_000>>,
    /// Who makes it.
    vendor: Option<Prose<255>>,
    /// What kind of thing it is.
    kind: Option<Prose<255>>,
    /// Words it can be found by.
    tags: Option<Few<Line<64>, 0, 50>>,
    /// Its category.
    category: Option<CategoryKey>,
    /// Its categories, when there are several.
    categories: Option<Few<CategoryKey, 0, 20>>,
    /// Whether it is sold; a draft when absent.
    status: Option<Status>,
    /// The user who supplies it; only staff may say so.
    supplier: Option<UserId>,
    /// The names of its options.
    options: Option<Few<Line<64>, 0, 3>>,
    /// Pictures.
    images: Option<Few<NewImage, 0, 50>>,
    /// Its variants.
    skus: Few<NewSku, 1, 200>,
}

/// A change of a product: absent members stay, `null` empties.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// What it is called.
    #[serde(default, deserialize_with = "given")]
    title: Option<Line<255>>,
    /// Names it in addresses.
    #[serde(default, deserialize_with = "given")]
    slug: Option<Slug>,
    /// HTML or plain text.
    #[serde(default)]
    description: Patched<Prose<50_000>>,
    /// Who makes it.
    #[serde(default)]
    vendor: Patched<Prose<255>>,
    /// What kind of thing it is.
    #[serde(default)]
    kind: Patched<Prose<255>>,
    /// Words it can be found by.
    #[serde(default)]
    tags: Patched<Few<Line<64>, 0, 50>>,
    /// Its only category.
    #[serde(default)]
    category: Patched<CategoryKey>,
    /// Its categories.
    #[serde(default)]
    categories: Patched<Few<CategoryKey, 0, 20>>,
    /// Whether it is sold.
    #[serde(default, deserialize_with = "given")]
    status: Option<Status>,
    /// The user who supplies it; `null` for the store itself. Only staff may change it.
    #[serde(default)]
    supplier: Patched<UserId>,
    /// The names of its options.
    #[serde(default)]
    options: Patched<Few<Line<64>, 0, 3>>,
    /// Pictures.
    #[serde(default)]
    images: Patched<Few<NewImage, 0, 50>>,
    /// Its variants, all of them: those left out are archived.
    #[serde(default, deserialize_with = "given")]
    skus: Option<Few<NewSku, 1, 200>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewSku {
    /// Names it. No two products share one, ever.
    sku: Sku,
    /// What it is called beside its product.
    title: Option<Prose<255>>,
    /// Its value of each option.
    options: Option<Few<Line<255>, 0, 3>>,
    /// Its price.
    price: Money,
    /// What it cost before, in the same currency.
    compare_at: Option<Money>,
    /// GTIN, ISBN or the like.
    barcode: Option<Prose<64>>,
    /// Weight in grams.
    grams: Option<u32>,
    /// Its own picture.
    image: Option<Address>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewImage {
    /// Its address.
    src: Address,
    /// What it shows, for those who cannot see it.
    alt: Option<Prose<500>>,
}

impl NewProduct {
    /// The categories it asks for.
    pub fn categories(&self) -> Vec<CategoryKey> {
        let several = self.categories.iter().flat_map(|several| several.0.clone());
        self.category.iter().cloned().chain(several).collect()
    }

    /// The supplier it asks for.
    pub fn supplier(&self) -> Option<String> {
        self.supplier.as_ref().map(ToString::to_string)
    }

    /// The product with the categories and the supplier that were found to be right.
    pub fn into_draft(self, categories: Vec<Slug>, supplier: Option<String>) -> Result<ProductDraft, Problem> {
        Ok(ProductDraft {
            slug: self.slug,
            title: self.title.into_string(),
            description: text(self.description),
            vendor: text(self.vendor),
            kind: text(self.kind),
            tags: self.tags.map(lines).unwrap_or_default(),
            status: self.status.unwrap_or(Status::Draft),
            supplier,
            options: self.options.map(lines).unwrap_or_default(),
            images: self.images.map(pictures).unwrap_or_default(),
            categories,
            skus: variants(self.skus)?,
            extra: Default::default(),
        })
    }
}

impl Change {
    /// The categories it asks for; `None` when they stay.
    pub fn categories(&self) -> Option<Vec<CategoryKey>> {
        let one = self.category.as_ref().to(|key| vec![key.clone()]);
        let several = self.categories.as_ref().to(|keys| keys.0.clone());
        match (one, several) {
            (None, None) => None,
            (one, several) => Some(one.into_iter().chain(several).flatten().collect()),
        }
    }

    /// The supplier it asks for; `None` when that stays, `Some(None)` for the store itself.
    pub fn supplier(&self) -> Option<Option<String>> {
        self.supplier.as_ref().to(|user| Some(user.to_string()))
    }

    /// The change, with the categories that were found.
    pub fn into_patch(self, categories: Option<Vec<Slug>>) -> Result<ProductPatch, Problem> {
        Ok(ProductPatch {
            supplier: self.supplier(),
            slug: self.slug,
            title: self.title.map(Line::into_string),
            description: self.description.to(Prose::into_string),
            vendor: self.vendor.to(Prose::into_string),
            kind: self.kind.to(Prose::into_string),
            tags: self.tags.to(lines),
            status: self.status,
            options: self.options.to(lines),
            images: self.images.to(pictures),
            categories,
            skus: self.skus.map(variants).transpose()?,
        })
    }
}

fn text<const MAX: usize>(text: Option<Prose<MAX>>) -> String {
    text.map(Prose::into_string).unwrap_or_default()
}

fn lines<const CHARS: usize, const MIN: usize, const MAX: usize>(lines: Few<Line<CHARS>, MIN, MAX>) -> Vec<String> {
    lines.0.into_iter().map(Line::into_string).collect()
}

fn pictures(images: Few<NewImage, 0, 50>) -> Vec<Image> {
    images.0.into_iter().map(|image| Image { src: image.src.0, alt: text(image.alt) }).collect()
}

/// The variants, after checking what no single field can know.
fn variants(skus: Few<NewSku, 1, 200>) -> Result<Vec<SkuDraft>, Problem> {
    let mut errors = Vec::new();
    let mut refuse = |i: usize, field: &str, code: &str, message: &str| {
        let (field, code, message) = (format!("skus[{i}].{field}"), code.to_owned(), message.to_owned());
        errors.push(FieldError { field, code, message });
    };
    let mut seen = std::collections::HashSet::new();
    for (i, one) in skus.0.iter().enumerate() {
        if !seen.insert(one.sku.clone()) {
            refuse(i, "sku", "duplicate_sku", "send each SKU once");
        }
        if one.compare_at.is_some_and(|before| before.currency() != one.price.currency()) {
            refuse(i, "compare_at", "currency_differs", "use the currency of the price");
        }
    }
    if errors.is_empty() { Ok(skus.0.into_iter().map(variant).collect()) } else { Err(Problem::invalid(errors)) }
}

fn variant(sku: NewSku) -> SkuDraft {
    SkuDraft {
        sku: sku.sku,
        title: text(sku.title),
        options: sku.options.map(lines).unwrap_or_default(),
        price: sku.price,
        compare_at: sku.compare_at,
        barcode: text(sku.barcode),
        grams: sku.grams.map_or(0, i64::from),
        image: sku.image.map(|image| image.0).unwrap_or_default(),
        extra: Default::default(),
    }
}

/// Reads a member that may be absent but not `null`.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A member of a change: absent, emptied by `null`, or set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Patched<T> {
    #[default]
    Absent,
    Emptied,
    Set(T),
}

impl<T> Patched<T> {
    fn as_ref(&self) -> Patched<&T> {
        match self {
            Patched::Absent => Patched::Absent,
            Patched::Emptied => Patched::Emptied,
            Patched::Set(value) => Patched::Set(value),
        }
    }

    /// `None` when absent; nothing of its kind when emptied.
    fn to<U: Default>(self, change: impl FnOnce(T) -> U) -> Option<U> {
        match self {
            Patched::Absent => None,
            Patched::Emptied => Some(U::default()),
            Patched::Set(value) => Some(change(value)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patched<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(from)?.map_or(Patched::Emptied, Patched::Set))
    }
}

impl<T: JsonSchema> JsonSchema for Patched<T> {
    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(schemas)
    }
}

/// A list of `MIN` to `MAX` things.
#[derive(Clone, Debug)]
pub(super) struct Few<T, const MIN: usize, const MAX: usize>(Vec<T>);

impl<'de, T: Deserialize<'de>, const MIN: usize, const MAX: usize> Deserialize<'de> for Few<T, MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let list = Vec::deserialize(from)?;
        if (MIN..=MAX).contains(&list.len()) {
            return Ok(Self(list));
        }
        Err(invalid("count_out_of_range", format!("send {MIN} to {MAX} of them")))
    }
}

impl<T: JsonSchema, const MIN: usize, const MAX: usize> JsonSchema for Few<T, MIN, MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}List{MIN}To{MAX}", T::schema_name()).into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "array", "items": schemas.subschema_for::<T>(), "minItems": MIN, "maxItems": MAX})
    }
}

/// The address of a picture: on the web or on this site, so that it can stand in a page.
#[derive(Clone, Debug)]
pub(super) struct Address(String);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let line = Line::<2_048>::deserialize(from)?.into_string();
        let known = ["https://", "http://", "/"].iter().any(|start| line.starts_with(start));
        if known && !line.contains(char::is_whitespace) {
            return Ok(Self(line));
        }
        Err(invalid("invalid_address", "send an address that begins with https://, http:// or /"))
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": 2048, "pattern": "^(https?://|/)\\S*$"})
    }
}
