//! Sessions: one login and the refresh tokens that followed from it, one good at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use emporium_auth_api::{AuthError, FindUser, Grant, SessionId, User, UserId};
use emporium_database::prelude::*;
use emporium_database::{Db, pair, refuse};
use emporium_kernel::{Page, Timestamp, Window};

use crate::Done;
use crate::enrolment::{self, Showing};
use crate::schema::sessions;
use crate::users::{self, Credentials};

/// How long an ended session is kept, for those who look into what happened.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const PRUNED_AT_ONCE: i64 = 500;
/// Sessions of one user, at most: the oldest ends when one more begins. Who had more loses some 900 with each login.
const MOST: usize = 100;
/// Sessions that are looked at with each login.
const LOOKED_AT: i64 = 1_000;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The user logged out, or an admin did so, or the user logged in too often since.
    Logout,
    /// A refresh token was used again.
    Reuse,
    /// The user was disabled.
    Disabled,
    /// The password was set.
    Password,
}

impl End {
    fn name(self) -> &'static str {
        match self {
            End::Logout => "logout",
            End::Reuse => "reuse",
            End::Disabled => "disabled",
            End::Password => "password",
        }
    }
}

/// A session to be, after a password was found right.
#[derive(Clone)]
pub(crate) struct NewSession {
    pub(crate) id: SessionId,
    /// What the password was checked against, and a stronger hash if there is one.
    pub(crate) checked: Credentials,
    pub(crate) stronger: Option<String>,
    /// The second factor that was shown.
    pub(crate) shown: Option<Showing>,
    pub(crate) refresh_hash: String,
    pub(crate) now: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// How long a session may be left alone.
    pub(crate) idle: Duration,
}

/// Begins a session, unless the user was disabled or the password changed since it was checked; and which ones ended for it.
pub(crate) fn begin(db: &mut Db, new: &NewSession) -> Done<(Granted, Vec<String>)> {
    if !users::confirm(db, &new.checked, new.stronger.as_deref())? {
        return refuse(AuthError::InvalidCredentials);
    }
    let mut ended = Vec::new();
    let begun: i64 = sessions::table.filter(sessions::id.eq(new.id.as_str())).count().get_result(db)?;
    if begun == 0 {
        enrolment::require(db, &new.checked.user, new.shown.as_ref())?;
        ended = make_room(db, new)?;
        let row = (
            sessions::id.eq(new.id.as_str()),
            sessions::user_id.eq(new.checked.user.as_str()),
            sessions::refresh_hash.eq(&new.refresh_hash),
            sessions::rotated_at.eq(new.now.micros()),
            sessions::created_at.eq(new.now.micros()),
            sessions::expires_at.eq(new.expires_at.micros()),
            sessions::proved.eq(i32::from(new.shown.is_some())),
        );
        diesel::insert_into(sessions::table).values(row).execute(db)?;
    }
    match granted(db, new.checked.user.clone(), new.expires_at, &new.id)? {
        Some(granted) => Ok((granted, ended)),
        None => refuse(AuthError::InvalidCredentials),
    }
}

/// Ends the sessions of a user that expired or were left alone for too long, and of the others the oldest, so that there is
/// room for one more; which ones. The user is locked.
fn make_room(db: &mut Db, new: &NewSession) -> Done<Vec<String>> {
    let (now, oldest) = (new.now.micros(), new.now.minus(new.idle).micros());
    let kept =
        sessions::table.filter(sessions::user_id.eq(new.checked.user.as_str()).and(sessions::ended_at.is_null()));
    let newest = kept.order((sessions::created_at.desc(), sessions::id.desc())).limit(LOOKED_AT);
    let rows: Vec<(String, i64, i64)> =
        newest.select((sessions::id, sessions::expires_at, sessions::rotated_at)).load(db)?;
    let is_live = |(_, expires_at, rotated_at): &(String, i64, i64)| *expires_at > now && *rotated_at > oldest;
    let (live, mut surplus): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_live);
    surplus.extend(live.into_iter().skip(MOST - 1));
    let ids: Vec<String> = surplus.into_iter().map(|(id, ..)| id).collect();
    let end = (sessions::ended_at.eq(now), sessions::end_reason.eq(End::Logout.name()));
    // One that ended since it was read keeps its reason.
    let still = sessions::id.eq_any(&ids).and(sessions::ended_at.is_null());
    diesel::update(sessions::table.filter(still)).set(end).execute(db)?;
    Ok(ids)
}

