//! What a product is found by: the words of its texts, weighed by where they stand.

use std::collections::BTreeMap;

use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_shop_api::ProductId;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::ProductDraft;
use super::product::CategoryRef;
use crate::error::Done;
use crate::schema::search_term;

/// Words kept of one product, beside its SKUs, which all are.
const MOST_WORDS: usize = 200;
/// Characters kept of one term.
const LONGEST: usize = 64;

const IN_TITLE: i64 = 8;
const IN_SKU: i64 = 8;
const IN_LABEL: i64 = 4;
const IN_DESCRIPTION: i64 = 1;

/// Terms with their weights.
pub(crate) type Terms = BTreeMap<String, i64>;

/// What a product is found by: title before SKUs before labels before description. A word that stands in several
/// places has the weight of the best.
pub(crate) fn of(draft: &ProductDraft, categories: &[CategoryRef]) -> Terms {
    let mut terms: Terms = draft.skus.iter().map(|sku| (whole(&sku.sku), IN_SKU)).collect();
    let most = terms.len() + MOST_WORDS;
    let mut add = |text: &str, weight: i64| {
        for word in words(text) {
            if terms.len() >= most {
                return;
            }
            terms.entry(word).or_insert(weight);
        }
    };
    add(&draft.title, IN_TITLE);
    for sku in &draft.skus {
        add(&sku.sku, IN_SKU);
        add(&sku.barcode, IN_SKU);
    }
    for label in draft.tags.iter().chain([&draft.vendor, &draft.kind]).chain(categories.iter().map(|c| &c.name)) {
        add(label, IN_LABEL);
    }
    draft.skus.iter().for_each(|sku| add(&sku.title, IN_LABEL));
    add(&plain(&draft.description), IN_DESCRIPTION);
    terms
}

/// Small letters without accents, and compatible forms as one: `Café` as `cafe`, `２` as `2`.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase)
}

/// The words of a text: runs of letters and digits.
pub(crate) fn words(text: &str) -> Vec<String> {
    let text: String = folded(text).collect();
    let runs = text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty());
    runs.map(|run| run.chars().take(LONGEST).collect()).collect()
}

/// A text as one term, as SKUs are kept beside their words.
pub(crate) fn whole(text: &str) -> String {
    let term: String = folded(text.trim()).take(LONGEST).collect();
    // A sign may turn into a space and a mark, and some engines take no notice of spaces at the end.
    term.trim().to_owned()
}

/// The text of an HTML fragment; tags and entities become space.
fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        let (before, markup) = rest.split_at(at);
        text.push_str(before);
        text.push(' ');
        rest = markup.get(length(markup)..).unwrap_or_default();
    }
    text.push_str(rest);
    text
}

/// How long the tag or entity is that `markup` begins with; 1 when it is neither.
fn length(markup: &str) -> usize {
    let begins = |c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '#');
    if !markup.chars().nth(1).is_some_and(begins) {
        return 1;
    }
    let end = if markup.starts_with('<') { markup.find('>') } else { markup.find(';').filter(|end| *end <= 32) };
    end.map_or(1, |end| end + 1)
}

/// Terms of new products that are still to be written.
#[derive(Debug, Default)]
pub(crate) struct NewTerms(Vec<(String, ProductId, i64)>);

impl NewTerms {
    /// Adds those of one product.
    pub fn add(&mut self, product: &ProductId, terms: Terms) {
        self.0.extend(terms.into_iter().map(|(term, weight)| (term, product.clone(), weight)));
    }

    /// Adds those of others.
    pub fn append(&mut self, mut others: NewTerms) {
        self.0.append(&mut others.0);
    }

    /// Writes them in the order of their table, so that each of its pages is visited once however many products there
    /// are: most of the time of an import goes into these rows.
    pub fn write(&mut self, db: &mut Db) -> Done<()> {
        self.0.sort();
        for (term, product, weight) in self.0.drain(..) {
            insert_one(db, &product, &term, weight)?;
        }
        Ok(())
    }
}

/// Makes `terms` those of a product, touching only rows that differ.
pub(crate) fn replace(db: &mut Db, product: &ProductId, terms: &Terms) -> Done<()> {
    let rows: Vec<(String, i64)> = search_term::table
        .filter(search_term::product.eq(product.as_str()))
        .select((search_term::term, search_term::weight))
        .load(db)?;
    let before: Terms = rows.into_iter().collect();
    for term in before.iter().filter(|(term, weight)| terms.get(*term) != Some(*weight)).map(|(term, _)| term) {
        let row = search_term::term.eq(term).and(search_term::product.eq(product.as_str()));
        diesel::delete(search_term::table.filter(row)).execute(db)?;
    }
    for (term, weight) in terms.iter().filter(|(term, weight)| before.get(*term) != Some(*weight)) {
        insert_one(db, product, term, *weight)?;
    }
    Ok(())
}

fn insert_one(db: &mut Db, product: &ProductId, term: &str, weight: i64) -> Done<()> {
    let row = (search_term::term.eq(term), search_term::product.eq(product.as_str()), search_term::weight.eq(weight));
    diesel::insert_into(search_term::table).values(row).execute(db)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_small_and_without_accents() {
        assert_eq!(words("Café  CRÈME, 350ml"), ["cafe", "creme", "350ml"]);
        assert_eq!(words("№２ İstanbul Ж"), ["no2", "istanbul", "ж"]);
        assert_eq!(words("100%_off"), ["100", "off"]);
        assert_eq!(words("--"), Vec::<String>::new());
        assert_eq!(whole(" TEA-01/É "), "tea-01/e");
    }

    #[test]
    fn tags_and_entities_are_not_words() {
        assert_eq!(
            words(&plain("<p class=\"x\">Fine&nbsp;tea</p>a < b & c<br/>d")),
            ["fine", "tea", "a", "b", "c", "d"]
        );
        assert_eq!(words(&plain("unclosed <p")), ["unclosed", "p"]);
        assert_eq!(words(&plain("Ж<é>")), ["ж", "e"]);
    }
}
