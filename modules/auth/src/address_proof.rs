//! Proving that an address is one's own: to register, where that is asked for, and to have another one.

use emporium_auth_api::{AuthError, Email, FindUser, SessionId, User, UserId};
use emporium_database::prelude::*;
use emporium_database::{Db, Lane, Stale, audit, idempotency, refuse};
use emporium_kernel::{Call, Role};
use serde_json::json;

use crate::accounts::Name;
use crate::claims::{self, Claim, Claimed, Waiting};
use crate::codes::{Code, GOOD, Purpose};
use crate::factor::FactorCode;
use crate::mail::{self, Content};
use crate::password::{NewPassword, Password};
use crate::schema::{code, code_request};
use crate::secret::{self, Secret};
use crate::users::NewUser;
use crate::{Done, Users, enrolment, place, throttle, users};

impl Users {
    /// Notes that somebody wants to register, and returns what is to be sent with the code. Whether the address is
    /// somebody's already is looked up later, by nobody who waits: the answer is the same, and takes as long.
    pub(crate) async fn claim_registration(
        &self,
        call: &Call,
        email: Email,
        name: Name,
        password: NewPassword,
    ) -> Result<String, AuthError> {
        self.password_rules.check(&password, &email, &name)?;
        let password_hash = self.hashing.hash(password.into_password()).await?;
        let (token, claim) = self.claim(call, Claimed::Registration { name: name.into_string(), password_hash }, email);
        self.database.write(move |db| claims::note(db, &claim)).await?;
        Ok(token)
    }

    /// Makes the user whose address the code proves.
    pub(crate) async fn confirm_registration(
        &self,
        call: &Call,
        token: &Secret,
        code: &Code,
    ) -> Result<User, AuthError> {
        let (id, hash) = self.proof_of(call, token, code)?;
        let (now, command) = (self.clock.now(), self.random.token::<16>());
        let new_id = UserId::new(now, &self.random);
        let made = new_id.clone();
        let entry = self.entry(call, "user.created", &json!({"roles": [Role::Customer]})).to(new_id.as_str());
        let confirm = move |db: &mut Db| {
            if idempotency::already_applied(db, &command, now)? {
                return users::exists(db, &made);
            }
            let (name, password_hash, email) = match claims::prove(db, &id, &hash, now)? {
                Some((Claimed::Registration { name, password_hash }, email)) => (name, password_hash, email),
                Some(_) => return refuse(AuthError::InvalidCode),
                None => return Ok(false),
            };
            let roles = [Role::Customer].into();
            let new = NewUser { id: made.clone(), email, name, password_hash, roles, created_at: now };
            users::insert(db, &new)?;
            audit::write(db, &entry)?;
            Ok(true)
        };
        match self.database.write(confirm).await? {
            true => self.user(FindUser::Id(new_id)).await,
            false => Err(AuthError::InvalidCode),
        }
    }

    /// Notes that a user wants another address. It is the user's when the code that is mailed there comes back.
    pub(crate) async fn claim_address(
        &self,
        call: &Call,
        whose: (UserId, SessionId),
        password: Password,
        code: Option<FactorCode>,
        email: Email,
    ) -> Result<String, AuthError> {
        if !self.post.is_open() {
            return Err(AuthError::NoMail);
        }
        self.registration_rate.take(&place::of(call.peer), self.clock.now())?;
        let proof = self.prove(call, whose, password).await?;
        let showing = self.show_beside(call, &proof, code).await?;
        let (token, claim) = self.claim(call, Claimed::Change { user: proof.user.id.clone() }, email);
        let command = self.random.token::<16>();
        let note = move |db: &mut Db| {
            if idempotency::already_applied(db, &command, claim.now)? {
                return Ok(());
            }
            proof.holds(db)?;
            enrolment::require(db, &proof.user.id, showing.as_ref())?;
            claims::note(db, &claim)
        };
        self.database.write(note).await?;
        Ok(token)
    }

