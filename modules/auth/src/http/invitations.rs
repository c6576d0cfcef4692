//! Invitations: admins make them, and whoever is invited becomes a user.

use std::collections::BTreeSet;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use emporium_auth_api::Email;
use emporium_kernel::{
    Admin, Answer, Json, NewestFirst, Page, Path, Problem, Public, Query, Role, Routes, ServedPage, Window,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Registered, problem};
use crate::Users;
use crate::accounts::Name;
use crate::invitations::{self, Invitation, InvitationId, NewInvitation};
use crate::password::NewPassword;
use crate::secret::Secret;

pub(super) fn routes() -> Routes {
    Routes::new("auth")
        .post("/v1/admin/invitations", invite, "Invites somebody to become a user; by mail, where mail leaves.")
        .refuses(&[409])
        .get("/v1/admin/invitations", list, "Invitations that can still be accepted, newest first.")
        .delete("/v1/admin/invitations/{id}", withdraw, "Withdraws an invitation.")
        .post("/v1/auth/invitations/accept", accept, "Makes the user whom an invitation is for, with its roles.")
        .refuses(&[409])
        .limited()
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Invite {
    /// Who is invited; nobody may have this address yet.
    email: Email,
    /// What the user may do; at least one role.
    roles: BTreeSet<Role>,
}

async fn invite(
    admin: Admin,
    users: Data<Users>,
    Json(Invite { email, roles }): Json<Invite>,
) -> Result<Answer<NewInvitation, 201>, Problem> {
    if roles.is_empty() {
        return Err(Problem::invalid_field("roles", "empty", "name at least one role"));
    }
    let made = users.invite(&admin.call, email, roles).await?;
    Ok(Answer::new(made).header(CACHE_CONTROL, "no-store".to_owned()))
}

async fn list(
    _: Admin,
    users: Data<Users>,
    Query(window): Query<NewestFirst>,
) -> Result<ServedPage<Invitation>, Problem> {
    let (window, now) = (Window::from(window), users.clock.now());
    let page: Page<Invitation> = users.database.read(move |db| invitations::list(db, now, &window)).await?;
    Ok(ServedPage::new(page))
}

async fn withdraw(admin: Admin, users: Data<Users>, Path(id): Path<InvitationId>) -> Result<Answer<(), 204>, Problem> {
    users.withdraw(&admin.call, id).await?;
    Ok(Answer::new(()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Accept {
    /// The secret of the invitation.
    token: Secret,
    name: Name,
    password: NewPassword,
}

async fn accept(who: Public, users: Data<Users>, body: Json<Accept>) -> Result<Answer<Registered, 201>, Problem> {
    let Accept { token, name, password } = body.0;
    users.may_register(&who.call)?;
    let user = users.accept(&who.call, &token, name, password).await.map_err(problem)?;
    Ok(Answer::new(user.into()))
}
