//! The goods of the benchmark, each a product with one SKU, and their words.

use serde_json::{Value, json};

/// Products on sale.
pub const PRODUCTS: usize = 500;
/// Words that searches ask for; each is in some of the titles.
pub const WORDS: [&str; 20] = [
    "amber", "birch", "canvas", "denim", "ember", "flannel", "granite", "hazel", "indigo", "jute", "kelp", "linen",
    "maple", "nickel", "ochre", "pewter", "quartz", "rattan", "slate", "tweed",
];
const THINGS: [&str; 25] = [
    "apron", "basket", "blanket", "bowl", "candle", "chair", "cushion", "desk", "frame", "hook", "jacket", "jug",
    "kettle", "lamp", "mirror", "mug", "notebook", "pillow", "rug", "scarf", "shelf", "stool", "tray", "vase",
    "wallet",
];

/// Where a product is read.
pub fn slug(number: usize) -> String {
    format!("article-{number}")
}

/// What is ordered.
pub fn sku(number: usize) -> String {
    format!("ART-{number:04}")
}

/// One of two words that tell products apart.
pub fn words(number: usize) -> (&'static str, &'static str) {
    let word = WORDS.get(number % WORDS.len()).copied().unwrap_or_default();
    (word, THINGS.get(number / WORDS.len() % THINGS.len()).copied().unwrap_or_default())
}

/// What staff sends to put it on sale.
pub fn product(number: usize) -> Value {
    let (word, thing) = words(number);
    json!({
        "title": format!("{word} {thing} {number}"),
        "slug": slug(number),
        "description": description(number),
        "vendor": "Yardstick Goods",
        "tags": [word, thing],
        "status": "active",
        "skus": [{"sku": sku(number), "title": "", "price": {"amount": 900 + number % 40 * 100, "currency": "USD"}}],
    })
}

/// Some twenty words.
pub fn description(number: usize) -> String {
    let (word, thing) = words(number);
    let (other, another) = words(number * 7 + 3);
    format!(
        "<p>A {thing} in {word}, made to be used every day and mended when it breaks. Goes well with a {another} in \
         {other}, and lasts.</p>"
    )
}
