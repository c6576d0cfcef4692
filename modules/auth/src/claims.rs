//! Claims: addresses that somebody says are theirs, until the code that was mailed there proves it.

use std::time::Duration;

use emporium_auth_api::{AuthError, Email, User, UserId};
use emporium_database::prelude::*;
use emporium_database::{Db, Failure, refuse};
use emporium_kernel::{Outage, Timestamp};

use crate::Done;
use crate::codes::{BETWEEN, GOOD, MOST_TRIES, NONE};
use crate::mail::{self, Sealed};
use crate::schema::address_claim;

/// Mails to an address a day: that one place asks for, and that all do.
const MOST_A_DAY: i64 = 10;
const MOST_A_DAY_IN_ALL: i64 = 50;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Claims that may wait for their mail; one more is told to come back.
const MOST_WAITING: i64 = 10_000;
const AT_ONCE: i64 = 50;
const PRUNED_AT_ONCE: i64 = 500;

/// A claim as it is made.
#[derive(Clone)]
pub(crate) struct Claim {
    /// The hash of what the claimant is given.
    pub(crate) id: String,
    pub(crate) what: Claimed,
    pub(crate) email: Email,
    /// Where it is made.
    pub(crate) place: String,
    pub(crate) now: Timestamp,
}

/// What a proof leads to.
#[derive(Clone)]
pub(crate) enum Claimed {
    /// A new user.
    Registration { name: String, password_hash: String },
    /// Another address for a user.
    Change { user: UserId },
}

/// A claim that waits for its mail.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) id: String,
    pub(crate) email: Email,
    place: String,
}

/// Notes a claim; doing it again changes nothing.
pub(crate) fn note(db: &mut Db, claim: &Claim) -> Done<()> {
    if is_there(db, &claim.id)? {
        return Ok(());
    }
    let waiting: i64 = address_claim::table.filter(address_claim::answered.eq(0)).count().get_result(db)?;
    if waiting >= MOST_WAITING {
        return refuse(Outage::Busy);
    }
    let (user, name, password_hash) = match &claim.what {
        Claimed::Registration { name, password_hash } => (None, Some(name.as_str()), Some(password_hash.as_str())),
        Claimed::Change { user } => (Some(user.as_str()), None, None),
    };
    let row = (
        address_claim::id.eq(&claim.id),
        address_claim::user_id.eq(user),
        address_claim::email.eq(claim.email.as_str()),
        address_claim::name.eq(name),
        address_claim::password_hash.eq(password_hash),
        address_claim::place.eq(&claim.place),
        address_claim::code_hash.eq(NONE),
        address_claim::answered.eq(0),
        address_claim::tries.eq(0),
        address_claim::created_at.eq(claim.now.micros()),
        address_claim::expires_at.eq(claim.now.plus(GOOD).micros()),
    );
    diesel::insert_into(address_claim::table).values(row).execute(db)?;
    Ok(())
}

