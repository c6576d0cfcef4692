//! A password that was forgotten or is changed, and the mail that goes with it.

use emporium_auth_api::{AuthError, Email, FindUser, SessionId, User, UserId};
use emporium_database::audit::Entry;
use emporium_database::prelude::*;
use emporium_database::{Db, Lane, idempotency, refuse};
use emporium_kernel::{Call, Outage, Timestamp};
use serde_json::json;

use crate::codes::{self, Code, GOOD, Given, Purpose};
use crate::factor::FactorCode;
use crate::mail::{self, Content, Due, KeptMail, Letter, MailId, PostError, Sealed, Waiting};
use crate::password::{NewPassword, Password};
use crate::schema::code_request;
use crate::sessions::{self, End};
use crate::throttle::{Admitted, Attempt};
use crate::{Done, Users, api_keys, enrolment, place, throttle, users};

/// Wishes that one round answers.
const AT_ONCE: i64 = 50;
/// Wishes that may wait; one more is told to come back.
const MOST_WAITING: i64 = 10_000;
/// How many codes one address may try, a minute: with six digits, a guess is right once in a million.
pub(crate) const TRIES_A_MINUTE: u32 = 10;

/// A wish for a code: the address it was made for, where, and when. There may be no such user.
type Wish = (String, String, i64);

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
        let (now, place) = (self.clock.now(), place::of(call.peer));
        self.registration_rate.take(&place, now)?;
        self.database.write(move |db| note(db, &email, &place, now)).await
    }

    /// Sets a new password for whoever has the code that was mailed. Every session and API key ends, and the user is told. Wrong codes
    /// make the next try wait, like wrong passwords, and whether or not there is such a user.
    pub(crate) async fn reset(
        &self,
        call: &Call,
        email: Email,
        code: Code,
        password: NewPassword,
    ) -> Result<(), AuthError> {
        let login = self.attempt(&email, call);
        self.code_rate.take(&login.place, login.now)?;
        // Five tries a code and six codes a day are for all strangers together.
        let attempt = Attempt { account: self.code_account_of(&email), apart: true, ..login.clone() };
        let admitted = self.admit(&attempt).await?;
        let wanted = FindUser::Email(email);
        let look = move |db: &mut Db| Ok((users::find(db, &wanted)?, throttle::is_known(db, &login)?));
        let (found, known) = match self.database.read::<_, AuthError, _>(look).await {
            Ok(looked) => looked,
            Err(error) => {
                // It was not tried.
                self.give_back(&attempt, &admitted).await?;
                return Err(error);
            }
        };
        let found = found.filter(|user| !user.disabled);
        let given = found.as_ref().map(|user| self.given(user, &code, known, attempt.now));
        let (tried, command) = (given.clone(), self.random.token::<16>());
        let right = self.database.write(move |db| try_code(db, tried.as_ref(), &attempt, &admitted, &command)).await?;
        let (Some(user), Some(given)) = (found.filter(|_| right), given) else { return Err(AuthError::InvalidCode) };
        let entry = self.entry(call, "password.reset", &json!({})).by(user.id.as_str());
        self.replace_password(entry, user, password, Ended::Every, move |db| codes::used(db, &given)).await
    }

    fn given(&self, user: &User, code: &Code, known: bool, now: Timestamp) -> Given {
        let hash = code.hash(&self.code_key, Purpose::Reset, user.id.as_str());
        Given { purpose: Purpose::Reset, user: user.id.clone(), known, hash, now }
    }

    /// Sets a new password for a user who knows the old one. Every other session ends, and the user is told.
    pub(crate) async fn change_password(
        &self,
        call: &Call,
        whose: (UserId, SessionId),
        (current, code): (Password, Option<FactorCode>),
        new: NewPassword,
    ) -> Result<(), AuthError> {
        let proof = self.prove(call, whose, current).await?;
        let showing = self.show_beside(call, &proof, code).await?;
        let (user, ended) = (proof.user.clone(), Ended::EveryBut(proof.session.clone()));
        let entry = self.entry(call, "password.changed", &json!({}));
        let allowed = move |db: &mut Db| {
            proof.holds(db)?;
            enrolment::require(db, &proof.user.id, showing.as_ref())
        };
        self.replace_password(entry, user, new, ended, allowed).await
    }

    /// Sets a password, when `allowed` finds in the same transaction that it may.
    async fn replace_password(
        &self,
        entry: Entry,
        user: User,
        password: NewPassword,
        ended: Ended,
        allowed: impl Fn(&mut Db) -> Done<()> + Send + 'static,
    ) -> Result<(), AuthError> {
        let email = Email::parse(&user.email).ok_or(Outage::Internal)?;
        self.password_rules.check(&password, &email, &user.name)?;
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
                Ended::Every => {
                    api_keys::revoke_all(db, &user.id, now)?;
                    sessions::end_all(db, &user.id, End::Password, now)
                }
                Ended::EveryBut(session) => sessions::end_others(db, &user.id, session, End::Password, now),
            }
        };
        self.change(entry, FindUser::Id(user.id), set).await.map(drop)
    }

    /// A letter to a user, ready to be stored; `None` where no mail leaves.
    pub(crate) fn letter(&self, user: &User, content: Content, now: Timestamp) -> Result<Option<Sealed>, AuthError> {
        // Erased users have no address.
        Email::parse(&user.email).map_or(Ok(None), |to| self.letter_to(to, content, now))
    }

    /// The same to an address that may be nobody's.
    pub(crate) fn letter_to(&self, to: Email, content: Content, now: Timestamp) -> Result<Option<Sealed>, AuthError> {
        if !self.post.is_open() {
            return Ok(None);
        }
        let letter = Letter { to, content };
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
            // One that cannot be answered keeps nobody else waiting; it ends by itself.
            if let Err(error) = self.answer(wish).await {
                tracing::warn!(%error, "a wish for a code was not answered");
            }
        }
        self.answer_claims().await?;
        let now = self.clock.now();
        if !self.database.read(mail::is_waiting).await? {
            return Ok(());
        }
        let command = self.random.token::<16>();
        let take = move |db: &mut Db| mail::take(db, &command, now);
        for due in self.database.write_in(Lane::Continuation, take).await? {
            self.deliver(due).await?;
        }
        Ok(())
    }

    /// Mail that did not leave yet.
    pub async fn waiting_mail(&self) -> Result<Waiting, AuthError> {
        self.database.read(mail::waiting).await
    }

    /// Sends a code to whoever asked for one, if there is such a user and none was sent a moment ago.
    async fn answer(&self, (email, place, at): Wish) -> Result<(), AuthError> {
        let now = self.clock.now();
        let found = match Email::parse(&email) {
            Some(parsed) => {
                let account = self.account_of(&parsed);
                let attempt = Attempt { account, place: place.clone(), apart: false, now };
                let look = move |db: &mut Db| {
                    Ok((users::find(db, &FindUser::Email(parsed))?, throttle::is_known(db, &attempt)?))
                };
                let (user, known) = self.database.read::<_, AuthError, _>(look).await?;
                user.filter(|user| !user.disabled).map(|user| (user, known))
            }
            None => None,
        };
        let letter = match found {
            Some((user, known)) => {
                let code = Code::new(&self.random);
                let (minutes, until) = (GOOD.as_secs() / 60, now.plus(GOOD));
                let content = Content::ResetCode { code: code.as_str().to_owned(), minutes, until };
                let given = self.given(&user, &code, known, now);
                self.letter(&user, content, now)?.map(|letter| (given, letter))
            }
            None => None,
        };
        let answer = move |db: &mut Db| {
            let wish = code_request::email.eq(&email).and(code_request::place.eq(&place));
            let wish = code_request::table.filter(code_request::purpose.eq(Purpose::Reset.name()).and(wish));
            let taken = diesel::delete(wish.filter(code_request::created_at.eq(at))).execute(db)?;
            if let Some((given, letter)) = letter.as_ref().filter(|_| taken == 1)
                && codes::issue(db, given)?
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
            Some(letter) if letter.is_over(self.clock.now()) => {
                Err(PostError::Impossible("it came too late".to_owned()))
            }
            Some(letter) => self.post.send(&letter, self.clock.now()).await,
            None => Err(PostError::Unreadable),
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

/// Notes a wish; one that waits already is noted anew.
fn note(db: &mut Db, email: &Email, place: &str, now: Timestamp) -> Done<()> {
    let wish = code_request::email.eq(email.as_str()).and(code_request::place.eq(place));
    let wish = code_request::table.filter(code_request::purpose.eq(Purpose::Reset.name()).and(wish));
    if diesel::update(wish).set(code_request::created_at.eq(now.micros())).execute(db)? == 1 {
        return Ok(());
    }
    let waiting: i64 = code_request::table.count().get_result(db)?;
    if waiting >= MOST_WAITING {
        return refuse(Outage::Busy);
    }
    let row = (
        code_request::purpose.eq(Purpose::Reset.name()),
        code_request::email.eq(email.as_str()),
        code_request::place.eq(place),
        code_request::created_at.eq(now.micros()),
    );
    diesel::insert_into(code_request::table).values(row).execute(db)?;
    Ok(())
}

/// What is noted of a try that was right.
const RIGHT: &str = "right";

/// Counts a try with a code, for nobody as well, and says whether it was right.
fn try_code(db: &mut Db, given: Option<&Given>, attempt: &Attempt, admitted: &Admitted, command: &str) -> Done<bool> {
    if let Some(outcome) = idempotency::noted(db, command)? {
        return Ok(outcome == RIGHT);
    }
    let right = match given {
        Some(given) => codes::attempt(db, given)?,
        None => false,
    };
    match right {
        true => throttle::forgive(db, &attempt.account)?,
        false => throttle::failed(db, attempt, admitted)?,
    }
    idempotency::note(db, command, if right { RIGHT } else { "wrong" }, attempt.now)?;
    Ok(right)
}

fn wishes(db: &mut Db) -> Done<Vec<Wish>> {
    let columns = (code_request::email, code_request::place, code_request::created_at);
    Ok(code_request::table.select(columns).order(code_request::created_at).limit(AT_ONCE).load(db)?)
}

/// Forgets wishes that nobody answered in the time that a code is good, and when codes were sent, after a day.
pub(crate) fn prune(db: &mut Db, now: Timestamp) -> Done<()> {
    let oldest = now.minus(GOOD).micros();
    diesel::delete(code_request::table.filter(code_request::created_at.lt(oldest))).execute(db)?;
    codes::prune(db, now)
}
