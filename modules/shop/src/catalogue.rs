//! The catalogue: products with their SKUs, the category tree, and how they are found.

mod cache;
mod categories;
pub(crate) mod category;
mod import;
pub(crate) mod listing;
mod load;
mod patch;
pub mod product;
pub(crate) mod products;
mod registration;
mod save;
mod search;
pub(crate) mod sellable;
mod skus;
mod slug;
mod terms;
mod tree;

pub use cache::{ProductCache, Rendered};
pub use category::{Category, CategoryKey};
pub use import::{Outcome, Upserted};
pub use patch::ProductPatch;
pub use product::{Image, Product, ProductDraft, ProductSku, SkuDraft, Slug, Status};
pub use products::Made;
pub(crate) use sellable::{Sellable, sellable};
