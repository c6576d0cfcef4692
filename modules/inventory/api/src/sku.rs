//! SKUs: how a shop names the things that it counts.

use std::borrow::Cow;
use std::ops::Deref;

use emporium_kernel::{Line, TextError};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

/// A stock keeping unit: one line of 1 to 64 characters, kept as it was written. Capitals count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Sku(String);

impl Sku {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        Line::<64>::parse(text).map(|line| Self(line.into_string()))
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

impl Deref for Sku {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Sku {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sku {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Line::<64>::deserialize(from).map(|line| Self(line.into_string()))
    }
}

impl JsonSchema for Sku {
    fn schema_name() -> Cow<'static, str> {
        "Sku".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        Line::<64>::json_schema(schemas)
    }
}
