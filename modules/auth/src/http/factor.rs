//! The caller's second factor.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use emporium_auth_api::{AuthError, SessionId, UserId};
use emporium_kernel::{Answer, Caller, Confirmed, Json, Problem, Routes, SignedIn, Unauthenticated};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem;
use crate::Users;
use crate::factor::FactorCode;
use crate::password::Password;

pub(super) fn routes() -> Routes {
    Routes::new("auth")
        .get("/v1/me/totp", show, "Whether logins ask for a second factor.")
        .post("/v1/me/totp", propose, "Makes a secret for an authenticator; it counts once a code was shown.")
        .refuses(&[409])
        .limited()
        .post("/v1/me/totp/confirm", confirm, "Turns the second factor on; shows the recovery codes, once.")
        .refuses(&[409])
        .limited()
        .post("/v1/me/totp/recovery-codes", renew, "Makes new recovery codes in place of those before.")
        .refuses(&[409])
        .limited()
        .post("/v1/me/totp/disable", disable, "Turns the second factor off.")
        .refuses(&[409])
        .limited()
}

/// Who asks, and from which session.
pub(super) fn whose(caller: &Caller) -> Result<(UserId, SessionId), Problem> {
    UserId::parse(&caller.id).zip(SessionId::parse(&caller.session)).ok_or_else(|| Unauthenticated::Refused.into())
}

/// Whoever is logged in and gives something wrong has sent a wrong field, not a wrong token.
pub(super) fn of_field(error: AuthError) -> Problem {
    match error {
        AuthError::InvalidCredentials => {
            Problem::invalid_field("current_password", "wrong_password", "write the password that you log in with")
        }
        AuthError::InvalidSecondFactor => {
            Problem::invalid_field("code", "invalid_second_factor", AuthError::InvalidSecondFactor.to_string())
        }
        AuthError::SecondFactorRequired => {
            Problem::invalid_field("code", "second_factor_required", AuthError::SecondFactorRequired.to_string())
        }
        other => problem(other),
    }
}

/// How it stands with the second factor.
#[derive(Serialize, JsonSchema)]
struct FactorView {
    /// Whether logins ask for it.
    enabled: bool,
    /// Recovery codes that were not used.
    recovery_codes_left: i64,
}

async fn show(who: SignedIn, users: Data<Users>) -> Result<Answer<FactorView>, Problem> {
    let standing = users.factor_of(whose(&who.caller)?.0).await?;
    let view = FactorView { enabled: standing.enabled, recovery_codes_left: standing.recovery_codes_left };
    Ok(Answer::new(view))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Again {
    current_password: Password,
}

/// What an authenticator is told. It is shown once.
#[derive(Serialize, JsonSchema)]
struct ProposedView {
    /// To be typed; base32.
    secret: String,
    /// To be shown as a QR code: `otpauth://totp/…`.
    uri: String,
}

async fn propose(who: Confirmed, users: Data<Users>, body: Json<Again>) -> Result<Answer<ProposedView, 201>, Problem> {
    let proposed = users.propose_factor(&who.call, whose(&who.caller)?, body.0.current_password).await;
    let proposed = proposed.map_err(of_field)?;
    Ok(unkept(Answer::new(ProposedView { secret: proposed.secret, uri: proposed.uri })))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Confirm {
    code: FactorCode,
}

/// Each is good for one login without the authenticator. They are shown once.
#[derive(Serialize, JsonSchema)]
struct RecoveryCodes {
    recovery_codes: Vec<String>,
}

async fn confirm(who: Confirmed, users: Data<Users>, body: Json<Confirm>) -> Result<Answer<RecoveryCodes>, Problem> {
    let confirmed = users.confirm_factor(&who.call, whose(&who.caller)?, body.0.code).await;
    Ok(unkept(Answer::new(RecoveryCodes { recovery_codes: confirmed.map_err(of_field)? })))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Both {
    current_password: Password,
    /// Of the authenticator, or a recovery code.
    code: FactorCode,
}

async fn renew(who: Confirmed, users: Data<Users>, body: Json<Both>) -> Result<Answer<RecoveryCodes>, Problem> {
    let Both { current_password, code } = body.0;
    let renewed = users.renew_recovery_codes(&who.call, whose(&who.caller)?, current_password, code).await;
    Ok(unkept(Answer::new(RecoveryCodes { recovery_codes: renewed.map_err(of_field)? })))
}

async fn disable(who: Confirmed, users: Data<Users>, body: Json<Both>) -> Result<Answer<(), 204>, Problem> {
    let Both { current_password, code } = body.0;
    let ended = users.end_factor(&who.call, whose(&who.caller)?, current_password, code).await;
    ended.map_err(of_field)?;
    Ok(Answer::new(()))
}

/// Secrets are for the client alone.
fn unkept<T, const STATUS: u16>(answer: Answer<T, STATUS>) -> Answer<T, STATUS> {
    answer.header(CACHE_CONTROL, "no-store".to_owned())
}
