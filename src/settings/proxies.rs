//! The reverse proxies whose word counts for where a request comes from.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};

/// Networks, and addresses that stand for themselves.
pub fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    let read = |text: String| {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        let network = address.or_else(|_| text.parse::<IpNet>());
        network.map_err(|_| de::Error::custom(format!("{text:?} is no address and no network such as 10.0.0.0/8")))
    };
    Vec::<String>::deserialize(from)?.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use crate::settings::tests::load;

    #[test]
    fn proxies_are_addresses_or_networks() {
        let proxies = |text: &str| load(&format!("proxies = [{text}]")).map(|settings| settings.general.proxies.len());
        assert_eq!(proxies("\"10.0.0.1\", \"::1\", \"10.0.0.0/8\"").expect("reads"), 3);
        assert!(format!("{:#}", proxies("\"proxy.internal\"").expect_err("a name")).contains("proxy.internal"));
    }
}