/// Notes that a second factor was shown in a session.
pub(crate) fn set_proved(db: &mut Db, id: &SessionId) -> Done<()> {
    diesel::update(sessions::table.find(id.as_str())).set(sessions::proved.eq(1)).execute(db)?;
    Ok(())
}

/// Forgets in every session of a user that has not ended that a second factor was shown.
pub(crate) fn unprove_all(db: &mut Db, user: &UserId) -> Done<()> {
    let all = sessions::table.filter(sessions::user_id.eq(user.as_str()).and(sessions::ended_at.is_null()));
    diesel::update(all).set(sessions::proved.eq(0)).execute(db)?;
    Ok(())
}

/// A user who may have an access token, as of this version.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) user: User,
    pub(crate) version: i64,
    /// When the session ends, and every token of it.
    pub(crate) until: Timestamp,
    /// Whether a second factor was shown in the session.
    pub(crate) proved: bool,
}

/// `None` when the user is disabled. The version is read first: a change that comes between makes the token one that
/// is refused, never one that says what is true no longer.
fn granted(db: &mut Db, id: UserId, until: Timestamp, session: &SessionId) -> Done<Option<Granted>> {
    let version = users::version(db, &id)?;
    let proved: Option<i32> = sessions::table.find(session.as_str()).select(sessions::proved).first(db).optional()?;
    let proved = proved == Some(1);
    let user = users::find(db, &FindUser::Id(id))?.filter(|user| !user.disabled);
    Ok(version.zip(user).map(|(version, user)| Granted { user, version, until, proved }))
}

/// Whether what was granted has been taken back. What auth never heard of, or has forgotten, was not.
pub(crate) fn is_revoked(db: &mut Db, grant: &Grant) -> Done<bool> {
    let ended: i64 = sessions::table
        .filter(sessions::id.eq(grant.session.as_str()).and(sessions::ended_at.is_not_null()))
        .count()
        .get_result(db)?;
    Ok(ended > 0 || users::version(db, &grant.user)?.is_some_and(|version| version != grant.version))
}

/// A refresh token that was offered, and the one that is to follow it.
#[derive(Clone)]
pub(crate) struct Rotation {
    pub(crate) session: SessionId,
    pub(crate) offered: String,
    pub(crate) next: String,
    /// Whether we made the offered token.
    pub(crate) ours: bool,
    pub(crate) now: Timestamp,
    pub(crate) idle: Duration,
    pub(crate) grace: Duration,
    /// Whether it was done before and only its commit is in doubt: what a command then finds done in its own instant, it
    /// did itself.
    pub(crate) done: Arc<AtomicBool>,
}

/// What became of an offered refresh token.
#[derive(Debug)]
pub(crate) enum Rotated {
    /// The next token is good now.
    To(Granted),
    /// It was used before; its session has been ended.
    Reused,
    /// It is not good, and nothing was changed.
    Refused,
}

