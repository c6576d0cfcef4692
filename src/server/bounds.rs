//! What a request may be before anybody looks at what it asks for.

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use emporium_kernel::Problem;

/// Path and query, in bytes.
const MOST_URI: usize = 8 * 1024;
/// All header fields with their names, in bytes. The server itself reads up to 128 KiB and 96 fields.
const MOST_HEAD: usize = 16 * 1024;
/// Names under which somebody might send a secret where logs and proxies keep it (OWASP ASVS 5.0.0, 14.2.1).
const SECRETS: [&str; 8] =
    ["access_token", "refresh_token", "id_token", "token", "jwt", "api_key", "authorization", "password"];

/// Refuses what is too long, and secrets in the URL.
pub fn check(request: &ServiceRequest) -> Result<(), Problem> {
    let uri = request.uri();
    if uri.path_and_query().map_or(0, |whole| whole.as_str().len()) > MOST_URI {
        let detail = format!("path and query may have {MOST_URI} bytes together");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", detail));
    }
    let head: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if head > MOST_HEAD {
        let detail = format!("the headers may have {MOST_HEAD} bytes together");
        return Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", detail));
    }
    let mut names = url::form_urlencoded::parse(request.query_string().as_bytes());
    match names.find(|(name, _)| SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret))) {
        Some((name, _)) => {
            let detail = format!("{name} does not belong into a URL, which is kept in many places; it is known now");
            Err(Problem::malformed("secret_in_url", detail))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn status(request: TestRequest) -> Option<u16> {
        check(&request.to_srv_request()).err().map(|problem| problem.status)
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let long = |bytes: usize| TestRequest::with_uri(&format!("/?q={}", "a".repeat(bytes - 4)));
        assert_eq!((status(long(MOST_URI)), status(long(MOST_URI + 1))), (None, Some(414)));
        let head = |bytes: usize| TestRequest::with_uri("/").insert_header(("x", "a".repeat(bytes - 5)));
        assert_eq!((status(head(MOST_HEAD)), status(head(MOST_HEAD + 1))), (None, Some(431)));
    }

    #[test]
    fn a_secret_in_the_url_is_refused_however_it_is_written() {
        for query in ["access_token=t", "a=1&Token=t", "access%5Ftoken=t", "api_key"] {
            assert_eq!(status(TestRequest::with_uri(&format!("/v1/me?{query}"))), Some(400), "{query}");
        }
        assert_eq!(status(TestRequest::with_uri("/v1/products?q=token&after=t")), None);
    }
}
