//! Money as whole minor units of one ISO 4217 currency. No floats, no unchecked arithmetic.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::invalid;

/// A result that does not fit, or a sum over two currencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("amount out of range")]
pub struct Overflow;

/// An ISO 4217 currency that has minor units; test codes and metals have none and are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The United States dollar, the default of a new shop.
    pub const USD: Currency = Currency(iso_currency::Currency::USD);

    /// Reads a three letter code in capitals.
    pub fn parse(code: &str) -> Option<Self> {
        let currency = iso_currency::Currency::from_code(code)?;
        currency.exponent().map(|_| Self(currency))
    }

    /// The three letter code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits after the decimal point: 2 for USD, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u32 {
        u32::from(self.0.exponent().unwrap_or(2))
    }

    /// Reads a decimal such as `19.99`; `None` when it is negative, malformed, too precise or too large.
    pub fn parse_decimal(self, text: &str) -> Option<Money> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
            return None;
        }
        let places = usize::try_from(self.exponent()).ok()?;
        let (kept, surplus) = fraction.split_at(places.min(fraction.len()));
        if surplus.bytes().any(|b| b != b'0') {
            return None;
        }
        let amount: i64 = format!("0{whole}{kept:0<places$}").parse().ok()?;
        Money::new(amount, self).ok()
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<str>::deserialize(from)?)
            .ok_or_else(|| invalid("unknown_currency", "use an ISO 4217 code in capitals, as in USD"))
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217 code"})
    }
}

/// An amount of 0 to 2^53-1 minor units, so that JavaScript reads it exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct Money {
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    amount: i64,
    currency: Currency,
}

impl Money {
    /// The largest amount, 2^53-1.
    pub const MAX: i64 = (1 << 53) - 1;

    /// `amount` minor units; refused below 0 and above [`Money::MAX`].
    pub fn new(amount: i64, currency: Currency) -> Result<Self, Overflow> {
        if (0..=Self::MAX).contains(&amount) { Ok(Self { amount, currency }) } else { Err(Overflow) }
    }

    /// Nothing.
    pub const fn zero(currency: Currency) -> Self {
        Self { amount: 0, currency }
    }

    /// Minor units.
    pub const fn amount(self) -> i64 {
        self.amount
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The sum; refused over two currencies or past the largest amount.
    pub fn plus(self, other: Money) -> Result<Money, Overflow> {
        if self.currency != other.currency {
            return Err(Overflow);
        }
        Money::new(self.amount.checked_add(other.amount).ok_or(Overflow)?, self.currency)
    }

    /// The price of `quantity` pieces.
    pub fn times(self, quantity: Quantity) -> Result<Money, Overflow> {
        Money::new(self.amount.checked_mul(quantity.get()).ok_or(Overflow)?, self.currency)
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let places = usize::try_from(self.currency.exponent()).unwrap_or(0);
        let digits = format!("{:0>width$}", self.amount, width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let point = if places == 0 { "" } else { "." };
        write!(f, "{whole}{point}{fraction} {}", self.currency)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wire {
            amount: i64,
            currency: Currency,
        }
        let wire = Wire::deserialize(from)?;
        Money::new(wire.amount, wire.currency)
            .map_err(|_| invalid("amount_out_of_range", "use 0 to 9007199254740991 minor units"))
    }
}

/// Money that is more than nothing, for everything that moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PositiveMoney(Money);

impl PositiveMoney {
    /// `None` for nothing.
    pub fn new(money: Money) -> Option<Self> {
        (money.amount > 0).then_some(Self(money))
    }

    /// The money.
    pub const fn get(self) -> Money {
        self.0
    }
}

impl<'de> Deserialize<'de> for PositiveMoney {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(Money::deserialize(from)?).ok_or_else(|| invalid("amount_out_of_range", "use at least 1 minor unit"))
    }
}

impl JsonSchema for PositiveMoney {
    fn schema_name() -> Cow<'static, str> {
        "PositiveMoney".into()
    }
    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "amount": {"type": "integer", "minimum": 1, "maximum": Money::MAX},
                "currency": schemas.subschema_for::<Currency>(),
            },
            "required": ["amount", "currency"],
            "additionalProperties": false,
        })
    }
}

/// A number of pieces, 1 to 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Quantity(i64);

impl Quantity {
    /// The largest quantity of one line.
    pub const MAX: i64 = 1_000_000;

