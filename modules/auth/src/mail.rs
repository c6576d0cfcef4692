//! Mail: what was decided to be sent waits in the database and is sent from there, again and again until a server takes it.

mod letter;
mod post;

use std::time::Duration;

use emporium_auth_api::AuthError;
use emporium_database::prelude::*;
use emporium_database::{Db, idempotency};
use emporium_kernel::{Timestamp, id};

pub(crate) use letter::{Content, Letter};
pub use post::KeptMail;
pub(crate) use post::{Post, PostError};

use crate::Done;
use crate::schema::mail;

id!(
    /// Names a mail.
    MailId = "mai"
);

/// Tries before a mail is given up: the last comes some eleven hours after the first.
const MOST_ATTEMPTS: i64 = 14;
/// How long nobody else tries what is being sent.
const LEASE: Duration = Duration::from_secs(5 * 60);
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// How many are sent in one round.
const AT_ONCE: i64 = 20;

/// Mail that did not leave yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// All of it.
    pub all: i64,
    /// What was tried already.
    pub in_vain: i64,
}

/// A mail as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) id: MailId,
    /// To whom and what.
    pub(crate) text: String,
    pub(crate) now: Timestamp,
}

/// Stores a mail, to be sent when this transaction is committed; doing it again changes nothing.
pub(crate) fn enqueue(db: &mut Db, sealed: &Sealed) -> Done<()> {
    let there: i64 = mail::table.filter(mail::id.eq(sealed.id.as_str())).count().get_result(db)?;
    if there == 0 {
        let row = (
            mail::id.eq(sealed.id.as_str()),
            mail::sealed.eq(&sealed.text),
            mail::attempts.eq(0),
            mail::due_at.eq(sealed.now.micros()),
            mail::created_at.eq(sealed.now.micros()),
        );
        diesel::insert_into(mail::table).values(row).execute(db)?;
    }
    Ok(())
}

/// A mail that is to be sent now, and by nobody else.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) id: MailId,
    pub(crate) text: String,
    attempts: i64,
}

/// Takes what is due; done again as the same `command`, what it took before.
pub(crate) fn take(db: &mut Db, command: &str, now: Timestamp) -> Done<Vec<Due>> {
    let lease = now.plus(LEASE).micros();
    let columns = (mail::id, mail::sealed, mail::attempts, mail::due_at);
    if idempotency::was_applied(db, command)? {
        let ours = mail::table.filter(mail::due_at.eq(lease)).select(columns).order(mail::id);
        let rows: Vec<(String, String, i64, i64)> = ours.load(db)?;
        let due = |(id, text, attempts, _)| Due { id: MailId::stored(id), text, attempts };
        return Ok(rows.into_iter().map(due).collect());
    }
    let due = mail::table.filter(mail::due_at.le(now.micros())).select(columns);
    let rows: Vec<(String, String, i64, i64)> = due.order((mail::due_at, mail::id)).limit(AT_ONCE).load(db)?;
    let mut taken = Vec::new();
    for (id, text, attempts, due_at) in rows {
        let ours = mail::table.find(&id).filter(mail::due_at.eq(due_at));
        let leased = (mail::due_at.eq(lease), mail::attempts.eq(attempts + 1));
        if diesel::update(ours).set(leased).execute(db)? == 1 {
            taken.push(Due { id: MailId::stored(id), text, attempts: attempts + 1 });
        }
    }
    if !taken.is_empty() {
        idempotency::already_applied::<AuthError>(db, command, now)?;
    }
    Ok(taken)
}

/// Forgets a mail that was sent or given up.
pub(crate) fn forget(db: &mut Db, id: &MailId) -> Done<()> {
    diesel::delete(mail::table.find(id.as_str())).execute(db)?;
    Ok(())
}

/// Puts off a mail that no server took, twice as long each time; `false` when it is given up.
pub(crate) fn put_off(db: &mut Db, due: &Due, now: Timestamp) -> Done<bool> {
    if due.attempts >= MOST_ATTEMPTS {
        return forget(db, &due.id).map(|()| false);
    }
    let doublings = u32::try_from(due.attempts - 1).unwrap_or(0).min(16);
    let next = now.plus(FIRST_PAUSE * 2_u32.pow(doublings)).micros();
    diesel::update(mail::table.find(due.id.as_str())).set(mail::due_at.eq(next)).execute(db)?;
    Ok(true)
}

/// Whether any waits.
pub(crate) fn is_waiting(db: &mut Db) -> Done<bool> {
    let first: Option<String> = mail::table.select(mail::id).first(db).optional()?;
    Ok(first.is_some())
}

/// How many wait, and how many of them no server took so far.
pub(crate) fn waiting(db: &mut Db) -> Done<Waiting> {
    let all: i64 = mail::table.count().get_result(db)?;
    let in_vain: i64 = mail::table.filter(mail::attempts.gt(0)).count().get_result(db)?;
    Ok(Waiting { all, in_vain })
}
