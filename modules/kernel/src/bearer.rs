//! The token of a request: from the header `Authorization`, or from a cookie, which a browser sends by itself and
//! therefore also for pages of others.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HOST, ORIGIN};
use actix_web::{HttpRequest, web};

use crate::{Problem, Unauthenticated};

/// The cookie with the access token. By its prefix, browsers refuse it unless it is `Secure`, from this host itself and
/// for all of its paths (RFC 6265bis section 4.1.3.2).
pub const TOKEN_COOKIE: &str = "__Host-jwt";

/// A further cookie in which an access token is taken; empty for none.
#[derive(Clone, Debug, Default)]
pub struct FurtherCookie(pub Arc<str>);

/// The token; `None` when there is none. One in a cookie counts only for what the user's own page asked for.
pub(crate) fn token_of(request: &HttpRequest) -> Result<Option<String>, Problem> {
    if let Some(token) = in_header(request) {
        return Ok(Some(token?));
    }
    let Some(token) = in_cookie(request) else { return Ok(None) };
    from_own_page(request)?;
    Ok(Some(token))
}

fn in_header(request: &HttpRequest) -> Option<Result<String, Unauthenticated>> {
    let header = request.headers().get(AUTHORIZATION)?;
    let token = header.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.trim().to_owned())
    });
    Some(token.ok_or(Unauthenticated::Refused))
}

fn in_cookie(request: &HttpRequest) -> Option<String> {
    let further = request.app_data::<web::Data<FurtherCookie>>().map(|further| further.0.clone());
    let further = further.filter(|name| !name.is_empty());
    // As they are: a name that is decoded could be one that browsers protect, set by whom they protect it from.
    let named = |name: &str| request.cookie_raw(name).map(|cookie| cookie.value().to_owned());
    named(TOKEN_COOKIE).or_else(|| named(&further?)).filter(|token| !token.is_empty())
}

/// Refuses a change that another site's page may have sent: it can neither set a header of its own without being asked
/// for permission, which nobody gets here, nor choose its `Origin` (OWASP ASVS 5.0.0, 3.5.1 to 3.5.3).
pub fn from_own_page(request: &HttpRequest) -> Result<(), Problem> {
    if request.method().is_safe() {
        return Ok(());
    }
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let asked = header("x-requested-with").is_some_and(|value| !value.is_empty());
    let origin = header(ORIGIN.as_str()).is_none_or(|origin| is_own(origin, header(HOST.as_str())));
    let site = header("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    if asked && origin && site { Ok(()) } else { Err(forged()) }
}

/// Whether an origin (RFC 6454) is the host that was asked. The scheme is not compared: TLS may end before us.
fn is_own(origin: &str, host: Option<&str>) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let port = if scheme == "https" { ":443" } else { ":80" };
    let plain = |authority: &str| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
    host.is_some_and(|host| plain(host) == plain(authority))
}

fn forged() -> Problem {
    let advice = "a change with a cookie needs the header X-Requested-With and has to come from a page of this host";
    Problem::new(StatusCode::FORBIDDEN, "cross_site_request", advice)
}

#[cfg(test)]
mod tests {
    use actix_web::cookie::Cookie;
    use actix_web::http::Method;
    use actix_web::test::TestRequest;

    use super::*;

    fn asking(method: Method, headers: &[(&str, &str)]) -> HttpRequest {
        let request = TestRequest::with_uri("/").method(method).cookie(Cookie::new(TOKEN_COOKIE, "t"));
        let request = request.insert_header(("Host", "shop.example"));
        headers.iter().fold(request, |request, header| request.insert_header(*header)).to_http_request()
    }

    fn token(request: &HttpRequest) -> Result<Option<String>, u16> {
        token_of(request).map_err(|problem| problem.status)
    }

    #[test]
    fn a_cookie_counts_for_reading_and_for_changes_from_the_own_page() {
        assert_eq!(token(&asking(Method::GET, &[])), Ok(Some("t".to_owned())));
        let own =
            [("X-Requested-With", "fetch"), ("Origin", "https://shop.example"), ("Sec-Fetch-Site", "same-origin")];
        assert_eq!(token(&asking(Method::POST, &own)), Ok(Some("t".to_owned())));
        assert_eq!(token(&asking(Method::POST, &own[..1])), Ok(Some("t".to_owned())), "not a browser");
    }

    #[test]
    fn a_change_that_another_page_may_have_sent_is_refused() {
        let asked = ("X-Requested-With", "fetch");
        for headers in [
            vec![],
            vec![("Origin", "https://shop.example")],
            vec![asked, ("Origin", "https://evil.example")],
            vec![asked, ("Origin", "https://shop.example.evil.example")],
            vec![asked, ("Origin", "https://shop.example:8443")],
            vec![asked, ("Origin", "null")],
            vec![asked, ("Sec-Fetch-Site", "cross-site")],
            vec![asked, ("Sec-Fetch-Site", "same-site")],
        ] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert_eq!(token(&asking(method, &headers)), Err(403), "{headers:?}");
            }
        }
    }

    #[test]
    fn a_header_goes_before_a_cookie_and_needs_no_page() {
        let named = asking(Method::POST, &[("Authorization", "Bearer h"), ("Origin", "https://evil.example")]);
        assert_eq!(token(&named), Ok(Some("h".to_owned())));
        assert_eq!(token(&asking(Method::GET, &[("Authorization", "Basic h")])), Err(401));
    }

    #[test]
    fn another_cookie_counts_only_when_it_is_named() {
        let ask = || TestRequest::default().cookie(Cookie::new("jwt", "t"));
        assert_eq!(token(&ask().to_http_request()), Ok(None));
        let named = web::Data::new(FurtherCookie("jwt".into()));
        let disguised = TestRequest::default().insert_header(("Cookie", "%5F%5FHost-jwt=t"));
        assert_eq!(token(&disguised.to_http_request()), Ok(None), "a name is what it is");
        assert_eq!(token(&ask().app_data(named).to_http_request()), Ok(Some("t".to_owned())));
    }

    #[test]
    fn ports_that_go_without_saying_do_not_count() {
        assert!(is_own("https://shop.example", Some("SHOP.example:443")) && is_own("http://a:80", Some("a")));
        assert!(!is_own("https://shop.example:80", Some("shop.example")) && !is_own("https://a", None));
    }
}