/// Moves a session to the next refresh token. One statement decides which of several requests does so; the others
/// find it done and answer with the same token while the grace lasts.
pub(crate) fn rotate(db: &mut Db, rotation: &Rotation) -> Done<Rotated> {
    let oldest = rotation.now.minus(rotation.idle).micros();
    let moved = diesel::update(live(rotation).filter(sessions::refresh_hash.eq(&rotation.offered)))
        .filter(sessions::rotated_at.gt(oldest))
        .set((
            sessions::refresh_hash.eq(&rotation.next),
            sessions::previous_hash.eq(&rotation.offered),
            sessions::rotated_at.eq(rotation.now.micros()),
        ))
        .execute(db)?;
    let row: Option<(String, String, Option<String>, i64, i64)> = live(rotation)
        .select((
            sessions::user_id,
            sessions::refresh_hash,
            sessions::previous_hash,
            sessions::rotated_at,
            sessions::expires_at,
        ))
        .first(db)
        .optional()?;
    let Some((user, current, previous, rotated_at, until)) = row else { return Ok(Rotated::Refused) };
    let age = rotation.now.since(Timestamp::from_micros(rotated_at));
    let just_used = previous.as_deref() == Some(&rotation.offered) && current == rotation.next;
    // This very command may be run again, because it was not known whether its commit went through.
    let again = rotation.done.load(Ordering::Relaxed) && rotated_at == rotation.now.micros();
    rotation.done.fetch_or(moved > 0, Ordering::Relaxed);
    if moved == 0 && !(just_used && (age < rotation.grace || again)) {
        return refused(db, rotation, &current);
    }
    match granted(db, UserId::stored(user), Timestamp::from_micros(until), &rotation.session)? {
        Some(granted) => Ok(Rotated::To(granted)),
        None => {
            end(db, &rotation.session, End::Disabled, rotation.now)?;
            Ok(Rotated::Refused)
        }
    }
}

/// A token of ours that is not the current one was used before: whoever holds it, somebody stole one of the two.
fn refused(db: &mut Db, rotation: &Rotation, current: &str) -> Done<Rotated> {
    if rotation.ours && current != rotation.offered {
        end(db, &rotation.session, End::Reuse, rotation.now)?;
        return Ok(Rotated::Reused);
    }
    Ok(Rotated::Refused)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn live<'a>(rotation: &'a Rotation) -> _ {
    let id: &'a str = rotation.session.as_str();
    let now: i64 = rotation.now.micros();
    sessions::table
        .filter(sessions::id.eq(id))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now))
}

/// Ends a session; one that has ended stays as it is.
pub(crate) fn end(db: &mut Db, id: &SessionId, why: End, now: Timestamp) -> Done<()> {
    diesel::update(sessions::table.filter(sessions::id.eq(id.as_str()).and(sessions::ended_at.is_null())))
        .set((sessions::ended_at.eq(now.micros()), sessions::end_reason.eq(why.name())))
        .execute(db)?;
    Ok(())
}

/// Ends a session for the holder of one of its refresh tokens: one we made, or the current one.
pub(crate) fn leave(db: &mut Db, id: &SessionId, offered: &str, ours: bool, now: Timestamp) -> Done<()> {
    let current: i64 = sessions::table
        .filter(sessions::id.eq(id.as_str()).and(sessions::refresh_hash.eq(offered)))
        .count()
        .get_result(db)?;
    if ours || current > 0 { end(db, id, End::Logout, now) } else { Ok(()) }
}

/// Whose sessions, and which of them have not ended: they were neither ended nor left alone for too long.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) user: UserId,
    pub(crate) now: Timestamp,
    pub(crate) idle: Duration,
}

/// A session that has not ended.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) created_at: Timestamp,
    pub(crate) refreshed_at: Timestamp,
    /// When it ends unless it is refreshed before.
    pub(crate) expires_at: Timestamp,
}

#[diesel::dsl::auto_type(no_type_alias)]
fn live_of<'a>(live: &'a Live) -> _ {
    let (user, now, oldest): (&'a str, i64, i64) =
        (live.user.as_str(), live.now.micros(), live.now.minus(live.idle).micros());
    sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now))
        .filter(sessions::rotated_at.gt(oldest))
}

