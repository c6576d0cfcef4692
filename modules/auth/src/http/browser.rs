//! Tokens in cookies, for pages: no script can read them, and no other site's page can use them for a change.

use std::future::{Ready, ready};

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::header::{CACHE_CONTROL, SET_COOKIE};
use actix_web::{FromRequest, HttpRequest};
use emporium_kernel::{Answer, Describe, Operation, Problem, TOKEN_COOKIE, from_own_page};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;

use crate::logins::Tokens;
use crate::secret::Secret;

/// The cookie with the refresh token.
const REFRESH_COOKIE: &str = "__Host-refresh";

/// What a client uses from now on: two tokens, or two cookies that a browser sends by itself.
#[derive(Serialize, JsonSchema)]
pub(super) struct TokensView {
    /// To be sent as `Authorization: Bearer`; absent when it is in a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    /// `Bearer`, or `Cookie`.
    token_type: &'static str,
    /// Seconds until the access token ends.
    expires_in: u32,
    /// Good for one refresh; absent when it is in a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// The tokens, for the client alone.
pub(super) fn handed(tokens: Tokens, in_cookies: bool) -> Answer<TokensView> {
    let Tokens { access_token, expires_in, refresh_token, refresh_secs } = tokens;
    let view = |access, kind, refresh| {
        let view = TokensView { access_token: access, token_type: kind, expires_in, refresh_token: refresh };
        Answer::new(view).header(CACHE_CONTROL, "no-store".to_owned())
    };
    if !in_cookies {
        return view(Some(access_token), "Bearer", Some(refresh_token));
    }
    view(None, "Cookie", None)
        .header(SET_COOKIE, cookie(TOKEN_COOKIE, access_token, expires_in.into()))
        .header(SET_COOKIE, cookie(REFRESH_COOKIE, refresh_token, refresh_secs.into()))
}

/// Takes both cookies away.
pub(super) fn without_cookies<T, const STATUS: u16>(answer: Answer<T, STATUS>) -> Answer<T, STATUS> {
    let gone = |name| cookie(name, String::new(), 0);
    answer.header(SET_COOKIE, gone(TOKEN_COOKIE)).header(SET_COOKIE, gone(REFRESH_COOKIE))
}

fn cookie(name: &'static str, value: String, secs: i64) -> String {
    let cookie = Cookie::build(name, value).path("/").secure(true).http_only(true).same_site(SameSite::Strict);
    cookie.max_age(Duration::seconds(secs)).finish().to_string()
}

/// The browser that asks, and the refresh token that it sent by itself.
pub(super) struct Browser {
    own_page: Result<(), Problem>,
    refresh: Option<String>,
}

impl Browser {
    /// Refuses what another site's page may have sent.
    pub(super) fn refuse_other_pages(self) -> Result<(), Problem> {
        self.own_page
    }

    /// The same for leaving, where there may be none: then the cookies are taken away all the same.
    pub(super) fn token_to_leave(self, written: Option<Secret>) -> Result<(Option<Secret>, bool), Problem> {
        if written.is_none() && self.refresh.is_none() && self.own_page.is_ok() {
            return Ok((None, true));
        }
        self.refresh_token(written).map(|(token, in_cookie)| (Some(token), in_cookie))
    }

    /// The refresh token: the one that was written, or else the cookie's; and whether it is the cookie's.
    pub(super) fn refresh_token(self, written: Option<Secret>) -> Result<(Secret, bool), Problem> {
        if let Some(written) = written {
            return Ok((written, false));
        }
        let advice = "send the refresh token, or the cookie with it";
        let token = self.refresh.ok_or_else(|| Problem::invalid_field("refresh_token", "required", advice))?;
        self.own_page?;
        Ok((Secret::of(token), true))
    }
}

impl FromRequest for Browser {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let refresh = request.cookie_raw(REFRESH_COOKIE).map(|cookie| cookie.value().to_owned());
        ready(Ok(Self { own_page: from_own_page(request), refresh: refresh.filter(|token| !token.is_empty()) }))
    }
}

impl Describe for Browser {
    fn describe(operation: &mut Operation, _: &mut SchemaGenerator) {
        operation.header("X-Requested-With", false, "Any value; needed where cookies are sent or asked for.");
        operation.fails(&[403]);
    }
}
