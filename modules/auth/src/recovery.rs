//! A password that was forgotten or is changed, and the mail that goes with it.

use emporium_auth_api::{AuthError, Email, FindUser, SessionId, User, UserId};
use emporium_database::prelude::*;
use emporium_database::{Db, Lane};
use emporium_kernel::{Call, Outage, Timestamp, id};

use crate::codes::{self, Code, GOOD, NewCode, Purpose};
use crate::hashing::Checked;
use crate::mail::{self, Content, Due, KeptMail, Letter, MailId, PostError, Sealed, Waiting};
use crate::password::{NewPassword, Password};
use crate::schema::code_request;
use crate::sessions::{self, End};
use crate::{Done, Users, place, throttle, users};

id!(
    /// Names a wish for a code.
    WishId = "wsh"
);

/// Wishes that one round answers.
const AT_ONCE: i64 = 50;

/// A wish for a code; there may be no such user.
type Wish = (String, String);

/// What a new password ends.
#[derive(Clone, Debug)]
enum Ended {
    Every,
    EveryBut(SessionId),
}

impl Users {
    /// Notes that somebody wants a code to set a new password with. Whether there is such a user is looked up later, by
    /// nobody who waits: the answer is the same, and takes as long.
    pub(crate) async fn forgot(&self, call: &Call, email: Email) -> Result<(), AuthError> {
        if !self.post.is_open() {
            return Err(AuthError::NoMail);
        }
        let now = self.clock.now();
        self.registration_rate.take(&place::of(call.peer), now)?;
        let id = WishId::new(now, &self.random);
        let note = move |db: &mut Db| {
            let there: i64 = code_request::table.filter(code_request::id.eq(id.as_str())).count().get_result(db)?;
            if there == 0 {
                let row = (
                    code_request::id.eq(id.as_str()),
                    code_request::purpose.eq(Purpose::Reset.name()),
                    code_request::email.eq(email.as_str()),
                    code_request::created_at.eq(now.micros()),
                );
                diesel::insert_into(code_request::table).values(row).execute(db)?;
            }
            Ok(())
        };
        self.database.write(note).await
    }

    /// Sets a new password for whoever has the code that was mailed. Every session ends, and the user is told.
    pub(crate) async fn reset(
        &self,
        call: &Call,
        email: Email,
        code: Code,
        password: NewPassword,
    ) -> Result<(), AuthError> {
        let now = self.clock.now();
        self.login_rate.take(&place::of(call.peer), now)?;
        let wanted = FindUser::Email(email.clone());
        let found = self.database.read(move |db| users::find(db, &wanted)).await?.filter(|user| !user.disabled);
        // For nobody a try is counted as well, which takes as long.
        let id = found.as_ref().map_or_else(|| UserId::derived(&["nobody"]), |user| user.id.clone());
        let hash = code.hash(&self.code_key, Purpose::Reset, &id);
        let (tried, tried_hash) = (id.clone(), hash.clone());
        let attempt = move |db: &mut Db| codes::attempt(db, Purpose::Reset, &tried, &tried_hash, now);
        let right = self.database.write(attempt).await?;
        let Some(user) = found.filter(|_| right) else { return Err(AuthError::InvalidCode) };
        let used = move |db: &mut Db| codes::used(db, Purpose::Reset, &id, &hash, now);
        self.replace_password(user, password, Ended::Every, used).await
    }

    /// Sets a new password for a user who knows the old one. Every other session ends, and the user is told.
    pub(crate) async fn change_password(
        &self,
        call: &Call,
        (user, session): (UserId, SessionId),
        current: Password,
        new: NewPassword,
    ) -> Result<(), AuthError> {
        let user = self.user(FindUser::Id(user)).await?;
        let email = Email::parse(&user.email).ok_or(AuthError::InvalidCredentials)?;
        let attempt = self.attempt(&email, call);
        let admitted = self.admit(&attempt).await?;
        let found = self.database.read(move |db| users::credentials(db, &email)).await?;
        let stored = found.map(|credentials| credentials.hash);
        if self.hashing.check(current, stored).await? == Checked::Wrong {
            self.database.write(move |db| throttle::failed(db, &attempt, &admitted)).await?;
            return Err(AuthError::InvalidCredentials);
        }
        self.replace_password(user, new, Ended::EveryBut(session), |_| Ok(())).await
    }

    /// Sets a password, when `allowed` finds in the same transaction that it may.
    async fn replace_password(
        &self,
        user: User,
        password: NewPassword,
        ended: Ended,
        allowed: impl Fn(&mut Db) -> Done<()> + Send + 'static,
    ) -> Result<(), AuthError> {
        let email = Email::parse(&user.email).ok_or(Outage::Internal)?;
        password.check_against(&email, &user.name)?;
        let (account, now) = (self.account_of(&email), self.clock.now());
        let hash = self.hashing.hash(password.into_password()).await?;
        let told = self.letter(&user, Content::PasswordChanged, now)?;
        let set = move |db: &mut Db, user: &User| {
            allowed(db)?;
            users::set_password(db, &user.id, &hash)?;
            throttle::forgive(db, &account)?;
            if let Some(told) = &told {
                mail::enqueue(db, told)?;
            }
            match &ended {
                Ended::Every => sessions::end_all(db, &user.id, End::Password, now),
                Ended::EveryBut(session) => sessions::end_others(db, &user.id, session, End::Password, now),
            }
        };
        self.change(FindUser::Id(user.id), set).await.map(drop)
    }