    /// Gives a user the address that the code proves, and tells the one before.
    pub(crate) async fn confirm_address(
        &self,
        call: &Call,
        user: UserId,
        token: &Secret,
        code: &Code,
    ) -> Result<User, AuthError> {
        let (id, hash) = self.proof_of(call, token, code)?;
        let (now, command) = (self.clock.now(), self.random.token::<16>());
        let before = self.user(FindUser::Id(user)).await?;
        let entry = self.entry(call, "user.address_changed", &json!({})).to(before.id.as_str());
        let (accounts, told) = (self.accounts_of(&before), self.letter(&before, Content::AddressChanged, now)?);
        let confirm = move |db: &mut Db| {
            users::lock(db, &before.id)?;
            if audit::was_written(db, &entry)? {
                return users::find(db, &FindUser::Id(before.id.clone()));
            }
            if idempotency::already_applied(db, &command, now)? {
                return Ok(None);
            }
            let email = match claims::prove(db, &id, &hash, now)? {
                Some((Claimed::Change { user }, email)) if user == before.id => email,
                Some(_) => return refuse(AuthError::InvalidCode),
                None => return Ok(None),
            };
            users::set_email(db, &before.id, &email)?;
            forget_address(db, &before, &accounts)?;
            told.as_ref().map_or(Ok(()), |told| mail::enqueue(db, told))?;
            audit::write(db, &entry)?;
            users::find(db, &FindUser::Id(before.id.clone()))
        };
        self.written(Stale::Everything, confirm).await?.ok_or(AuthError::InvalidCode)
    }

    fn claim(&self, call: &Call, what: Claimed, email: Email) -> (String, Claim) {
        let token = self.random.token::<32>();
        let (place, now) = (place::of(call.peer), self.clock.now());
        let claim = Claim { id: secret::hash(&token), what, email, place, now };
        (token, claim)
    }

    fn proof_of(&self, call: &Call, token: &Secret, code: &Code) -> Result<(String, String), AuthError> {
        self.code_rate.take(&place::of(call.peer), self.clock.now())?;
        let id = secret::hash(token.as_str().trim());
        let hash = code.hash(&self.code_key, Purpose::Claim, &id);
        Ok((id, hash))
    }

    /// Mails the codes, or the word that the address is somebody's already.
    pub(crate) async fn answer_claims(&self) -> Result<(), AuthError> {
        let now = self.clock.now();
        for claim in self.database.read(move |db| claims::waiting(db, now)).await? {
            // One that cannot be answered keeps nobody else waiting; it ends by itself.
            if let Err(error) = self.answer_claim(claim).await {
                tracing::warn!(%error, "a claim to an address was not answered");
            }
        }
        Ok(())
    }

    async fn answer_claim(&self, claim: Waiting) -> Result<(), AuthError> {
        let now = self.clock.now();
        let wanted = FindUser::Email(claim.email.clone());
        let taken = self.database.read::<_, AuthError, _>(move |db| Ok(users::find(db, &wanted)?.is_some())).await?;
        let code = Code::new(&self.random);
        let content = match taken {
            true => Content::AddressTaken,
            false => Content::AddressCode {
                code: code.as_str().to_owned(),
                minutes: GOOD.as_secs() / 60,
                until: now.plus(GOOD),
            },
        };
        let hash = (!taken).then(|| code.hash(&self.code_key, Purpose::Claim, &claim.id));
        let Some(letter) = self.letter_to(claim.email.clone(), content, now)? else { return Ok(()) };
        let answer = move |db: &mut Db| claims::answer(db, &claim, hash.as_deref(), &letter, now);
        self.database.write_in(Lane::Continuation, answer).await
    }
}

/// Forgets what was noted under the address before.
fn forget_address(db: &mut Db, user: &User, accounts: &[String]) -> Done<()> {
    diesel::delete(code::table.filter(code::user_id.eq(user.id.as_str()))).execute(db)?;
    let asked = code_request::purpose.eq(Purpose::Reset.name()).and(code_request::email.eq(&user.email));
    diesel::delete(code_request::table.filter(asked)).execute(db)?;
    claims::remove_of(db, user)?;
    accounts.iter().try_for_each(|account| throttle::forget(db, account))
}
