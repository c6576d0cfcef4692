//! Where a request comes from, as far as limits are concerned.

use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or the first half of an IPv6 address: what one household or one attacker has for nothing.
pub(crate) fn of(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_long_address_and_all_of_a_short_one() {
        let place = |text: &str| of(text.parse().ok());
        assert_eq!(place("203.0.113.7"), "203.0.113.7");
        assert_eq!(place("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(place("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of(None), "unknown");
    }
}