/// A page of a user's sessions, newest first.
pub(crate) fn list(db: &mut Db, live: &Live, window: &Window) -> Done<Page<Session>> {
    let columns = (sessions::id, sessions::created_at, sessions::rotated_at, sessions::expires_at);
    // Before everything that can be stored when no place is given.
    let (at, id) = window.after.as_ref().map_or((i64::MAX, ""), |after| (after.0.0, after.0.1.as_str()));
    let follows = pair(sessions::created_at, sessions::id).lt((at, id));
    let rows: Vec<(String, i64, i64, i64)> = live_of(live)
        .filter(follows)
        .select(columns)
        .order((sessions::created_at.desc(), sessions::id.desc()))
        .limit(window.limit.probe())
        .load(db)?;
    let read = |(id, created_at, rotated_at, expires_at): (String, i64, i64, i64)| {
        let refreshed_at = Timestamp::from_micros(rotated_at);
        Session {
            id: SessionId::stored(id),
            created_at: Timestamp::from_micros(created_at),
            refreshed_at,
            expires_at: Timestamp::from_micros(expires_at).min(refreshed_at.plus(live.idle)),
        }
    };
    let sessions = rows.into_iter().map(read).collect();
    Ok(Page::of(sessions, window.limit, |session| (session.created_at.micros(), session.id.to_string())))
}

/// Ends one session of a user; `false` when the user has no such session. Doing it again changes nothing.
pub(crate) fn end_one(db: &mut Db, live: &Live, id: &SessionId, why: End) -> Done<bool> {
    let end = (live.now.micros(), why.name());
    let own = live_of(live).filter(sessions::id.eq(id.as_str()));
    diesel::update(own).set((sessions::ended_at.eq(end.0), sessions::end_reason.eq(end.1))).execute(db)?;
    let ended: i64 = sessions::table
        .filter(sessions::id.eq(id.as_str()).and(sessions::user_id.eq(live.user.as_str())))
        .filter(sessions::ended_at.eq(end.0).and(sessions::end_reason.eq(end.1)))
        .count()
        .get_result(db)?;
    Ok(ended > 0)
}

/// Ends all sessions of a user.
pub(crate) fn end_all(db: &mut Db, user: &UserId, why: End, now: Timestamp) -> Done<()> {
    diesel::update(sessions::table.filter(sessions::user_id.eq(user.as_str()).and(sessions::ended_at.is_null())))
        .set((sessions::ended_at.eq(now.micros()), sessions::end_reason.eq(why.name())))
        .execute(db)?;
    Ok(())
}

/// Whether a session has neither ended nor expired.
pub(crate) fn is_live(db: &mut Db, id: &SessionId, now: Timestamp) -> Done<bool> {
    let live = sessions::ended_at.is_null().and(sessions::expires_at.gt(now.micros()));
    let found: i64 = sessions::table.filter(sessions::id.eq(id.as_str()).and(live)).count().get_result(db)?;
    Ok(found > 0)
}

/// Ends all sessions of a user but one.
pub(crate) fn end_others(db: &mut Db, user: &UserId, kept: &SessionId, why: End, now: Timestamp) -> Done<()> {
    let others = sessions::user_id.eq(user.as_str()).and(sessions::id.ne(kept.as_str()));
    diesel::update(sessions::table.filter(others.and(sessions::ended_at.is_null())))
        .set((sessions::ended_at.eq(now.micros()), sessions::end_reason.eq(why.name())))
        .execute(db)?;
    Ok(())
}

/// Forgets sessions that ended or expired more than 30 days ago, at most 500 of each at once.
pub(crate) fn prune(db: &mut Db, now: Timestamp) -> Done<usize> {
    let oldest = now.minus(KEPT).micros();
    let mut old: Vec<String> =
        sessions::table.filter(sessions::ended_at.lt(oldest)).select(sessions::id).limit(PRUNED_AT_ONCE).load(db)?;
    let expired: Vec<String> =
        sessions::table.filter(sessions::expires_at.lt(oldest)).select(sessions::id).limit(PRUNED_AT_ONCE).load(db)?;
    old.extend(expired);
    Ok(diesel::delete(sessions::table.filter(sessions::id.eq_any(old))).execute(db)?)
}