/// Claims whose mail is to be sent, the oldest first.
pub(crate) fn waiting(db: &mut Db, now: Timestamp) -> Done<Vec<Waiting>> {
    let open = address_claim::answered.eq(0).and(address_claim::expires_at.gt(now.micros()));
    let rows: Vec<(String, String, String)> = address_claim::table
        .filter(open)
        .select((address_claim::id, address_claim::email, address_claim::place))
        .order(address_claim::created_at)
        .limit(AT_ONCE)
        .load(db)?;
    let read = |(id, email, place): (String, String, String)| match Email::parse(&email) {
        Some(email) => Some(Waiting { id, email, place }),
        None => {
            tracing::error!(claim = %id, "a claim has no address that can be read; it ends by itself");
            None
        }
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Mails to an address since then.
fn mailed(db: &mut Db, claim: &Waiting, place: Option<&str>, since: Timestamp) -> Done<i64> {
    let to = address_claim::email.eq(claim.email.as_str()).and(address_claim::mailed_at.gt(since.micros()));
    let mails = address_claim::table.filter(to);
    Ok(match place {
        Some(place) => mails.filter(address_claim::place.eq(place)).count().get_result(db)?,
        None => mails.count().get_result(db)?,
    })
}

/// Sends the mail of a claim, with the code that proves it or with the word that the address is somebody's already;
/// none, when the address got one a moment ago, or ten today.
pub(crate) fn answer(
    db: &mut Db,
    claim: &Waiting,
    code_hash: Option<&str>,
    letter: &Sealed,
    now: Timestamp,
) -> Done<()> {
    let open = address_claim::table.find(&claim.id).filter(address_claim::answered.eq(0));
    let open = open.filter(address_claim::expires_at.gt(now.micros()));
    if diesel::update(open).set(address_claim::answered.eq(1)).execute(db)? == 0 {
        return Ok(());
    }
    let here = Some(claim.place.as_str());
    let enough = mailed(db, claim, here, now.minus(BETWEEN))? > 0
        || mailed(db, claim, here, now.minus(DAY))? >= MOST_A_DAY
        || mailed(db, claim, None, now.minus(DAY))? >= MOST_A_DAY_IN_ALL;
    if enough {
        return Ok(());
    }
    let set = (
        address_claim::code_hash.eq(code_hash.unwrap_or(NONE)),
        address_claim::mailed_at.eq(now.micros()),
        address_claim::expires_at.eq(now.plus(GOOD).micros()),
    );
    diesel::update(address_claim::table.find(&claim.id)).set(set).execute(db)?;
    mail::enqueue(db, letter)
}

/// Counts a try with a code; what the claim was, and its end, when it was right. Which of many tries at the same moment
/// are counted the row decides.
pub(crate) fn prove(db: &mut Db, id: &str, hash: &str, now: Timestamp) -> Done<Option<(Claimed, Email)>> {
    let good = address_claim::code_hash.ne(NONE).and(address_claim::expires_at.gt(now.micros()));
    let good = address_claim::table.find(id).filter(good.and(address_claim::tries.lt(MOST_TRIES)));
    if diesel::update(good).set(address_claim::tries.eq(address_claim::tries + 1)).execute(db)? == 0 {
        return Ok(None);
    }
    let right = address_claim::table.find(id).filter(address_claim::code_hash.eq(hash));
    type Row = (Option<String>, String, Option<String>, Option<String>);
    let columns = (address_claim::user_id, address_claim::email, address_claim::name, address_claim::password_hash);
    let row: Option<Row> = right.select(columns).first(db).optional()?;
    let Some((user, email, name, password_hash)) = row else { return Ok(None) };
    diesel::delete(address_claim::table.find(id)).execute(db)?;
    let what = match (user, name.zip(password_hash)) {
        (Some(user), _) => Claimed::Change { user: UserId::stored(user) },
        (None, Some((name, password_hash))) => Claimed::Registration { name, password_hash },
        (None, None) => return refuse(AuthError::InvalidCode),
    };
    let email = Email::parse(&email).ok_or_else(|| Failure::corrupt(format!("claim {id}")))?;
    Ok(Some((what, email)))
}

/// Whether a claim is there, proved by nobody yet.
fn is_there(db: &mut Db, id: &str) -> Done<bool> {
    let found: i64 = address_claim::table.filter(address_claim::id.eq(id)).count().get_result(db)?;
    Ok(found > 0)
}

/// Forgets the claims of a user, and those to the user's address.
pub(crate) fn remove_of(db: &mut Db, user: &User) -> Done<()> {
    let of = address_claim::user_id.eq(user.id.as_str()).or(address_claim::email.eq(&user.email).nullable());
    diesel::delete(address_claim::table.filter(of)).execute(db)?;
    Ok(())
}

/// Forgets what can be proved no more; how often an address was written to is remembered for a day.
pub(crate) fn prune(db: &mut Db, now: Timestamp) -> Done<()> {
    let told = address_claim::password_hash.is_not_null().or(address_claim::answered.eq(0));
    let over = address_claim::expires_at.lt(now.micros()).and(told);
    let nothing = (
        address_claim::name.eq(None::<String>),
        address_claim::password_hash.eq(None::<String>),
        address_claim::answered.eq(1),
    );
    diesel::update(address_claim::table.filter(over)).set(nothing).execute(db)?;
    let old: Vec<String> = address_claim::table
        .filter(address_claim::created_at.lt(now.minus(DAY).micros()))
        .select(address_claim::id)
        .limit(PRUNED_AT_ONCE)
        .load(db)?;
    diesel::delete(address_claim::table.filter(address_claim::id.eq_any(old))).execute(db)?;
    Ok(())
}
