//! The public routes of auth.

mod addresses;
mod api_keys;
mod browser;
mod claims;
mod factor;
mod invitations;
mod password;
mod sessions;
mod users;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use emporium_auth_api::{AuthError, Email, FindUser, KeySet, User, UserId};
use emporium_kernel::{Answer, Confirmed, Json, Problem, Public, Role, Routes, SignedIn, Timestamp, Unauthenticated};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::Name;
use crate::factor::FactorCode;
use crate::password::{NewPassword, Password};
use crate::secret::Secret;
use crate::{Users, signing};
use browser::{Browser, TokensView, handed, without_cookies};

/// The public routes of auth.
pub fn routes() -> Routes {
    Routes::new("auth")
        .post("/v1/auth/login", login, "Logs in with address and password.")
        .refuses(&[401])
        .limited()
        .post("/v1/auth/refresh", refresh, "Exchanges a refresh token for new tokens; each is good once.")
        .refuses(&[401])
        .post("/v1/auth/logout", logout, "Ends the session of a refresh token.")
        .post("/v1/auth/bootstrap", bootstrap, "Makes the first admin from the one-time secret in the data folder.")
        .refuses(&[403, 409])
        .get("/v1/me", me, "Who the caller is.")
        .patch("/v1/me", rename, "Changes what the caller is called.")
        .post("/v1/me/erase", erase, "Erases the caller: orders and books keep an id that names nobody.")
        .refuses(&[409])
        .limited()
        .get("/.well-known/jwks.json", jwks, "The public keys that verify access tokens.")
        .and(addresses::routes())
        .and(api_keys::routes())
        .and(claims::routes())
        .and(factor::routes())
        .and(invitations::routes())
        .and(password::routes())
        .and(sessions::routes())
        .and(users::routes())
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    email: Email,
    password: Password,
    /// The second factor, where the user has one: six digits of the authenticator, or a recovery code.
    code: Option<FactorCode>,
    /// Whether the tokens come as cookies instead, for pages: `__Host-jwt` and `__Host-refresh`.
    #[serde(default)]
    cookies: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    /// Not needed where the cookie is sent.
    refresh_token: Option<Secret>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bootstrap {
    secret: Secret,
    email: Email,
    password: NewPassword,
    name: Name,
}

/// A user as the user sees it.
#[derive(Serialize, JsonSchema)]
struct Account {
    id: UserId,
    email: String,
    name: String,
    /// In the order customer, supplier, staff, admin.
    roles: Vec<Role>,
}

#[derive(Serialize, JsonSchema)]
struct Registered {
    user: Account,
}

#[derive(Serialize, JsonSchema)]
struct Me {
    #[serde(flatten)]
    account: Account,
    created_at: Timestamp,
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        Self { id: user.id, email: user.email, name: user.name, roles: user.roles }
    }
}

impl From<User> for Registered {
    fn from(user: User) -> Self {
        Self { user: user.into() }
    }
}

/// A refused password is a refused field.
fn problem(error: AuthError) -> Problem {
    match error {
        AuthError::WeakPassword { reason } => Problem::invalid_field("password", "weak_password", reason),
        other => other.into(),
    }
}

async fn login(
    who: Public,
    users: Data<Users>,
    browser: Browser,
    body: Json<Login>,
) -> Result<Answer<TokensView>, Problem> {
    let Login { email, password, code, cookies } = body.0;
    if cookies {
        browser.refuse_other_pages()?;
    }
    Ok(handed(users.login(&who.call, email, password, code).await?, cookies))
}

async fn refresh(
    who: Public,
    users: Data<Users>,
    browser: Browser,
    body: Json<Refresh>,
) -> Result<Answer<TokensView>, Problem> {
    let (offered, in_cookie) = browser.refresh_token(body.0.refresh_token)?;
    Ok(handed(users.refresh(&who.call, &offered).await?, in_cookie))
}

async fn logout(
    _: Public,
    users: Data<Users>,
    browser: Browser,
    body: Json<Refresh>,
) -> Result<Answer<(), 204>, Problem> {
    let (offered, in_cookie) = browser.token_to_leave(body.0.refresh_token)?;
    if let Some(offered) = offered {
        users.logout(&offered).await?;
    }
    let left = Answer::new(());
    Ok(if in_cookie { without_cookies(left) } else { left })
}

async fn bootstrap(who: Public, users: Data<Users>, body: Json<Bootstrap>) -> Result<Answer<Registered, 201>, Problem> {
    let Bootstrap { secret, email, password, name } = body.0;
    let user = users.bootstrap(&who.call, &secret, email, name.into_string(), password).await.map_err(problem)?;
    Ok(Answer::new(user.into()))
}

async fn me(who: SignedIn, users: Data<Users>) -> Result<Answer<Me>, Problem> {
    let id = UserId::parse(&who.caller.id).ok_or(Unauthenticated::Refused)?;
    match users.user(FindUser::Id(id)).await {
        Ok(user) if !user.disabled => {
            let created_at = user.created_at;
            Ok(Answer::new(Me { account: user.into(), created_at }))
        }
        Ok(_) | Err(AuthError::UnknownUser) => Err(Unauthenticated::Refused.into()),
        Err(error) => Err(error.into()),
    }
}

/// What a user changes of the own account; what is absent stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rename {
    /// What the user wants to be called.
    name: Option<Name>,
}

async fn rename(who: SignedIn, users: Data<Users>, body: Json<Rename>) -> Result<Answer<Me>, Problem> {
    let id = UserId::parse(&who.caller.id).ok_or(Unauthenticated::Refused)?;
    let user = match body.0.name {
        Some(name) => users.rename(&who.call, id, name).await,
        None => users.user(FindUser::Id(id)).await,
    };
    let user = match user {
        Ok(user) if !user.disabled => user,
        Ok(_) | Err(AuthError::UnknownUser) => return Err(Unauthenticated::Refused.into()),
        Err(error) => return Err(error.into()),
    };
    let created_at = user.created_at;
    Ok(Answer::new(Me { account: user.into(), created_at }))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Erase {
    /// Withdraw what is in the wallet first: nobody can afterwards.
    current_password: Password,
    /// The second factor, where the caller has one.
    code: Option<FactorCode>,
}

async fn erase(who: Confirmed, users: Data<Users>, body: Json<Erase>) -> Result<Answer<(), 204>, Problem> {
    let Erase { current_password, code } = body.0;
    users.erase(&who.call, factor::whose(&who.caller)?, current_password, code).await.map_err(factor::of_field)?;
    Ok(without_cookies(Answer::new(())))
}

async fn jwks(_: Public, users: Data<Users>) -> Answer<KeySet> {
    Answer::new(users.key_set()).header(CACHE_CONTROL, format!("public, max-age={}", signing::PUBLISHED.as_secs()))
}