    /// A letter to a user, ready to be stored; `None` where no mail leaves.
    fn letter(&self, user: &User, content: Content, now: Timestamp) -> Result<Option<Sealed>, AuthError> {
        if !self.post.is_open() {
            return Ok(None);
        }
        let to = Email::parse(&user.email).ok_or(Outage::Internal)?;
        let letter = Letter { to, name: user.name.clone(), content };
        let text = serde_json::to_string(&letter).map_err(|_| Outage::Internal)?;
        let id = MailId::new(now, &self.random);
        let text = self.mail_seal.close(id.as_str(), &text, &self.random).ok_or(Outage::Internal)?;
        Ok(Some(Sealed { id, text, now }))
    }

    /// One bounded round of the post: answers wishes for codes, and sends what is due.
    pub async fn send_mail(&self) -> Result<(), AuthError> {
        if !self.post.is_open() {
            return Ok(());
        }
        for wish in self.database.read(wishes).await? {
            self.answer(wish).await?;
        }
        let now = self.clock.now();
        if self.waiting_mail().await?.all == 0 {
            return Ok(());
        }
        for due in self.database.write_in(Lane::Continuation, move |db| mail::take(db, now)).await? {
            self.deliver(due).await?;
        }
        Ok(())
    }

    /// Mail that did not leave yet.
    pub async fn waiting_mail(&self) -> Result<Waiting, AuthError> {
        self.database.read(mail::waiting).await
    }

    /// Sends a code to whoever asked for one, if there is such a user and none was sent a moment ago.
    async fn answer(&self, (wish, email): Wish) -> Result<(), AuthError> {
        let now = self.clock.now();
        let found = match Email::parse(&email) {
            Some(email) => self.database.read(move |db| users::find(db, &FindUser::Email(email))).await?,
            None => None,
        };
        let letter = match found.filter(|user| !user.disabled) {
            Some(user) => {
                let code = Code::new(&self.random);
                let hash = code.hash(&self.code_key, Purpose::Reset, &user.id);
                let content = Content::ResetCode { code: code.as_str().to_owned(), minutes: GOOD.as_secs() / 60 };
                let new = NewCode { purpose: Purpose::Reset, user: user.id.clone(), hash, now };
                self.letter(&user, content, now)?.map(|letter| (new, letter))
            }
            None => None,
        };
        let answer = move |db: &mut Db| {
            let taken = diesel::delete(code_request::table.filter(code_request::id.eq(&wish))).execute(db)?;
            if let Some((code, letter)) = letter.as_ref().filter(|_| taken == 1)
                && codes::issue(db, code)?
            {
                mail::enqueue(db, letter)?;
            }
            Ok(())
        };
        self.database.write_in(Lane::Continuation, answer).await
    }

    async fn deliver(&self, due: Due) -> Result<(), AuthError> {
        let read = self.mail_seal.open(due.id.as_str(), &due.text);
        let sent = match read.and_then(|text| serde_json::from_str::<Letter>(&text).ok()) {
            Some(letter) => self.post.send(&letter, self.clock.now()).await,
            None => Err(PostError::Impossible("it was stored with another key".to_owned())),
        };
        let now = self.clock.now();
        match sent {
            Ok(()) => {
                let forget = move |db: &mut Db| mail::forget(db, &due.id);
                self.database.write_in(Lane::Continuation, forget).await
            }
            Err(error @ PostError::Impossible(_)) => {
                tracing::error!(mail = %due.id, %error, "a mail is given up");
                let forget = move |db: &mut Db| mail::forget(db, &due.id);
                self.database.write_in(Lane::Continuation, forget).await
            }
            Err(error) => {
                let (id, put_off) = (due.id.clone(), move |db: &mut Db| mail::put_off(db, &due, now));
                let goes_on: bool = self.database.write_in(Lane::Continuation, put_off).await?;
                tracing::warn!(mail = %id, %error, goes_on, "a mail did not leave");
                Ok(())
            }
        }
    }

    /// Mail that was not sent but kept for staff, newest first; `None` where mail is sent, or none leaves.
    pub(crate) fn kept_mail(&self) -> Option<Vec<KeptMail>> {
        self.post.kept()
    }
}

fn wishes(db: &mut Db) -> Done<Vec<Wish>> {
    let columns = (code_request::id, code_request::email);
    Ok(code_request::table.select(columns).order(code_request::id).limit(AT_ONCE).load(db)?)
}
