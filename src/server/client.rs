//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};

use actix_web::dev::ServiceRequest;
use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

/// The address of the client: where the connection comes from, or, when that is a proxy of ours, what it says. A proxy
/// adds the address it sees on the right, so the last one that is not a proxy of ours counts; what stands before it anybody
/// can have written.
pub fn address(request: &ServiceRequest, proxies: &[IpNet]) -> Option<IpAddr> {
    let nearest = request.peer_addr()?.ip().to_canonical();
    Some(farthest(nearest, request.headers(), proxies))
}

fn farthest(nearest: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let is_ours = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    if !is_ours(&nearest) {
        return nearest;
    }
    // What a client wrote before it may be no text at all.
    let lines: Vec<String> =
        headers.get_all("x-forwarded-for").map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect();
    let mut last = nearest;
    for text in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Some(address) = address_of(text.trim()) else { return last };
        last = address.to_canonical();
        if !is_ours(&last) {
            return last;
        }
    }
    last
}

/// Some proxies write the port as well.
fn address_of(text: &str) -> Option<IpAddr> {
    let plain = text.trim_start_matches('[').trim_end_matches(']');
    plain.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn client(nearest: &str, forwarded: &[&str]) -> String {
        let proxies = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network"));
        let mut headers = HeaderMap::new();
        for line in forwarded {
            let value = HeaderValue::from_str(line).expect("text");
            headers.append(HeaderName::from_static("x-forwarded-for"), value);
        }
        farthest(nearest.parse().expect("an address"), &headers, &proxies).to_string()
    }

    #[test]
    fn only_proxies_of_ours_are_believed_and_only_what_they_saw() {
        assert_eq!(client("203.0.113.7", &["192.0.2.1"]), "203.0.113.7", "a stranger says what it likes");
        assert_eq!(client("10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(
            client("10.0.0.1", &["198.51.100.9, 192.0.2.1, 10.0.0.2"]),
            "192.0.2.1",
            "the rest anybody can write"
        );
        assert_eq!(client("::1", &["198.51.100.9", "192.0.2.1"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["192.0.2.1, nonsense"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["::ffff:192.0.2.1"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["192.0.2.1:4711"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]:80"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &["caf\u{e9}, 192.0.2.1"]), "192.0.2.1", "what a client wrote hides nothing");
    }
}
