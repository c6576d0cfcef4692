//! What an API key may do: a part of the staff's API, to read or to change.

use std::borrow::Cow;

use actix_web::http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::invalid;

/// One permission, written `orders:read`. The resource is the segment that follows `/v1/admin/` in a path; whatever is
/// not listed here is for people alone, so that no key makes keys, users or admins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    resource: &'static str,
    action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Action {
    Read,
    Write,
}

const RESOURCES: [&str; 9] =
    ["categories", "deposits", "locations", "orders", "products", "reservations", "stock", "wallets", "withdrawals"];

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::Read => "read",
            Action::Write => "write",
        }
    }
}

impl Scope {
    /// All there are.
    pub fn all() -> impl Iterator<Item = Self> {
        let both = |resource| [Action::Read, Action::Write].map(|action| Self { resource, action });
        RESOURCES.into_iter().flat_map(both)
    }

    /// Reads `resource:read` or `resource:write`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::all().find(|scope| scope.to_string() == text)
    }

    /// What a request needs; `None` where no key is taken.
    pub fn of(path: &str, method: &Method) -> Option<Self> {
        let segment = path.strip_prefix("/v1/admin/")?.split('/').next()?;
        let resource = RESOURCES.into_iter().find(|resource| *resource == segment)?;
        Some(Self { resource, action: if method.is_safe() { Action::Read } else { Action::Write } })
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.resource, self.action.name())
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let known = || Self::all().map(|scope| scope.to_string()).collect::<Vec<_>>().join(", ");
        Self::parse(&text).ok_or_else(|| invalid("unknown_scope", format_args!("use one of {}", known())))
    }
}

impl JsonSchema for Scope {
    fn schema_name() -> Cow<'static, str> {
        "Scope".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<String> = Self::all().map(|scope| scope.to_string()).collect();
        json_schema!({"type": "string", "enum": names})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_a_method_name_the_scope() {
        let of = |path, method| Scope::of(path, &method).map(|scope| scope.to_string());
        assert_eq!(of("/v1/admin/orders/{id}", Method::GET).as_deref(), Some("orders:read"));
        assert_eq!(of("/v1/admin/orders", Method::HEAD).as_deref(), Some("orders:read"));
        assert_eq!(of("/v1/admin/stock/adjustments", Method::POST).as_deref(), Some("stock:write"));
        for people in ["/v1/admin/users", "/v1/admin/api-keys", "/v1/orders", "/v1/me", "/v1/admin/", "/v1/admin/x"] {
            assert_eq!(of(people, Method::GET), None, "{people}");
        }
        assert_eq!(Scope::all().map(|scope| Scope::parse(&scope.to_string())).filter(Option::is_none).count(), 0);
        assert_eq!(Scope::parse("users:write"), None);
    }
}
