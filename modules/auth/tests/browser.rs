//! Pages: tokens in cookies that no script reads and no other site's page can use.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use actix_web::cookie::Cookie;
use actix_web::test::TestRequest;
use common::{House, PASSWORD, Reply};
use serde_json::json;

const ADA: &str = "ada@example.com";
const OWN: (&str, &str) = ("X-Requested-With", "fetch");

fn cookies(reply: &Reply) -> Vec<Cookie<'static>> {
    let set = reply.headers.get_all("set-cookie");
    set.map(|value| Cookie::parse(value.to_str().expect("text").to_owned()).expect("a cookie")).collect()
}

fn login() -> TestRequest {
    let body = json!({"email": ADA, "password": PASSWORD, "cookies": true});
    TestRequest::post().uri("/v1/auth/login").set_json(body)
}

fn sent(request: TestRequest, cookies: &[Cookie<'static>]) -> TestRequest {
    let pairs: Vec<String> = cookies.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect();
    request.insert_header(("Cookie", pairs.join("; ")))
}

#[actix_web::test]
async fn a_login_for_a_page_hands_out_cookies_and_no_tokens() {
    let house = House::new();
    house.register(ADA).await;
    assert_eq!(house.send(login()).await.text("code"), "cross_site_request", "nobody is logged in by another's page");
    let reply = house.send(login().insert_header(OWN)).await;
    assert_eq!((reply.status, reply.body), (200, json!({"token_type": "Cookie", "expires_in": 600})));
    let reply = house.send(login().insert_header(OWN)).await;
    let set = cookies(&reply);
    assert_eq!(set.iter().map(|cookie| cookie.name()).collect::<Vec<_>>(), ["__Host-jwt", "__Host-refresh"]);
    for cookie in &set {
        let safe = (cookie.secure(), cookie.http_only(), cookie.path(), cookie.domain());
        assert_eq!(safe, (Some(true), Some(true), Some("/"), None), "{cookie}");
        assert_eq!(cookie.same_site(), Some(actix_web::cookie::SameSite::Strict));
    }
    let me = house.send(sent(TestRequest::get().uri("/v1/me"), &set[..1])).await;
    assert_eq!((me.status, me.text("email")), (200, ADA.to_owned()));
}

#[actix_web::test]
async fn a_change_with_a_cookie_comes_from_the_own_page() {
    let house = House::new();
    house.register(ADA).await;
    let set = cookies(&house.send(login().insert_header(OWN)).await);
    let end = || sent(TestRequest::delete().uri("/v1/me/sessions"), &set);
    assert_eq!(house.send(end()).await.status, 403);
    let foreign = end().insert_header(OWN).insert_header(("Origin", "https://evil.example"));
    assert_eq!(house.send(foreign.insert_header(("Host", "shop.example"))).await.status, 403);
    let own = end().insert_header(OWN).insert_header(("Origin", "https://shop.example"));
    assert_eq!(house.send(own.insert_header(("Host", "shop.example"))).await.status, 204);
}

#[actix_web::test]
async fn cookies_are_renewed_and_taken_away() {
    let house = House::new();
    house.register(ADA).await;
    let set = cookies(&house.send(login().insert_header(OWN)).await);
    let ask = |path: &str| sent(TestRequest::post().uri(path).set_json(json!({})), &set);
    assert_eq!(house.send(ask("/v1/auth/refresh")).await.status, 403, "another's page cannot use it up");
    let renewed = house.send(ask("/v1/auth/refresh").insert_header(OWN)).await;
    assert_eq!((renewed.status, renewed.body), (200, json!({"token_type": "Cookie", "expires_in": 600})));
    let left = house.send(ask("/v1/auth/logout").insert_header(OWN)).await;
    assert_eq!(left.status, 204);
    assert!(
        cookies(&left).iter().all(
            |cookie| cookie.value().is_empty() && cookie.max_age() == Some(actix_web::cookie::time::Duration::ZERO)
        )
    );
    assert_eq!(house.send(sent(TestRequest::get().uri("/v1/me"), &set)).await.status, 401);
    let bare = || TestRequest::post().uri("/v1/auth/logout").set_json(json!({}));
    let foreign = house.send(bare()).await;
    assert_eq!((foreign.status, cookies(&foreign).len()), (422, 0), "another's page takes no cookie away");
    assert_eq!(cookies(&house.send(bare().insert_header(OWN)).await).len(), 2, "the own one does, also without any");
    let nothing = house.post("/v1/auth/refresh", json!({})).await;
    assert_eq!(nothing.refusal(), (422, "refresh_token".to_owned(), "required".to_owned()));
}
