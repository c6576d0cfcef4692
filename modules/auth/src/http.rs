//! The public routes of auth.

mod password;
mod sessions;
mod users;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use emporium_auth_api::{AuthError, Email, FindUser, KeySet, User, UserId};
use emporium_kernel::{Answer, Json, Problem, Public, Role, Routes, SignedIn, Timestamp, Unauthenticated};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::Name;
use crate::logins::Tokens;
use crate::password::{NewPassword, Password};
use crate::secret::Secret;
use crate::{Users, signing};

/// The public routes of auth.
pub fn routes() -> Routes {
    Routes::new("auth")
        .post("/v1/auth/register", register, "Registers a customer.")
        .limited()
        .post("/v1/auth/login", login, "Logs in with address and password.")
        .limited()
        .post("/v1/auth/refresh", refresh, "Exchanges a refresh token for new tokens; each is good once.")
        .post("/v1/auth/logout", logout, "Ends the session of a refresh token.")
        .post("/v1/auth/bootstrap", bootstrap, "Makes the first admin from the one-time secret in the data folder.")
        .get("/v1/me", me, "Who the caller is.")
        .get("/.well-known/jwks.json", jwks, "The public keys that verify access tokens.")
        .and(password::routes())
        .and(sessions::routes())
        .and(users::routes())
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Register {
    email: Email,
    password: NewPassword,
    name: Name,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    email: Email,
    password: Password,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    refresh_token: Secret,
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

/// Tokens are for the client alone.
fn private(tokens: Tokens) -> Answer<Tokens> {
    Answer::new(tokens).header(CACHE_CONTROL, "no-store".to_owned())
}

async fn register(who: Public, users: Data<Users>, body: Json<Register>) -> Result<Answer<Registered, 201>, Problem> {
    let Register { email, password, name } = body.0;
    users.may_register(&who.call)?;
    let user = users.create_user(email, name, password, [Role::Customer].into()).await.map_err(problem)?;
    Ok(Answer::new(user.into()))
}

async fn login(who: Public, users: Data<Users>, body: Json<Login>) -> Result<Answer<Tokens>, Problem> {
    Ok(private(users.login(&who.call, body.0.email, body.0.password).await?))
}

async fn refresh(_: Public, users: Data<Users>, body: Json<Refresh>) -> Result<Answer<Tokens>, Problem> {
    Ok(private(users.refresh(&body.0.refresh_token).await?))
}

async fn logout(_: Public, users: Data<Users>, body: Json<Refresh>) -> Result<Answer<(), 204>, Problem> {
    Ok(Answer::new(users.logout(&body.0.refresh_token).await?))
}

async fn bootstrap(_: Public, users: Data<Users>, body: Json<Bootstrap>) -> Result<Answer<Registered, 201>, Problem> {
    let Bootstrap { secret, email, password, name } = body.0;
    let user = users.bootstrap(&secret, email, name.into_string(), password).await.map_err(problem)?;
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

async fn jwks(_: Public, users: Data<Users>) -> Answer<KeySet> {
    Answer::new(users.key_set()).header(CACHE_CONTROL, format!("public, max-age={}", signing::PUBLISHED.as_secs()))
}
