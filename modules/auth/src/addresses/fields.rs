//! The fields of an address: as users send them, each checked by its type, as they are stored and as they are shown.

use emporium_auth_api::UserId;
use emporium_database::prelude::*;
use emporium_kernel::{Line, Timestamp, id};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::country::Country;
use crate::schema::address;

id!(
    /// Names a postal address.
    AddressId = "adr"
);

/// A postal address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Address {
    /// Names it.
    pub(crate) id: AddressId,
    /// Who receives what is sent there.
    name: String,
    /// The company.
    company: Option<String>,
    /// Street and number.
    line1: String,
    /// Flat, floor and the like.
    line2: Option<String>,
    /// The city.
    city: String,
    /// State, province and the like.
    region: Option<String>,
    /// The postal code, where there is one.
    postal_code: Option<String>,
    /// ISO 3166-1 alpha-2 code; one that is no longer assigned stays as it was.
    country: String,
    /// Whom the carrier calls.
    phone: Option<String>,
    /// Whether goods go there when nothing else is said.
    is_default_shipping: bool,
    /// Whether bills go there when nothing else is said.
    is_default_billing: bool,
    /// Rises with every change.
    pub(crate) version: i64,
    /// Since when.
    pub(super) created_at: Timestamp,
    /// Changed when.
    updated_at: Timestamp,
}

/// An address to be kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAddress {
    /// Who receives what is sent there.
    name: Line<100>,
    /// The company.
    company: Option<Line<100>>,
    /// Street and number.
    line1: Line<200>,
    /// Flat, floor and the like.
    line2: Option<Line<200>>,
    /// The city.
    city: Line<100>,
    /// State, province and the like.
    region: Option<Line<100>>,
    /// The postal code, where there is one.
    postal_code: Option<Line<20>>,
    /// ISO 3166-1 alpha-2 code, in capitals.
    country: Country,
    /// Whom the carrier calls.
    phone: Option<Line<32>>,
    /// Whether goods go there when nothing else is said. When absent: only if it is the user's first address.
    is_default_shipping: Option<bool>,
    /// Whether bills go there when nothing else is said. When absent: only if it is the user's first address.
    is_default_billing: Option<bool>,
}

impl NewAddress {
    /// The row that this becomes; the `first` one of a user is the default unless it says otherwise.
    pub(super) fn into_row(self, id: &AddressId, user: &UserId, first: bool, now: Timestamp) -> Row {
        Row {
            id: id.to_string(),
            user_id: user.to_string(),
            name: self.name.into_string(),
            company: self.company.map(Line::into_string),
            line1: self.line1.into_string(),
            line2: self.line2.map(Line::into_string),
            city: self.city.into_string(),
            region: self.region.map(Line::into_string),
            postal_code: self.postal_code.map(Line::into_string),
            country: self.country.code().to_owned(),
            phone: self.phone.map(Line::into_string),
            is_default_shipping: i32::from(self.is_default_shipping.unwrap_or(first)),
            is_default_billing: i32::from(self.is_default_billing.unwrap_or(first)),
            version: 1,
            created_at: now.micros(),
            updated_at: now.micros(),
        }
    }
}

/// A change of an address: absent members stay, `null` empties those that may be empty.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressChange {
    /// Who receives what is sent there.
    #[serde(default, deserialize_with = "given")]
    name: Option<Line<100>>,
    /// The company.
    #[serde(default, deserialize_with = "given")]
    company: Option<Option<Line<100>>>,
    /// Street and number.
    #[serde(default, deserialize_with = "given")]
    line1: Option<Line<200>>,
    /// Flat, floor and the like.
    #[serde(default, deserialize_with = "given")]
    line2: Option<Option<Line<200>>>,
    /// The city.
    #[serde(default, deserialize_with = "given")]
    city: Option<Line<100>>,
    /// State, province and the like.
    #[serde(default, deserialize_with = "given")]
    region: Option<Option<Line<100>>>,
    /// The postal code, where there is one.
    #[serde(default, deserialize_with = "given")]
    postal_code: Option<Option<Line<20>>>,
    /// ISO 3166-1 alpha-2 code, in capitals.
    #[serde(default, deserialize_with = "given")]
    country: Option<Country>,
    /// Whom the carrier calls.
    #[serde(default, deserialize_with = "given")]
    phone: Option<Option<Line<32>>>,
    /// Whether goods go there when nothing else is said; no other address is the default then.
    #[serde(default, deserialize_with = "given")]
    is_default_shipping: Option<bool>,
    /// Whether bills go there when nothing else is said; no other address is the default then.
    #[serde(default, deserialize_with = "given")]
    is_default_billing: Option<bool>,
}

impl AddressChange {
    /// What `row` is to become.
    pub(super) fn on(self, row: Row) -> Row {
        Row {
            name: kept(self.name, row.name),
            company: kept_or_none(self.company, row.company),
            line1: kept(self.line1, row.line1),
            line2: kept_or_none(self.line2, row.line2),
            city: kept(self.city, row.city),
            region: kept_or_none(self.region, row.region),
            postal_code: kept_or_none(self.postal_code, row.postal_code),
            country: self.country.map_or(row.country, |country| country.code().to_owned()),
            phone: kept_or_none(self.phone, row.phone),
            is_default_shipping: self.is_default_shipping.map_or(row.is_default_shipping, i32::from),
            is_default_billing: self.is_default_billing.map_or(row.is_default_billing, i32::from),
            ..row
        }
    }
}

fn kept<const MAX: usize>(wanted: Option<Line<MAX>>, stored: String) -> String {
    wanted.map_or(stored, Line::into_string)
}

fn kept_or_none<const MAX: usize>(wanted: Option<Option<Line<MAX>>>, stored: Option<String>) -> Option<String> {
    wanted.map_or(stored, |wanted| wanted.map(Line::into_string))
}

/// Reads a member that was sent: one that may be empty also when it is `null`.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// An address as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = address)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) name: String,
    pub(super) company: Option<String>,
    pub(super) line1: String,
    pub(super) line2: Option<String>,
    pub(super) city: String,
    pub(super) region: Option<String>,
    pub(super) postal_code: Option<String>,
    pub(super) country: String,
    pub(super) phone: Option<String>,
    pub(super) is_default_shipping: i32,
    pub(super) is_default_billing: i32,
    pub(super) version: i64,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

impl From<Row> for Address {
    fn from(row: Row) -> Self {
        Self {
            id: AddressId::stored(row.id),
            name: row.name,
            company: row.company,
            line1: row.line1,
            line2: row.line2,
            city: row.city,
            region: row.region,
            postal_code: row.postal_code,
            country: row.country,
            phone: row.phone,
            is_default_shipping: row.is_default_shipping != 0,
            is_default_billing: row.is_default_billing != 0,
            version: row.version,
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
        }
    }
}
