//! How a user gets a second factor, shows it, and gives it up.

use emporium_auth_api::{AuthError, Email, FindUser, SessionId, User, UserId};
use emporium_database::{Db, idempotency, refuse};
use emporium_kernel::{Call, Outage};

use crate::factor::{self, FactorCode, Seed, Shown};
use crate::mail::{self, Content};
use crate::password::Password;
use crate::throttle::{Admitted, Attempt};
use crate::{Done, Users, sessions, throttle, users};

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

    /// Turns the proposed factor on, and returns the recovery codes.
    pub(crate) async fn confirm_factor(
        &self,
        call: &Call,
        (user, session): (UserId, SessionId),
        code: FactorCode,
    ) -> Result<Vec<String>, AuthError> {
        let user = self.user(FindUser::Id(user)).await?;
        let (id, now) = (user.id.clone(), self.clock.now());
        let stored = self.database.read(move |db| factor::find(db, &id)).await?;
        let stored = stored.filter(|stored| !stored.confirmed).ok_or(AuthError::NoSecondFactor)?;
        let attempt = self.attempt(&Email::parse(&user.email).ok_or(Outage::Internal)?, call);
        let admitted = self.admit(&attempt).await?;
        let step = match self.read_code(&user.id, code, &stored.sealed) {
            Ok(Shown::Step(step)) => Ok(step),
            Ok(Shown::Recovery(_)) => Err(AuthError::InvalidSecondFactor),
            Err(error) => Err(error),
        };
        let step = self.counting(step, &attempt, &admitted).await?;
        let (codes, hashes) = self.new_recovery_codes(&user.id);
        let (told, command) = (self.letter(&user, Content::SecondFactorOn, now)?, self.random.token::<16>());
        let confirm = move |db: &mut Db, user: &User| {
            if idempotency::already_applied(db, &command, now)? {
                return Ok(());
            }
            if !sessions::is_live(db, &session, now)? || !factor::confirm(db, &user.id, &stored.sealed, step)? {
                return refuse(AuthError::NoSecondFactor);
            }
            throttle::succeeded(db, &attempt)?;
            factor::set_recovery_codes(db, &user.id, &hashes)?;
            sessions::set_proved(db, &session)?;
            told.as_ref().map_or(Ok(()), |told| mail::enqueue(db, told))
        };
        self.change(FindUser::Id(user.id), confirm).await?;
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
        self.with_both(call, whose, password, code, None, renew).await?;
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
        self.with_both(call, whose, password, code, Some(Content::SecondFactorOff), |db, user| end(db, &user.id)).await
    }

    /// Ends the second factor of somebody who has lost it.
    pub async fn reset_factor(&self, who: FindUser) -> Result<User, AuthError> {
        let user = self.user(who).await?;
        let now = self.clock.now();
        let (told, command) = (self.letter(&user, Content::SecondFactorOff, now)?, self.random.token::<16>());
        let reset = move |db: &mut Db, user: &User| {
            if idempotency::already_applied(db, &command, now)? {
                return Ok(());
            }
            if !factor::is_on(db, &user.id)? {
                return refuse(AuthError::NoSecondFactor);
            }
            end(db, &user.id)?;
            told.as_ref().map_or(Ok(()), |told| mail::enqueue(db, told))
        };
        self.change(FindUser::Id(user.id), reset).await
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
        whose: (UserId, SessionId),
        password: Password,
        code: FactorCode,
        told: Option<Content>,
        work: impl Fn(&mut Db, &User) -> Done<()> + Send + 'static,
    ) -> Result<(), AuthError> {
        let proof = self.prove(call, whose, password).await?;
        let (user, now) = (proof.user.clone(), proof.attempt.now);
        let (attempt, admitted) = (proof.attempt.clone(), proof.admitted.clone());
        let shown = self.show_factor(&user.id, Some(code)).await;
        let shown = self.counting(shown, &attempt, &admitted).await?.ok_or(AuthError::NoSecondFactor)?;
        let told = told.map(|content| self.letter(&user, content, now)).transpose()?.flatten();
        let command = self.random.token::<16>();
        let change = move |db: &mut Db, user: &User| {
            if idempotency::already_applied(db, &command, now)? {
                return Ok(());
            }
            proof.holds(db)?;
            factor::require(db, &user.id, Some(&shown))?;
            work(db, user)?;
            told.as_ref().map_or(Ok(()), |told| mail::enqueue(db, told))
        };
        let changed = self.change(FindUser::Id(user.id), change).await;
        self.counting(changed, &attempt, &admitted).await.map(drop)
    }

    /// What a user shows as second factor, still to be spent; `None` when the user has none.
    pub(crate) async fn show_factor(
        &self,
        user: &UserId,
        code: Option<FactorCode>,
    ) -> Result<Option<Shown>, AuthError> {
        let id = user.clone();
        let stored = self.database.read(move |db| factor::find(db, &id)).await?;
        let Some(stored) = stored.filter(|stored| stored.confirmed) else { return Ok(None) };
        let code = code.ok_or(AuthError::SecondFactorRequired)?;
        self.read_code(user, code, &stored.sealed).map(Some)
    }

    fn read_code(&self, user: &UserId, code: FactorCode, sealed: &str) -> Result<Shown, AuthError> {
        let digits = match code {
            FactorCode::Recovery(code) => {
                return Ok(Shown::Recovery(factor::recovery_hash(&self.code_key, user, &code)));
            }
            FactorCode::Totp(digits) => digits,
        };
        let secret = self.factor_seal.open(user.as_str(), sealed).ok_or(Outage::Internal)?;
        let seed = Seed::read(&secret).ok_or(Outage::Internal)?;
        seed.step_of(&digits, self.clock.now()).map(Shown::Step).ok_or(AuthError::InvalidSecondFactor)
    }

    /// Counts a wrong code like a wrong password.
    pub(crate) async fn counting<T>(
        &self,
        outcome: Result<T, AuthError>,
        attempt: &Attempt,
        admitted: &Admitted,
    ) -> Result<T, AuthError> {
        if matches!(outcome, Err(AuthError::InvalidSecondFactor)) {
            let (attempt, admitted) = (attempt.clone(), admitted.clone());
            self.database.write(move |db| throttle::failed(db, &attempt, &admitted)).await?;
        }
        outcome
    }

    fn new_recovery_codes(&self, user: &UserId) -> (Vec<String>, Vec<String>) {
        let codes = factor::recovery_codes(&self.random);
        let hashes = codes.iter().map(|code| factor::recovery_hash(&self.code_key, user, code)).collect();
        (codes, hashes)
    }
}

/// Ends a factor, and what was granted because of it.
fn end(db: &mut Db, user: &UserId) -> Done<()> {
    factor::end(db, user)?;
    sessions::unprove_all(db, user)?;
    users::bump(db, user)
}
