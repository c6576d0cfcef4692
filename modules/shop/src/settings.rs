//! The section `[shop]` of config.toml.

use emporium_kernel::Currency;
use serde::{Deserialize, Serialize};

use crate::orders::TaxRate;

/// How the shop sells.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The currency that imports and the sample catalogue use.
    pub currency: Currency,
    /// The tax that every price contains; what it was stays with each order.
    pub tax_rate: TaxRate,
    /// Products kept in memory for reading, at most.
    pub product_cache: usize,
    /// How long placing an order is waited for before 202 is answered, in milliseconds.
    pub order_patience_millis: u64,
    /// How long stock stays reserved for an order that is being placed, in seconds.
    pub reservation_secs: u32,
    /// How long money stays held for an order that is being placed, in seconds; longer than the reservation.
    pub hold_secs: u32,
    /// How long an order is left to the process that drives it before another may take over, in seconds.
    pub lease_secs: u64,
    /// Orders that are being placed at the same time, at least 1; the next is refused with 503 at once, as is the repeat
    /// of an earlier one, which is to be sent again.
    pub orders_at_once: usize,
    /// Lines of one order or cart, at most: 1 to 1,000.
    pub max_lines: usize,
    /// Carts that nobody touched for so many days are removed.
    pub cart_days: u32,
}

impl Settings {
    /// Why these settings are refused.
    pub fn check(&self) -> Result<(), String> {
        // Stock that has left must find its money held (rule 4 of the saga).
        if self.hold_secs <= self.reservation_secs {
            let (hold, reservation) = (self.hold_secs, self.reservation_secs);
            return Err(format!("hold_secs is {hold}; use more than reservation_secs, {reservation}"));
        }
        if !LINES.contains(&self.max_lines) {
            let (least, most) = LINES.into_inner();
            return Err(format!("max_lines is {}; use {least} to {most}", self.max_lines));
        }
        Ok(())
    }
}

/// What an order may be allowed to have; all of it is asked for with one statement.
const LINES: std::ops::RangeInclusive<usize> = 1..=1_000;

impl Default for Settings {
    fn default() -> Self {
        Self {
            currency: Currency::USD,
            tax_rate: TaxRate::default(),
            product_cache: 10_000,
            order_patience_millis: 2_000,
            reservation_secs: 15 * 60,
            hold_secs: 24 * 60 * 60,
            lease_secs: 30,
            orders_at_once: 256,
            max_lines: 100,
            cart_days: 30,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_stays_held_longer_than_stock_stays_reserved() {
        let settings = |hold_secs| Settings { reservation_secs: 60, hold_secs, ..Settings::default() };
        assert_eq!(Settings::default().check(), Ok(()));
        assert_eq!((settings(61).check().is_ok(), settings(60).check().is_ok()), (true, false));
    }

    #[test]
    fn an_order_has_a_line_and_not_too_many() {
        let settings = |max_lines| Settings { max_lines, ..Settings::default() };
        let accepted = [0, 1, 1_000, 1_001].map(|lines| settings(lines).check().is_ok());
        assert_eq!(accepted, [false, true, true, false]);
    }
}
