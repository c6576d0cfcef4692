//! Logging in, staying logged in, logging out.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emporium_auth_api::{AUDIENCE, AuthError, CLIENT_ID, Claims, Email, ISSUER, SessionId, User, UserId};
use emporium_database::{Db, Stale, audit};
use emporium_kernel::Call;
use serde_json::json;

use crate::factor::FactorCode;
use crate::password::Password;
use crate::proof::Verified;
use crate::refresh_token::RefreshToken;
use crate::secret::Secret;
use crate::sessions::{self, Granted, NewSession, Rotated, Rotation};
use crate::throttle::{self, Admitted, Attempt};
use crate::{Users, place};

/// What a client uses from now on.
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    /// Seconds until the access token ends.
    pub(crate) expires_in: u32,
    /// Good for one refresh.
    pub(crate) refresh_token: String,
    /// Seconds until it ends when it is not used.
    pub(crate) refresh_secs: u32,
}

impl Users {
    /// Begins a session. Who has a second factor shows it as well.
    pub(crate) async fn login(
        &self,
        call: &Call,
        email: Email,
        password: Password,
        code: Option<FactorCode>,
    ) -> Result<Tokens, AuthError> {
        let attempt = self.attempt(&email, call);
        self.login_rate.take(&attempt.place, attempt.now)?;
        let verified = self.verify_password(&attempt, email, password).await?;
        let Verified { admitted, credentials: checked, stronger } = verified;
        let shown = match self.show_factor(call, &checked.user, code).await {
            Ok(shown) => shown,
            Err(error) => {
                self.give_back(&attempt, &admitted).await?;
                return Err(error);
            }
        };
        let now = self.clock.now();
        let id = SessionId::new(now, &self.random);
        let token = self.refresh_keys.first(id.clone(), &self.random);
        let expires_at = now.plus(self.settings.session_life());
        let idle = self.settings.session_idle();
        let new = NewSession { id, checked, stronger, shown, refresh_hash: token.hash(), now, expires_at, idle };
        let entry = self.entry(call, "login", &json!({"second_factor": new.shown.is_some()}));
        let entry = entry.by(new.checked.user.as_str()).to(new.id.as_str());
        let begin = move |db: &mut Db| {
            let (granted, ended) = sessions::begin(db, &new)?;
            throttle::succeeded(db, &attempt)?;
            audit::write(db, &entry)?;
            Ok((granted, Stale::Keys(ended)))
        };
        let granted = self.written_with(Stale::Nothing, begin).await?;
        self.tokens(granted, token)
    }

    /// A try to log in to what belongs to an address.
    pub(crate) fn attempt(&self, email: &Email, call: &Call) -> Attempt {
        Attempt { account: self.account_of(email), place: place::of(call.peer), apart: false, now: self.clock.now() }
    }

    /// What the failures of an address are counted by: nobody who reads the table learns which addresses were tried.
    pub(crate) fn account_of(&self, email: &Email) -> String {
        self.keyed(email.as_str())
    }

    fn keyed(&self, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.account_key, text.as_bytes()))
    }

    /// The same for failures with mailed codes.
    pub(crate) fn code_account_of(&self, email: &Email) -> String {
        self.keyed(&format!("code\n{email}"))
    }

    /// Everything that failures of a user are counted by.
    pub(crate) fn accounts_of(&self, user: &User) -> Vec<String> {
        let email = Email::parse(&user.email);
        let by_address = email.iter().flat_map(|email| [self.account_of(email), self.code_account_of(email)]);
        by_address.chain([self.factor_account_of(&user.id)]).collect()
    }

    /// What the failures with a second factor are counted by.
    pub(crate) fn factor_account_of(&self, user: &UserId) -> String {
        self.keyed(&format!("factor\n{user}"))
    }

    /// Most tries have nothing against them and change nothing.
    pub(crate) async fn admit(&self, attempt: &Attempt) -> Result<Admitted, AuthError> {
        let (looked, tried) = (attempt.clone(), attempt.clone());
        match self.database.read(move |db| throttle::look(db, &looked)).await? {
            Some(admitted) => Ok(admitted),
            None => self.database.write(move |db| throttle::admit(db, &tried)).await,
        }
    }

    /// Exchanges a refresh token for the next one and a fresh access token.
    pub(crate) async fn refresh(&self, call: &Call, offered: &Secret) -> Result<Tokens, AuthError> {
        let offered = RefreshToken::parse(offered.as_str()).ok_or(AuthError::InvalidRefreshToken)?;
        let next = self.refresh_keys.successor(&offered);
        let rotation = Rotation {
            session: offered.session().clone(),
            offered: offered.hash(),
            next: next.hash(),
            ours: self.refresh_keys.made(&offered),
            now: self.clock.now(),
            idle: self.settings.session_idle(),
            grace: self.settings.refresh_grace(),
            done: Arc::default(),
        };
        let session = rotation.session.clone();
        let entry = self.entry(call, "refresh_token.reused", &json!({})).to(session.as_str());
        let rotate = move |db: &mut Db| {
            let rotated = sessions::rotate(db, &rotation)?;
            if matches!(rotated, Rotated::Reused) {
                audit::write(db, &entry)?;
            }
            Ok(rotated)
        };
        match self.change_session(session, rotate).await? {
            Rotated::To(granted) => self.tokens(granted, next),
            Rotated::Refused => Err(AuthError::InvalidRefreshToken),
            Rotated::Reused => {
                tracing::warn!(session.id = %next.session(), "a used refresh token came again; its session was ended");
                Err(AuthError::InvalidRefreshToken)
            }
        }
    }

    /// Ends the session of a refresh token; one that names no session of ours changes nothing.
    pub(crate) async fn logout(&self, offered: &Secret) -> Result<(), AuthError> {
        let Some(offered) = RefreshToken::parse(offered.as_str()) else { return Ok(()) };
        let (ours, now) = (self.refresh_keys.made(&offered), self.clock.now());
        let session = offered.session().clone();
        self.change_session(session, move |db| sessions::leave(db, offered.session(), &offered.hash(), ours, now)).await
    }

    fn tokens(&self, granted: Granted, refresh: RefreshToken) -> Result<Tokens, AuthError> {
        let Granted { user, version, until, proved } = granted;
        let iat = self.clock.now().seconds();
        // No token outlives its session.
        let left = u32::try_from(until.seconds().saturating_sub(iat)).unwrap_or(0).max(1);
        let expires_in = self.settings.access_token_secs.min(left);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user.id,
            aud: AUDIENCE.to_owned(),
            exp: iat.saturating_add(expires_in.into()),
            iat,
            jti: self.random.token::<16>(),
            client_id: CLIENT_ID.to_owned(),
            roles: user.roles.into_iter().filter(|role| proved || !self.settings.require_totp.contains(role)).collect(),
            sid: refresh.session().clone(),
            ver: version,
        };
        let access_token = self.keys.sign(&claims, self.clock.now())?;
        let refresh_secs = self.settings.session_idle_secs.min(left);
        Ok(Tokens { access_token, expires_in, refresh_token: refresh.into_text(), refresh_secs })
    }
}
