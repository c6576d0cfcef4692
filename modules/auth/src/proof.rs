//! Proving once more who one is, before something that whoever stole a token must not do.

use emporium_auth_api::{AuthError, Email, FindUser, SessionId, User, UserId};
use emporium_database::{Db, refuse};
use emporium_kernel::Call;

use crate::hashing::Checked;
use crate::password::Password;
use crate::throttle::{Admitted, Attempt};
use crate::users::Credentials;
use crate::{Done, Users, sessions, throttle, users};

/// A user who has just given the right password.
#[derive(Clone)]
pub(crate) struct Proof {
    pub(crate) user: User,
    pub(crate) session: SessionId,
    pub(crate) attempt: Attempt,
    pub(crate) admitted: Admitted,
    checked: Credentials,
}

/// A password that was right.
pub(crate) struct Verified {
    pub(crate) admitted: Admitted,
    pub(crate) credentials: Credentials,
    /// A new hash of it, when the stored one is weaker than what is now asked for.
    pub(crate) stronger: Option<String>,
}

impl Users {
    /// Checks a password against what is stored for an address. An unknown address, a wrong password and a disabled user
    /// get the same answer after the same work; after some of them in a row, even the right password has to wait.
    pub(crate) async fn verify_password(
        &self,
        attempt: &Attempt,
        email: Email,
        password: Password,
    ) -> Result<Verified, AuthError> {
        let _turn = self.turns.take(attempt).await?;
        self.hashing.has_room()?;
        let admitted = self.admit(attempt).await?;
        match self.compare(attempt, email, password).await {
            Ok(Some((credentials, stronger))) => Ok(Verified { admitted, credentials, stronger }),
            Ok(None) => {
                let failed = attempt.clone();
                self.database.write(move |db| throttle::failed(db, &failed, &admitted)).await?;
                Err(AuthError::InvalidCredentials)
            }
            Err(error) => {
                // It was not tried.
                self.give_back(attempt, &admitted).await?;
                Err(error)
            }
        }
    }

    /// Whose password it is, and a stronger hash of it; `None` when it is nobody's.
    async fn compare(
        &self,
        attempt: &Attempt,
        email: Email,
        password: Password,
    ) -> Result<Option<(Credentials, Option<String>)>, AuthError> {
        let found = self.database.read(move |db| users::credentials(db, &email)).await?;
        let stored = found.as_ref().map(|credentials| credentials.hash.clone());
        Ok(match (found, self.hashing.check(password, stored, &attempt.account).await?) {
            (Some(credentials), Checked::Right { stronger }) => Some((credentials, stronger)),
            _ => None,
        })
    }

    /// Checks the password of a user who is logged in. Wrong ones make the next try wait, as at a login.
    pub(crate) async fn prove(
        &self,
        call: &Call,
        (user, session): (UserId, SessionId),
        password: Password,
    ) -> Result<Proof, AuthError> {
        let user = self.user(FindUser::Id(user)).await?;
        let email = Email::parse(&user.email).ok_or(AuthError::InvalidCredentials)?;
        let attempt = self.attempt(&email, call);
        let Verified { admitted, credentials: checked, .. } = self.verify_password(&attempt, email, password).await?;
        Ok(Proof { user, session, attempt, admitted, checked })
    }
}

impl Proof {
    /// Refuses when the password is another one by now, or the session has ended: to be asked in the transaction that
    /// the proof is for.
    pub(crate) fn holds(&self, db: &mut Db) -> Done<()> {
        let still = users::confirm(db, &self.checked, None)?;
        let live = sessions::is_live(db, &self.session, self.attempt.now)?;
        if !(still && live) {
            return refuse(AuthError::InvalidCredentials);
        }
        throttle::succeeded(db, &self.attempt)
    }
}
