//! How a user gets a second factor, shows it, and gives it up.

use emporium_auth_api::{AuthError, FindUser, SessionId, User, UserId};
use emporium_database::audit::Entry;
use emporium_database::{Db, refuse};
use emporium_kernel::{Call, Outage};
use serde_json::json;

use crate::factor::{self, FactorCode, Seed, Shown};
use crate::mail::{self, Content};
use crate::password::Password;
use crate::proof::Proof;
use crate::sessions::End;
use crate::throttle::{Admitted, Attempt};
use crate::{Done, Users, place, sessions, throttle, users};

/// What an authenticator is told.
pub(crate) struct Proposed {
    /// To be typed.
    pub(crate) secret: String,
    /// To be read as a QR code.
    pub(crate) uri: String,
}

/// How it stands with a user's second factor.
pub(crate) struct Standing {
    pub(crate) enabled: bool,
    pub(crate) recovery_codes_left: i64,
}

/// A second factor that is shown. The try was counted before it was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Showing {
    shown: Shown,
    attempt: Attempt,
}

/// Spends what is shown, and forgives the tries before it. A factor that was turned on since it was looked for is asked
/// for now.
pub(crate) fn require(db: &mut Db, user: &UserId, showing: Option<&Showing>) -> Done<()> {
    factor::require(db, user, showing.map(|showing| &showing.shown))?;
    showing.map_or(Ok(()), |showing| throttle::succeeded(db, &showing.attempt))
}

impl Users {
    pub(crate) async fn factor_of(&self, user: UserId) -> Result<Standing, AuthError> {
        let look = move |db: &mut Db| {
            let recovery_codes_left = factor::recovery_codes_left(db, &user)?;
            Ok(Standing { enabled: factor::is_on(db, &user)?, recovery_codes_left })
        };
        self.database.read(look).await
    }

    /// Makes a factor that counts once a code of it was shown.
    pub(crate) async fn propose_factor(
        &self,
        call: &Call,
        whose: (UserId, SessionId),
        password: Password,
    ) -> Result<Proposed, AuthError> {
        let proof = self.prove(call, whose, password).await?;
        let seed = Seed::new(&self.random, &proof.user.email).ok_or(Outage::Internal)?;
        let (secret, uri) = (seed.base32(), seed.uri().ok_or(Outage::Internal)?);
        let sealed = self.factor_seal.close(proof.user.id.as_str(), &secret, &self.random).ok_or(Outage::Internal)?;
        let propose = move |db: &mut Db| {
            proof.holds(db)?;
            factor::propose(db, &proof.user.id, &sealed, proof.attempt.now)
        };
        self.database.write(propose).await?;
        Ok(Proposed { secret, uri })
    }

    /// Turns the proposed factor on, ends every other session, and returns the recovery codes.
    pub(crate) async fn confirm_factor(
        &self,
        call: &Call,
        (user, session): (UserId, SessionId),
        code: FactorCode,
    ) -> Result<Vec<String>, AuthError> {
        let user = self.user(FindUser::Id(user)).await?;
        let (id, now) = (user.id.clone(), self.clock.now());
        let stored = self.database.read(move |db| factor::find(db, &id)).await?;
        let fresh = |stored: &factor::Stored| !stored.confirmed && now.since(stored.created_at) < factor::PROPOSED;
        let stored = stored.filter(fresh).ok_or(AuthError::NoSecondFactor)?;
        let showing = self.claim_code(call, &user.id, code, &stored.sealed).await?;
        let Shown::Step(step) = showing.shown else { return Err(AuthError::InvalidSecondFactor) };
        let (codes, hashes) = self.new_recovery_codes(&user.id);
        let told = self.letter(&user, Content::SecondFactorOn, now)?;
        let confirm = move |db: &mut Db, user: &User| {
            if !sessions::is_live(db, &session, now)? || !factor::confirm(db, &user.id, &stored.sealed, step)? {
                return refuse(AuthError::NoSecondFactor);
            }
            throttle::succeeded(db, &showing.attempt)?;
            factor::set_recovery_codes(db, &user.id, &hashes)?;
            // Whoever knew the password alone is out.
            sessions::end_others(db, &user.id, &session, End::Logout, now)?;
            sessions::set_proved(db, &session)?;
            told.as_ref().map_or(Ok(()), |told| mail::enqueue(db, told))
        };
        self.change(self.entry(call, "factor.on", &json!({})), FindUser::Id(user.id), confirm).await?;
        Ok(codes)
    }

    /// New recovery codes in place of those before, for whoever shows password and factor.
    pub(crate) async fn renew_recovery_codes(
        &self,
        call: &Call,
        whose: (UserId, SessionId),
        password: Password,
        code: FactorCode,
    ) -> Result<Vec<String>, AuthError> {
        let (codes, hashes) = self.new_recovery_codes(&whose.0);
        let renew = move |db: &mut Db, user: &User| factor::set_recovery_codes(db, &user.id, &hashes);
        let entry = self.entry(call, "factor.recovery_codes", &json!({}));
        self.with_both(call, entry, whose, (password, code), None, renew).await?;
        Ok(codes)
    }

    /// Ends the second factor of whoever shows password and factor. What only those who showed one may do, nobody may
    /// do from then on.
    pub(crate) async fn end_factor(
        &self,
        call: &Call,
        whose: (UserId, SessionId),
        password: Password,
        code: FactorCode,
    ) -> Result<(), AuthError> {
        let (entry, told) = (self.entry(call, "factor.off", &json!({})), Some(Content::SecondFactorOff));
        let account = self.factor_account_of(&whose.0);
        self.with_both(call, entry, whose, (password, code), told, move |db, user| end(db, &user.id, &account)).await
    }

