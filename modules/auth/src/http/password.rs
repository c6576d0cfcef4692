//! Passwords that were forgotten or are changed.

use actix_web::web::Data;
use emporium_auth_api::{AuthError, Email};
use emporium_kernel::{Answer, Confirmed, Json, Problem, Public, Routes, Staff};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::factor::{of_field, whose};
use super::problem;
use crate::Users;
use crate::codes::Code;
use crate::factor::FactorCode;
use crate::mail::KeptMail;
use crate::password::{NewPassword, Password};

pub(super) fn routes() -> Routes {
    Routes::new("auth")
        .post("/v1/auth/password/forgot", forgot, "Mails a code to set a new password with, if there is such a user.")
        .limited()
        .post(
            "/v1/auth/password/reset",
            reset,
            "Sets a new password with the code that was mailed; ends all sessions and API keys.",
        )
        .limited()
        .post("/v1/me/password", change, "Sets a new password; ends all other sessions.")
        .limited()
        .get("/v1/admin/mail", kept, "Mail that was not sent but kept for staff, in a demonstration.")
        .refuses(&[404])
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Forgot {
    email: Email,
}

/// A wish was noted; what comes of it is mailed.
#[derive(Serialize, JsonSchema)]
struct Noted {}

async fn forgot(who: Public, users: Data<Users>, body: Json<Forgot>) -> Result<Answer<Noted, 202>, Problem> {
    users.forgot(&who.call, body.0.email).await?;
    Ok(Answer::new(Noted {}))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reset {
    email: Email,
    /// The six digits of the newest message.
    code: Code,
    new_password: NewPassword,
}

/// A refused password is a refused field.
fn of_new_password(error: AuthError) -> Problem {
    match error {
        AuthError::WeakPassword { reason } => Problem::invalid_field("new_password", "weak_password", reason),
        other => problem(other),
    }
}

async fn reset(who: Public, users: Data<Users>, body: Json<Reset>) -> Result<Answer<(), 204>, Problem> {
    let Reset { email, code, new_password } = body.0;
    users.reset(&who.call, email, code, new_password).await.map_err(of_new_password)?;
    Ok(Answer::new(()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    current_password: Password,
    new_password: NewPassword,
    /// The second factor, where the caller has one.
    code: Option<FactorCode>,
}

async fn change(who: Confirmed, users: Data<Users>, body: Json<Change>) -> Result<Answer<(), 204>, Problem> {
    let Change { current_password, new_password, code } = body.0;
    let changed = users.change_password(&who.call, whose(&who.caller)?, (current_password, code), new_password).await;
    changed.map_err(|error| match error {
        AuthError::WeakPassword { .. } => of_new_password(error),
        other => of_field(other),
    })?;
    Ok(Answer::new(()))
}

/// What was kept.
#[derive(Serialize, JsonSchema)]
struct Kept {
    /// Newest first, at most 100.
    data: Vec<KeptMail>,
}

async fn kept(_: Staff, users: Data<Users>) -> Result<Answer<Kept>, Problem> {
    let data = users.kept_mail().ok_or_else(Problem::not_found)?;
    Ok(Answer::new(Kept { data }))
}
