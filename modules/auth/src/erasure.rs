//! Erasing a user: what names a person goes; what the books need keeps an id that names nobody.

use emporium_auth_api::{AuthError, ERASED_DOMAIN, FindUser, SessionId, USER_ERASED, User, UserId};
use emporium_database::prelude::*;
use emporium_database::{Db, outbox};
use emporium_kernel::{Call, Role, Timestamp};
use serde_json::json;

use crate::codes::Purpose;
use crate::factor::{self, FactorCode};
use crate::mail::{self, Content};
use crate::password::Password;
use crate::schema::{api_key, code, code_request, code_sent, user_roles, users};
use crate::sessions::{self, End};
use crate::{Done, Users, addresses, claims, enrolment, invitations, throttle};

/// What an erased user is called.
const NOBODY: &str = "erased";

impl Users {
    /// Erases whoever shows the password, and the second factor where there is one. Nobody can log in as this user
    /// any more; the address is free. Neighbours hear of it.
    pub(crate) async fn erase(
        &self,
        call: &Call,
        whose: (UserId, SessionId),
        password: Password,
        code: Option<FactorCode>,
    ) -> Result<(), AuthError> {
        let proof = self.prove(call, whose, password).await?;
        let showing = self.show_beside(call, &proof, code).await?;
        let (id, now) = (proof.user.id.clone(), proof.attempt.now);
        let told = self.letter(&proof.user, Content::Erased, now)?;
        let unusable = self.hashing.stand_in(&proof.attempt.account);
        let gone = Gone { accounts: self.accounts_of(&proof.user), unusable, now };
        let erase = move |db: &mut Db, user: &User| {
            proof.holds(db)?;
            enrolment::require(db, &user.id, showing.as_ref())?;
            told.as_ref().map_or(Ok(()), |told| mail::enqueue(db, told))?;
            gone.erase(db, user)
        };
        self.change(self.entry(call, "user.erased", &json!({})), FindUser::Id(id), erase).await.map(drop)
    }
}

/// What is left of somebody, and when.
#[derive(Clone)]
struct Gone {
    /// What failures and known places are counted by.
    accounts: Vec<String>,
    /// A hash that no password has.
    unusable: String,
    now: Timestamp,
}

impl Gone {
    fn erase(&self, db: &mut Db, user: &User) -> Done<()> {
        let id = user.id.as_str();
        sessions::end_all(db, &user.id, End::Disabled, self.now)?;
        factor::end(db, &user.id)?;
        addresses::remove_all(db, &user.id)?;
        claims::remove_of(db, user)?;
        diesel::delete(api_key::table.filter(api_key::user_id.eq(id))).execute(db)?;
        diesel::delete(code::table.filter(code::user_id.eq(id))).execute(db)?;
        diesel::delete(code_sent::table.filter(code_sent::user_id.eq(id))).execute(db)?;
        let asked = code_request::purpose.eq(Purpose::Reset.name()).and(code_request::email.eq(&user.email));
        diesel::delete(code_request::table.filter(asked)).execute(db)?;
        invitations::remove_of(db, user)?;
        diesel::delete(user_roles::table.filter(user_roles::user_id.eq(id))).execute(db)?;
        for account in &self.accounts {
            throttle::forget(db, account)?;
        }
        let nobody = (
            users::email.eq(format!("{id}@{ERASED_DOMAIN}")),
            users::name.eq(NOBODY),
            users::password_hash.eq(&self.unusable),
            users::password_version.eq(users::password_version + 1),
            users::disabled.eq(1),
            users::version.eq(users::version + 1),
        );
        diesel::update(users::table.find(id)).set(nobody).execute(db)?;
        if user.roles.contains(&Role::Admin) {
            crate::users::keep_an_admin(db)?;
        }
        outbox::put(db, USER_ERASED, id, &json!({}), self.now)
    }
}