    /// Ends the second factor of somebody who has lost it.
    pub async fn reset_factor(&self, call: &Call, who: FindUser) -> Result<User, AuthError> {
        let user = self.user(who).await?;
        let told = self.letter(&user, Content::SecondFactorOff, self.clock.now())?;
        let account = self.factor_account_of(&user.id);
        let reset = move |db: &mut Db, user: &User| {
            if !factor::is_on(db, &user.id)? {
                return refuse(AuthError::NoSecondFactor);
            }
            end(db, &user.id, &account)?;
            told.as_ref().map_or(Ok(()), |told| mail::enqueue(db, told))
        };
        self.change(self.entry(call, "factor.reset", &json!({})), FindUser::Id(user.id), reset).await
    }

    /// Refuses what [`Users::reset_factor`] refuses, and ends nothing.
    pub async fn check_factor_reset(&self, who: FindUser) -> Result<User, AuthError> {
        let user = self.user(who).await?;
        if self.factor_of(user.id.clone()).await?.enabled { Ok(user) } else { Err(AuthError::NoSecondFactor) }
    }

    /// Does something for whoever shows password and factor, and tells the user.
    async fn with_both(
        &self,
        call: &Call,
        entry: Entry,
        whose: (UserId, SessionId),
        (password, code): (Password, FactorCode),
        told: Option<Content>,
        work: impl Fn(&mut Db, &User) -> Done<()> + Send + 'static,
    ) -> Result<(), AuthError> {
        let proof = self.prove(call, whose, password).await?;
        let (user, now) = (proof.user.clone(), proof.attempt.now);
        let showing = self.show_beside(call, &proof, Some(code)).await?.ok_or(AuthError::NoSecondFactor)?;
        let told = told.map(|content| self.letter(&user, content, now)).transpose()?.flatten();
        let change = move |db: &mut Db, user: &User| {
            proof.holds(db)?;
            require(db, &user.id, Some(&showing))?;
            work(db, user)?;
            told.as_ref().map_or(Ok(()), |told| mail::enqueue(db, told))
        };
        self.change(entry, FindUser::Id(user.id), change).await.map(drop)
    }

    /// What a user shows as second factor, still to be spent; `None` when the user has none.
    pub(crate) async fn show_factor(
        &self,
        call: &Call,
        user: &UserId,
        code: Option<FactorCode>,
    ) -> Result<Option<Showing>, AuthError> {
        let id = user.clone();
        let stored = self.database.read(move |db| factor::find(db, &id)).await?;
        let Some(stored) = stored.filter(|stored| stored.confirmed) else { return Ok(None) };
        let code = code.ok_or(AuthError::SecondFactorRequired)?;
        self.claim_code(call, user, code, &stored.sealed).await.map(Some)
    }

    /// [`Users::show_factor`] beside a password that was right: what counted against the password is taken back when
    /// the factor is not.
    pub(crate) async fn show_beside(
        &self,
        call: &Call,
        proof: &Proof,
        code: Option<FactorCode>,
    ) -> Result<Option<Showing>, AuthError> {
        let shown = self.show_factor(call, &proof.user.id, code).await;
        if shown.is_err() {
            self.give_back(&proof.attempt, &proof.admitted).await?;
        }
        shown
    }

    pub(crate) async fn give_back(&self, attempt: &Attempt, admitted: &Admitted) -> Result<(), AuthError> {
        let (attempt, admitted) = (attempt.clone(), admitted.clone());
        self.database.write(move |db| throttle::give_back(db, &attempt, &admitted)).await
    }

    /// Counts a try with a code as wrong before looking at it. Only a right one forgives those before: no password does,
    /// so that whoever has the password cannot guess for ever.
    async fn claim_code(
        &self,
        call: &Call,
        user: &UserId,
        code: FactorCode,
        sealed: &str,
    ) -> Result<Showing, AuthError> {
        let (account, now) = (self.factor_account_of(user), self.clock.now());
        let attempt = Attempt { account, place: place::of(call.peer), apart: false, now };
        let claim = attempt.clone();
        self.database.write(move |db| throttle::claim(db, &claim)).await?;
        let digits = match code {
            FactorCode::Recovery(code) => {
                let shown = Shown::Recovery(factor::recovery_hash(&self.code_key, user, &code));
                return Ok(Showing { shown, attempt });
            }
            FactorCode::Totp(digits) => digits,
        };
        let secret = self.factor_seal.open(user.as_str(), sealed).ok_or(Outage::Internal)?;
        let seed = Seed::read(&secret).ok_or(Outage::Internal)?;
        let step = seed.step_of(&digits, now).ok_or(AuthError::InvalidSecondFactor)?;
        Ok(Showing { shown: Shown::Step(step), attempt })
    }

    fn new_recovery_codes(&self, user: &UserId) -> (Vec<String>, Vec<String>) {
        let codes = factor::recovery_codes(&self.random);
        let hashes = codes.iter().map(|code| factor::recovery_hash(&self.code_key, user, code)).collect();
        (codes, hashes)
    }
}

/// Ends a factor, and what was granted because of it.
fn end(db: &mut Db, user: &UserId, account: &str) -> Done<()> {
    factor::end(db, user)?;
    // Tries with it are over, also those that stopped its owner.
    throttle::forget(db, account)?;
    sessions::unprove_all(db, user)?;
    users::bump(db, user)
}
