//! The tax that prices contain.

use emporium_kernel::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A share of the net price, in hundredths of a percent: 1900 is 19 %. At most 10000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "i64", into = "i64")]
pub struct TaxRate(#[schemars(range(min = 0, max = 10000))] i64);

/// Not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tax rate is 0 to 10000 hundredths of a percent")]
pub struct NoRate;

impl TryFrom<i64> for TaxRate {
    type Error = NoRate;

    fn try_from(hundredths: i64) -> Result<Self, NoRate> {
        if (0..=WHOLE).contains(&hundredths) { Ok(Self(hundredths)) } else { Err(NoRate) }
    }
}

impl From<TaxRate> for i64 {
    fn from(rate: TaxRate) -> Self {
        rate.0
    }
}

const WHOLE: i64 = 10_000;

impl TaxRate {
    /// How much of a gross amount is tax; halves go to the even unit.
    pub fn contained_in(self, gross: Money) -> Money {
        let (taxed, parts) = (i128::from(gross.amount()) * i128::from(self.0), i128::from(WHOLE + self.0));
        let (whole, left) = (taxed / parts, taxed % parts);
        let up = 2 * left > parts || (2 * left == parts && whole % 2 == 1);
        let tax = i64::try_from(whole + i128::from(up)).unwrap_or(0);
        // Never more than half of the gross amount, so it fits.
        Money::new(tax, gross.currency()).unwrap_or(Money::zero(gross.currency()))
    }
}

#[cfg(test)]
mod tests {
    use emporium_kernel::Currency;
    use proptest::prelude::*;

    use super::*;

    fn tax(hundredths: i64, gross: i64) -> i64 {
        let gross = Money::new(gross, Currency::USD).expect("an amount");
        TaxRate::try_from(hundredths).expect("a rate").contained_in(gross).amount()
    }

    #[test]
    fn is_contained_in_the_price() {
        assert_eq!((tax(1_900, 11_900), tax(700, 10_700), tax(0, 500), tax(10_000, 500)), (1_900, 700, 0, 250));
    }

    #[test]
    fn halves_go_to_the_even_unit() {
        assert_eq!((tax(10_000, 1), tax(10_000, 3), tax(10_000, 5)), (0, 2, 2));
    }

    #[test]
    fn more_than_the_whole_is_no_rate() {
        assert_eq!([-1, 10_001].map(TaxRate::try_from), [Err(NoRate), Err(NoRate)]);
    }

    proptest! {
        #[test]
        fn is_within_half_a_unit_of_the_exact_share(hundredths in 0..=10_000_i64, gross in 0..=Money::MAX) {
            let (tax, parts) = (i128::from(tax(hundredths, gross)), i128::from(10_000 + hundredths));
            let exact = i128::from(gross) * i128::from(hundredths);
            prop_assert!((2 * (tax * parts - exact)).abs() <= parts);
        }

        #[test]
        fn of_the_lines_of_an_order_strays_by_half_a_unit_a_line(
            hundredths in 0..=10_000_i64,
            lines in prop::collection::vec(0..=Money::MAX / 100, 1..=100),
        ) {
            let taxes: Vec<i64> = lines.iter().map(|line| tax(hundredths, *line)).collect();
            prop_assert!(taxes.iter().zip(&lines).all(|(tax, line)| (0..=*line).contains(tax)), "net prices are left");
            let sum = |amounts: &[i64]| amounts.iter().copied().map(i128::from).sum::<i128>();
            let (parts, exact) = (i128::from(10_000 + hundredths), sum(&lines) * i128::from(hundredths));
            let count = i128::try_from(lines.len()).expect("few");
            prop_assert!((2 * (sum(&taxes) * parts - exact)).abs() <= parts * count);
        }
    }
}
