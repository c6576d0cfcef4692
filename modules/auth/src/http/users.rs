//! Users for staff; admins also decide what they may do.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use emporium_auth_api::{AuthError, FindUser, SessionId, User, UserId};
use emporium_database::{Db, Stale, audit};
use emporium_kernel::{
    Admin, Answer, Cursor, Json, Limit, Line, Newest, NewestFirst, Page, Path, PathPair, Problem, Query, Role, Routes,
    ServedPage, Staff, Window,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::sessions::SessionView;
use crate::Users;
use crate::accounts::{Name, UserChange};
use crate::listing::UserFilter;
use crate::sessions::{self, End, Live, Session};
use crate::users;

pub(super) fn routes() -> Routes {
    Routes::new("auth")
        .get("/v1/admin/users", list, "Users, newest first.")
        .get("/v1/admin/users/{id}", show, "A user.")
        .patch("/v1/admin/users/{id}", change, "Changes name, roles or whether a user may log in.")
        .refuses(&[409])
        .get("/v1/admin/users/{id}/sessions", list_sessions, "A user's sessions that have not ended, newest first.")
        .delete("/v1/admin/users/{id}/sessions", end_sessions, "Ends all sessions of a user.")
        .delete("/v1/admin/users/{id}/totp", end_factor, "Ends the second factor of a user who has lost it.")
        .refuses(&[409])
        .delete("/v1/admin/users/{id}/sessions/{session}", end_session, "Ends one session of a user.")
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    /// Whose address begins like this.
    email: Option<Line<254>>,
    /// Who have this role.
    role: Option<Role>,
    /// Who may, or may not, log in.
    disabled: Option<bool>,
    /// The only order there is.
    #[serde(rename = "sort")]
    _sort: Option<Newest>,
    /// Rows of a page.
    #[serde(default)]
    limit: Limit,
    /// Where the page begins.
    after: Option<Cursor<(i64, String)>>,
}

async fn list(_: Staff, users: Data<Users>, Query(ask): Query<Search>) -> Result<ServedPage<User>, Problem> {
    let email = ask.email.map(|begin| begin.to_lowercase());
    let filter = UserFilter { email, role: ask.role, disabled: ask.disabled };
    Ok(ServedPage::new(users.list_users(filter, Window { limit: ask.limit, after: ask.after }).await?))
}

async fn show(_: Staff, users: Data<Users>, Path(id): Path<UserId>) -> Result<Answer<User>, Problem> {
    Ok(Answer::new(users.user(FindUser::Id(id)).await?))
}

/// What an admin changes of a user; what is absent stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// What the user is called.
    name: Option<Name>,
    /// All the roles; at least one.
    roles: Option<BTreeSet<Role>>,
    /// Whether the user may no longer log in; every session ends with it.
    disabled: Option<bool>,
}

async fn change(
    admin: Admin,
    users: Data<Users>,
    Path(id): Path<UserId>,
    Json(change): Json<Change>,
) -> Result<Answer<User>, Problem> {
    let Change { name, roles, disabled } = change;
    if roles.as_ref().is_some_and(BTreeSet::is_empty) {
        return Err(Problem::invalid_field("roles", "empty", "name at least one role; disable the user instead"));
    }
    Ok(Answer::new(users.change_user(&admin.call, id, UserChange { name, roles, disabled }).await?))
}

async fn list_sessions(
    admin: Admin,
    users: Data<Users>,
    Path(id): Path<UserId>,
    Query(window): Query<NewestFirst>,
) -> Result<ServedPage<SessionView>, Problem> {
    let (current, window) = (admin.caller.session.clone(), Window::from(window));
    let live = Live { user: id, now: users.clock.now(), idle: users.settings.session_idle() };
    let list = move |db: &mut Db| {
        users::need(db, &FindUser::Id(live.user.clone()))?;
        sessions::list(db, &live, &window)
    };
    let page: Page<Session> = users.database.read(list).await?;
    Ok(ServedPage::new(page.map(|session| SessionView::of(session, &current))))
}

async fn end_sessions(admin: Admin, users: Data<Users>, Path(id): Path<UserId>) -> Result<Answer<(), 204>, Problem> {
    let now = users.clock.now();
    let entry = users.entry(&admin.call, "sessions.ended", &json!({})).to(id.as_str());
    let end = move |db: &mut Db| {
        users::need(db, &FindUser::Id(id.clone()))?;
        sessions::end_all(db, &id, End::Logout, now)?;
        audit::write(db, &entry)
    };
    users.written(Stale::Everything, end).await?;
    Ok(Answer::new(()))
}

async fn end_factor(admin: Admin, users: Data<Users>, Path(id): Path<UserId>) -> Result<Answer<(), 204>, Problem> {
    if admin.caller.id == id.as_str() {
        let detail = "show password and factor at /v1/me/totp/disable, or ask another admin";
        return Err(Problem::new(StatusCode::FORBIDDEN, "own_factor", detail));
    }
    users.reset_factor(&admin.call, FindUser::Id(id)).await?;
    Ok(Answer::new(()))
}

async fn end_session(
    admin: Admin,
    users: Data<Users>,
    PathPair(id, session): PathPair<UserId, SessionId>,
) -> Result<Answer<(), 204>, Problem> {
    let live = Live { user: id, now: users.clock.now(), idle: users.settings.session_idle() };
    let ended = session.clone();
    let entry = users.entry(&admin.call, "session.ended", &json!({"user": live.user})).to(session.as_str());
    let end = move |db: &mut Db| {
        let there = sessions::end_one(db, &live, &ended, End::Logout)?;
        if there {
            audit::write(db, &entry)?;
        }
        Ok(there)
    };
    let ended = users.change_session(session, end).await?;
    if ended { Ok(Answer::new(())) } else { Err(AuthError::UnknownSession.into()) }
}
