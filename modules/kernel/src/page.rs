//! Lists by cursor: `{"data": […], "next_cursor": "…"}`. A cursor holds the sort key and the id of the last row that was
//! shown or looked at, so a page costs much the same at the start and at the end (on MariaDB not in every list, see
//! BENCHMARKS.md), and inserts neither repeat nor hide a row.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::text::invalid;

/// Counting the rows of a list ends here: it takes as long as there are rows.
pub const MOST_COUNTED: i64 = 5_000;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Page<T> {
    /// The rows. A page may have fewer than asked for, or none, before the end: where a filter leaves few of very many, or a
    /// search by relevance goes on to what is ranked next.
    pub data: Vec<T>,
    /// Send it as `after` for the next page; `null` at the end, and only there.
    pub next_cursor: Option<String>,
    /// How many there are in all, when `include=total` asked for it; 5,000 for so many and any more. Left out where
    /// that would take too long: where more than a thousand rows would each have to be asked whether a filter leaves them, or
    /// more than fifteen hundred be told apart that may be in several categories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
}

/// A page as an answer's body.
pub type ServedPage<T> = crate::Answer<Page<T>>;

impl<T> Page<T> {
    /// Makes a page of at most `limit` rows from up to one more, whose presence says that there is a next page.
    pub fn of<K: Serialize>(mut rows: Vec<T>, limit: Limit, key: impl Fn(&T) -> K) -> Self {
        let more = rows.len() > limit.rows();
        rows.truncate(limit.rows());
        let next_cursor = rows.last().filter(|_| more).map(|last| Cursor::encode(&key(last)));
        Self { data: rows, next_cursor, total: None }
    }

    /// The same page of other things.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { data: self.data.into_iter().map(change).collect(), next_cursor: self.next_cursor, total: self.total }
    }
}

/// How many rows a page has: 1 to 100, 25 when not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u8);

impl Limit {
    /// The most rows of one page.
    pub const MAX: u8 = 100;

    /// As many rows as a page can have.
    pub const LARGEST: Self = Self(Self::MAX);

    /// Rows of a page.
    pub fn rows(self) -> usize {
        usize::from(self.0)
    }

    /// Rows to read: one more than shown, to know whether there are more.
    pub fn probe(self) -> i64 {
        i64::from(self.0) + 1
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(25)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let rows = u8::deserialize(from).ok().filter(|rows| (1..=Self::MAX).contains(rows));
        rows.map(Self).ok_or_else(|| invalid("limit_out_of_range", "use 1 to 100"))
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 1, "maximum": Limit::MAX, "default": 25})
    }
}

/// Where a page begins: opaque to clients, base64url of the JSON of `K`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor<K>(pub K);

impl Cursor<()> {
    /// The text for a key.
    pub fn encode<K: Serialize>(key: &K) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
    }
}

impl<'de, K: DeserializeOwned> Deserialize<'de> for Cursor<K> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let key = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        key.map(Self).ok_or_else(|| invalid("invalid_cursor", "send next_cursor as it was given, with the same sort"))
    }
}

impl<K> JsonSchema for Cursor<K> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cursor".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "description": "next_cursor of the page before"})
    }
}

/// The common query of a list that has one order: `limit` and `after`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Rows of a page.
    #[serde(default)]
    pub limit: Limit,
    /// Where the page begins.
    pub after: Option<Cursor<(i64, String)>>,
}

/// The order of a list that has no other: newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Newest {
    /// By the time of creation, downwards.
    #[serde(rename = "-created_at")]
    CreatedDown,
}

/// [`Window`] for a client that may say the order as well.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewestFirst {
    /// The only order there is.
    pub sort: Option<Newest>,
    /// Rows of a page.
    #[serde(default)]
    pub limit: Limit,
    /// Where the page begins.
    pub after: Option<Cursor<(i64, String)>>,
}

impl From<NewestFirst> for Window {
    fn from(NewestFirst { limit, after, .. }: NewestFirst) -> Self {
        Self { limit, after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_when_there_is_no_row_more() {
        let limit = Limit(2);
        let page = Page::of(vec![1, 2, 3], limit, |n| *n);
        assert_eq!(page.data, [1, 2]);
        let cursor: Cursor<i32> =
            serde_json::from_value(page.next_cursor.clone().into()).expect("its own cursor reads back");
        assert_eq!(cursor, Cursor(2));
        assert_eq!(Page::of(vec![1, 2], limit, |n| *n).next_cursor, None);
    }

    #[test]
    fn foreign_cursors_are_refused() {
        for bad in ["\"\"", "\"%%%\"", "\"bm90IGpzb24\""] {
            assert!(serde_json::from_str::<Cursor<(i64, String)>>(bad).is_err(), "{bad}");
        }
    }
}