    /// `None` outside 1 to [`Quantity::MAX`].
    pub fn new(pieces: i64) -> Option<Self> {
        (1..=Self::MAX).contains(&pieces).then_some(Self(pieces))
    }

    /// The number of pieces.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(i64::deserialize(from)?)
            .ok_or_else(|| invalid("quantity_out_of_range", format_args!("use 1 to {}", Self::MAX)))
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 1, "maximum": Quantity::MAX})
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(amount: i64) -> Money {
        Money::new(amount, Currency::USD).expect("in range")
    }

    #[test]
    fn only_currencies_with_minor_units_exist() {
        assert_eq!(Currency::parse("JPY").map(Currency::exponent), Some(0));
        assert_eq!(Currency::parse("KWD").map(Currency::exponent), Some(3));
        for bad in ["usd", "ZZZ", "", "XXX", "XAU", "DOLLAR"] {
            assert_eq!(Currency::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn hostile_amounts_are_refused() {
        for bad in ["-1", "1.0", "1e3", "9007199254740992", "9223372036854775808", "\"1\"", "null"] {
            let body = format!(r#"{{"amount": {bad}, "currency": "USD"}}"#);
            assert!(serde_json::from_str::<Money>(&body).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<PositiveMoney>(r#"{"amount": 0, "currency": "USD"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"amount": 1, "amount": 2, "currency": "USD"}"#).is_err());
        assert_eq!(usd(Money::MAX).plus(usd(1)), Err(Overflow));
        assert_eq!(usd(1).plus(Money::zero(Currency::parse("EUR").expect("euro"))), Err(Overflow));
    }

    #[test]
    fn decimals_are_read_without_floats() {
        let jpy = Currency::parse("JPY").expect("yen");
        assert_eq!(Currency::USD.parse_decimal("19.9").map(Money::amount), Some(1990));
        assert_eq!(Currency::USD.parse_decimal("36.00").map(Money::amount), Some(3600));
        assert_eq!(Currency::USD.parse_decimal(".5").map(Money::amount), Some(50));
        assert_eq!(jpy.parse_decimal("120").map(Money::amount), Some(120));
        assert_eq!(jpy.parse_decimal("120.00").map(Money::amount), Some(120));
        for bad in ["", ".", "-1", "1.999", "1,5", "1e3", "NaN", "99999999999999999999"] {
            assert_eq!(Currency::USD.parse_decimal(bad), None, "{bad}");
        }
    }

    #[test]
    fn money_prints_with_its_own_exponent() {
        assert_eq!(usd(5).to_string(), "0.05 USD");
        assert_eq!(Money::new(120, Currency::parse("JPY").expect("yen")).expect("in range").to_string(), "120 JPY");
    }

    proptest! {
        #[test]
        fn an_amount_is_read_as_it_is_printed(
            amount in 0..=Money::MAX,
            code in prop::sample::select(vec!["JPY", "USD", "KWD"]),
        ) {
            let currency = Currency::parse(code).expect("a currency");
            let money = Money::new(amount, currency).expect("in range");
            let printed = money.to_string();
            let (decimal, named) = printed.split_once(' ').expect("a decimal and its currency");
            prop_assert_eq!((currency.parse_decimal(decimal), named), (Some(money), code));
        }

        #[test]
        fn a_sum_is_exact_or_refused(amounts in prop::collection::vec(0..=Money::MAX / 2, 0..6)) {
            let exact: i128 = amounts.iter().copied().map(i128::from).sum();
            let sum = amounts.iter().try_fold(Money::zero(Currency::USD), |sum, amount| sum.plus(usd(*amount)));
            let countable = (exact <= i128::from(Money::MAX)).then_some(exact);
            prop_assert_eq!(sum.ok().map(|sum| i128::from(sum.amount())), countable);
        }

        #[test]
        fn a_price_of_many_is_exact_or_refused(
            amount in prop_oneof![0..=Money::MAX, 0..100_000_i64],
            pieces in 1..=Quantity::MAX,
        ) {
            let exact = i128::from(amount) * i128::from(pieces);
            let price = usd(amount).times(Quantity::new(pieces).expect("in range"));
            let countable = (exact <= i128::from(Money::MAX)).then_some(exact);
            prop_assert_eq!(price.ok().map(|price| i128::from(price.amount())), countable);
        }
    }
}
