//! Fields of requests that several routes take.

use std::borrow::Cow;

use emporium_inventory_api::Sku;
use emporium_kernel::invalid;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::levels::MOST;

/// How many things one request names at most.
const MOST_AT_ONCE: usize = 100;

/// 1 to 100 things.
#[derive(Debug)]
pub(crate) struct Batch<T>(pub(crate) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Batch<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let things = Vec::deserialize(from)?;
        if (1..=MOST_AT_ONCE).contains(&things.len()) {
            return Ok(Self(things));
        }
        Err(invalid("count_out_of_range", format_args!("send 1 to {MOST_AT_ONCE}")))
    }
}

impl<T: JsonSchema> JsonSchema for Batch<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("BatchOf{}", T::schema_name()).into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let items = schemas.subschema_for::<T>();
        json_schema!({"type": "array", "items": items, "minItems": 1, "maxItems": MOST_AT_ONCE})
    }
}

/// A count of pieces, 0 to 1,000,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) i64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let pieces = i64::deserialize(from)?;
        if (0..=MOST).contains(&pieces) {
            return Ok(Self(pieces));
        }
        Err(invalid("count_out_of_range", format_args!("use 0 to {MOST}")))
    }
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 0, "maximum": MOST})
    }
}

/// A difference of pieces, -1,000,000,000 to 1,000,000,000 and not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delta(pub(crate) i64);

impl<'de> Deserialize<'de> for Delta {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let pieces = i64::deserialize(from)?;
        if pieces != 0 && (-MOST..=MOST).contains(&pieces) {
            return Ok(Self(pieces));
        }
        Err(invalid("delta_out_of_range", format_args!("use -{MOST} to {MOST}, but not 0")))
    }
}

impl JsonSchema for Delta {
    fn schema_name() -> Cow<'static, str> {
        "Delta".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": -MOST, "maximum": MOST, "not": {"const": 0}})
    }
}

/// SKUs to ask for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Skus {
    /// 1 to 100.
    pub(crate) skus: Batch<Sku>,
}
