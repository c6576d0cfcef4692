//! API keys: made and revoked by the staff whose integrations use them.

use std::collections::BTreeSet;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use emporium_auth_api::{ApiKeyId, UserId};
use emporium_kernel::{
    Answer, Caller, Json, NewestFirst, Path, Problem, Query, Role, Routes, Scope, ServedPage, Staff, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::factor::{of_field, whose};
use super::sessions::user_of;
use crate::Users;
use crate::api_keys::{ApiKey, KeyName, NewKey};
use crate::factor::FactorCode;
use crate::password::Password;

pub(super) fn routes() -> Routes {
    Routes::new("auth")
        .post("/v1/admin/api-keys", create, "Makes an API key for an integration; it is shown once.")
        .refuses(&[409])
        .limited()
        .get("/v1/admin/api-keys", list, "API keys that are good, newest first: the caller's, or for admins all.")
        .delete("/v1/admin/api-keys/{id}", revoke, "Revokes an API key of the caller; admins revoke any.")
}

/// The longest life of a key that has one, in days.
const MOST_DAYS: u32 = 3_650;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Create {
    name: KeyName,
    /// What it is for; at least one.
    scopes: BTreeSet<Scope>,
    /// After how many days it ends, 1 to 3650; never, when nothing is said.
    #[schemars(range(min = 1, max = 3650))]
    expires_in_days: Option<u32>,
    current_password: Password,
    /// The second factor, where the caller has one.
    code: Option<FactorCode>,
}

/// An API key.
#[derive(Serialize, JsonSchema)]
struct KeyView {
    id: ApiKeyId,
    /// Who made it, and for whom it speaks.
    user_id: UserId,
    name: String,
    scopes: BTreeSet<Scope>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    /// To the minute.
    last_used_at: Option<Timestamp>,
}

/// A key that was made.
#[derive(Serialize, JsonSchema)]
struct Made {
    #[serde(flatten)]
    view: KeyView,
    /// To be sent as `Authorization: Bearer`. It is shown once.
    key: String,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, user, name, scopes, created_at, expires_at, last_used_at } = key;
        Self { id, user_id: user, name, scopes, created_at, expires_at, last_used_at }
    }
}

/// Whose keys the caller may see and revoke; `None` for everybody's.
fn reach(caller: &Caller) -> Result<Option<UserId>, Problem> {
    if caller.is_any(&[Role::Admin]) { Ok(None) } else { user_of(caller).map(Some) }
}

async fn create(who: Staff, users: Data<Users>, body: Json<Create>) -> Result<Answer<Made, 201>, Problem> {
    let Create { name, scopes, expires_in_days: days, current_password, code } = body.0;
    if scopes.is_empty() {
        return Err(Problem::invalid_field("scopes", "empty", "name at least one scope, as in orders:read"));
    }
    if days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
        return Err(Problem::invalid_field("expires_in_days", "out_of_range", "write 1 to 3650, or leave it out"));
    }
    let (user, session) = whose(&who.caller)?;
    let new = NewKey { user, name, scopes, days };
    let made = users.create_key(&who.call, session, (current_password, code), new).await;
    let (key, text) = made.map_err(of_field)?;
    let location = format!("/v1/admin/api-keys/{}", key.id);
    let answer = Answer::new(Made { view: key.into(), key: text }).at(location);
    Ok(answer.header(CACHE_CONTROL, "no-store".to_owned()))
}

async fn list(
    who: Staff,
    users: Data<Users>,
    Query(window): Query<NewestFirst>,
) -> Result<ServedPage<KeyView>, Problem> {
    let page = users.list_keys(reach(&who.caller)?, window.into()).await?;
    Ok(ServedPage::new(page.map(KeyView::from)))
}

async fn revoke(who: Staff, users: Data<Users>, Path(id): Path<ApiKeyId>) -> Result<Answer<(), 204>, Problem> {
    users.revoke_key(&who.call, id, reach(&who.caller)?).await?;
    Ok(Answer::new(()))
}
