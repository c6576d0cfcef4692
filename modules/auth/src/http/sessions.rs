//! The caller's sessions: where somebody is logged in as this user, and how that ends.

use actix_web::web::Data;
use emporium_auth_api::{AuthError, SessionId, UserId};
use emporium_database::Stale;
use emporium_kernel::{
    Answer, Caller, NewestFirst, Page, Path, Problem, Query, Routes, ServedPage, SignedIn, Timestamp, Unauthenticated,
    Window,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::browser::without_cookies;
use crate::Users;
use crate::sessions::{self, End, Live, Session};

pub(super) fn routes() -> Routes {
    Routes::new("auth")
        .get("/v1/me/sessions", list, "The caller's sessions that have not ended, newest first.")
        .delete("/v1/me/sessions", end_all, "Ends all sessions of the caller, this one included.")
        .delete("/v1/me/sessions/{id}", end, "Ends one session of the caller.")
}

/// A session as its user and admins see it.
#[derive(Serialize, JsonSchema)]
pub(super) struct SessionView {
    id: SessionId,
    /// Whether it is the one of this request.
    current: bool,
    /// When the user logged in.
    created_at: Timestamp,
    /// When its tokens were last renewed.
    refreshed_at: Timestamp,
    /// When it ends if it is not renewed; never later than its life allows.
    expires_at: Timestamp,
}

impl SessionView {
    /// How it looks from the session `current`.
    pub(super) fn of(session: Session, current: &str) -> Self {
        let Session { id, created_at, refreshed_at, expires_at } = session;
        Self { current: id.as_str() == current, id, created_at, refreshed_at, expires_at }
    }
}

/// The user who asks.
pub(super) fn user_of(caller: &Caller) -> Result<UserId, Problem> {
    UserId::parse(&caller.id).ok_or_else(|| Unauthenticated::Refused.into())
}

async fn list(
    who: SignedIn,
    users: Data<Users>,
    window: Query<NewestFirst>,
) -> Result<ServedPage<SessionView>, Problem> {
    let (user, current) = (user_of(&who.caller)?, who.caller.session.clone());
    let live = Live { user, now: users.clock.now(), idle: users.settings.session_idle() };
    let window = Window::from(window.0);
    let page: Page<Session> = users.database.read(move |db| sessions::list(db, &live, &window)).await?;
    Ok(ServedPage::new(page.map(|session| SessionView::of(session, &current))))
}

async fn end(who: SignedIn, users: Data<Users>, session: Path<SessionId>) -> Result<Answer<(), 204>, Problem> {
    let live = Live { user: user_of(&who.caller)?, now: users.clock.now(), idle: users.settings.session_idle() };
    let id = session.0.clone();
    let ended = users.change_session(session.0, move |db| sessions::end_one(db, &live, &id, End::Logout)).await?;
    if ended { Ok(Answer::new(())) } else { Err(AuthError::UnknownSession.into()) }
}

async fn end_all(who: SignedIn, users: Data<Users>) -> Result<Answer<(), 204>, Problem> {
    let (user, now) = (user_of(&who.caller)?, users.clock.now());
    users.written(Stale::Everything, move |db| sessions::end_all(db, &user, End::Logout, now)).await?;
    Ok(without_cookies(Answer::new(())))
}
