//! Registering, and having another address: at once, or when a code proves that the address is the caller's.

use actix_web::body::BoxBody;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use emporium_auth_api::Email;
use emporium_kernel::{Answer, Confirmed, DescribeAnswer, Json, Operation, Problem, Public, Role, Routes};
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::factor::{of_field, whose};
use super::{Account, Registered, problem};
use crate::Users;
use crate::accounts::Name;
use crate::codes::Code;
use crate::factor::FactorCode;
use crate::password::{NewPassword, Password};
use crate::secret::Secret;

pub(super) fn routes() -> Routes {
    Routes::new("auth")
        .post("/v1/auth/register", register, "Registers a customer; where addresses are proved, once a code came back.")
        .refuses(&[409])
        .limited()
        .post("/v1/auth/register/confirm", confirm, "Registers the customer whose address the mailed code proves.")
        .refuses(&[409])
        .limited()
        .post("/v1/me/email", change, "Mails a code to another address that the caller wants to have.")
        .limited()
        .post("/v1/me/email/confirm", confirm_change, "Gives the caller the address that the mailed code proves.")
        .refuses(&[409])
        .limited()
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Register {
    email: Email,
    password: NewPassword,
    name: Name,
}

/// A code was mailed, unless the address has an account, which is then told so.
#[derive(Serialize, JsonSchema)]
struct Claimed {
    /// To be sent with the code.
    claim: String,
}

/// 201 with the user, or 202 where the address is to be proved first.
enum Registering {
    Done(Answer<Registered, 201>),
    Claimed(Answer<Claimed, 202>),
}

impl Responder for Registering {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Registering::Done(answer) => answer.respond_to(request),
            Registering::Claimed(answer) => answer.respond_to(request),
        }
    }
}

impl DescribeAnswer for Registering {
    fn describe_answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        Answer::<Registered, 201>::describe_answer(operation, schemas);
        Answer::<Claimed, 202>::describe_answer(operation, schemas);
    }
}

async fn register(who: Public, users: Data<Users>, body: Json<Register>) -> Result<Registering, Problem> {
    let Register { email, password, name } = body.0;
    users.may_register(&who.call)?;
    if users.settings.verify_email {
        let claim = users.claim_registration(&who.call, email, name, password).await.map_err(problem)?;
        return Ok(Registering::Claimed(Answer::new(Claimed { claim })));
    }
    let user = users.create_user(&who.call, email, name, password, [Role::Customer].into()).await.map_err(problem)?;
    Ok(Registering::Done(Answer::new(user.into())))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Confirm {
    /// What the answer to the claim said.
    claim: Secret,
    /// The six digits of the message.
    code: Code,
}

async fn confirm(who: Public, users: Data<Users>, body: Json<Confirm>) -> Result<Answer<Registered, 201>, Problem> {
    let user = users.confirm_registration(&who.call, &body.0.claim, &body.0.code).await?;
    Ok(Answer::new(user.into()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    email: Email,
    current_password: Password,
    /// The second factor, where the caller has one.
    code: Option<FactorCode>,
}

async fn change(who: Confirmed, users: Data<Users>, body: Json<Change>) -> Result<Answer<Claimed, 202>, Problem> {
    let Change { email, current_password, code } = body.0;
    let claim = users.claim_address(&who.call, whose(&who.caller)?, current_password, code, email).await;
    Ok(Answer::new(Claimed { claim: claim.map_err(of_field)? }))
}

async fn confirm_change(who: Confirmed, users: Data<Users>, body: Json<Confirm>) -> Result<Answer<Account>, Problem> {
    let user = whose(&who.caller)?.0;
    Ok(Answer::new(users.confirm_address(&who.call, user, &body.0.claim, &body.0.code).await?.into()))
}
