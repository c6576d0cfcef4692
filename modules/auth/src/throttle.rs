//! Wrong passwords: each makes the next try wait longer, so that guessing takes for ever.
//!
//! Failures count by account and place, and for all places together from which nobody ever logged in to the account. A
//! stranger elsewhere can therefore make strangers wait, and not the owner where the owner was before. An account need not exist:
//! whether it does cannot be told from how long one has to wait.

use std::time::Duration;

use emporium_auth_api::AuthError;
use emporium_database::prelude::*;
use emporium_database::{Db, overtaken, refuse};
use emporium_kernel::Timestamp;

use crate::Done;
use crate::schema::{known_place, login_failure};

/// Failures in a row at one place that cost nothing.
const FREE: i64 = 5;
/// Passwords that are tried at the same moment at one place, at most: one fewer may be wrong beyond [`FREE`].
pub(crate) const AT_ONCE: usize = 4;
/// Failures in a row at all unknown places together that cost nothing.
const FREE_ELSEWHERE: i64 = 20;
/// So many failures in a row stop a place, or all unknown ones, until the owner logs in from another one or sets a new
/// password (NIST SP 800-63B-4 section 3.2.2).
const MOST: i64 = 100;
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// How long failures are remembered after the last one, where they did not stop anybody.
const FORGIVEN: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a place is known after the last login.
const KNOWN: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// A place that was noted less long ago is not noted again.
const NOTED: Duration = Duration::from_secs(24 * 60 * 60);
/// All unknown places together.
const ELSEWHERE: &str = "";
const PRUNED_AT_ONCE: i64 = 500;

/// A try to log in.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// Keyed hash of the address.
    pub(crate) account: String,
    /// Where from.
    pub(crate) place: String,
    /// Whether it counts at its place alone, and not for all unknown places together: where something else bounds how
    /// often they may try.
    pub(crate) apart: bool,
    pub(crate) now: Timestamp,
}

/// A try that may be made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Admitted {
    /// Whether somebody logged in from there before.
    known: bool,
    /// Counters that have counted it as a failure already, because only one may try at a time, and when the last one before
    /// was.
    claimed: Vec<(&'static str, i64)>,
}

impl Admitted {
    fn has_claimed(&self, counter: &str) -> bool {
        self.claimed.iter().any(|(name, _)| *name == counter)
    }
}

/// How long after the last of `failures` in a row nobody may try.
fn pause(failures: i64, free: i64) -> Duration {
    match u32::try_from(failures - free) {
        Ok(more) => Duration::from_secs(1_u64.checked_shl(more.min(32)).unwrap_or(u64::MAX)).min(LONGEST),
        Err(_) => Duration::ZERO,
    }
}

/// Lets a try through that nothing is against; `None` when [`admit`] has to decide.
pub(crate) fn look(db: &mut Db, attempt: &Attempt) -> Done<Option<Admitted>> {
    let known = is_known(db, attempt)?;
    for (_, place, free) in counters(attempt, known) {
        if counted(db, attempt, place)?.is_some_and(|(failures, _)| failures >= free) {
            return Ok(None);
        }
    }
    Ok(Some(Admitted { known, claimed: Vec::new() }))
}

/// Lets a try through, or says how long to wait. Of tries that had to wait, only one at a time goes on.
pub(crate) fn admit(db: &mut Db, attempt: &Attempt) -> Done<Admitted> {
    let known = is_known(db, attempt)?;
    let mut admitted = Admitted { known, claimed: Vec::new() };
    for (name, place, free) in counters(attempt, known) {
        let Some((failures, last_at)) = counted(db, attempt, place)? else { continue };
        if failures >= MOST {
            return wait(FORGIVEN);
        }
        let waited = attempt.now.since(Timestamp::from_micros(last_at));
        let left = pause(failures, free).saturating_sub(waited);
        if !left.is_zero() {
            return wait(left);
        }
        if failures >= free {
            let seen = row(attempt, place).filter(login_failure::failures.eq(failures));
            let claim = (login_failure::failures.eq(failures + 1), login_failure::last_at.eq(attempt.now.micros()));
            if diesel::update(seen).set(claim).execute(db)? == 0 {
                return overtaken();
            }
            admitted.claimed.push((name, last_at));
        }
    }
    Ok(admitted)
}

/// Counts a try as a failure before it is made, or says how long to wait: of many at the same moment each is counted.
pub(crate) fn claim(db: &mut Db, attempt: &Attempt) -> Done<()> {
    for place in [attempt.place.as_str(), ELSEWHERE] {
        // From here on nobody else counts there until this transaction ends.
        diesel::update(row(attempt, place)).set(login_failure::failures.eq(login_failure::failures)).execute(db)?;
    }
    let admitted = admit(db, attempt)?;
    failed(db, attempt, &admitted)
}

/// Takes back what [`admit`] counted for a try that was not made, or was right but did not lead to anything yet: it has to
/// wait no longer than before.
pub(crate) fn give_back(db: &mut Db, attempt: &Attempt, admitted: &Admitted) -> Done<()> {
    for (name, place, _) in counters(attempt, admitted.known) {
        let Some((_, before)) = admitted.claimed.iter().find(|(claimed, _)| *claimed == name) else { continue };
        // When there is only one, somebody has logged in since, and it is not ours.
        let counted = row(attempt, place).filter(login_failure::failures.gt(1));
        diesel::update(counted).set(login_failure::failures.eq(login_failure::failures - 1)).execute(db)?;
        let ours = row(attempt, place).filter(login_failure::last_at.eq(attempt.now.micros()));
        diesel::update(ours).set(login_failure::last_at.eq(before)).execute(db)?;
    }
    Ok(())
}

fn wait<T>(left: Duration) -> Done<T> {
    let retry_after_secs = u32::try_from(left.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    refuse(AuthError::TooManyAttempts { retry_after_secs })
}

/// The counters that a try counts for: their name, place, and how many failures cost nothing.
fn counters(attempt: &Attempt, known: bool) -> impl Iterator<Item = (&'static str, &str, i64)> {
    let elsewhere = (!known && !attempt.apart).then_some(("elsewhere", ELSEWHERE, FREE_ELSEWHERE));
    [("place", attempt.place.as_str(), FREE)].into_iter().chain(elsewhere)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn row<'a>(attempt: &'a Attempt, place: &'a str) -> _ {
    let account: &'a str = attempt.account.as_str();
    login_failure::table.filter(login_failure::account.eq(account).and(login_failure::place.eq(place)))
}

fn counted(db: &mut Db, attempt: &Attempt, place: &str) -> Done<Option<(i64, i64)>> {
    Ok(row(attempt, place).select((login_failure::failures, login_failure::last_at)).first(db).optional()?)
}

/// Whether somebody logged in to the account from there before.
pub(crate) fn is_known(db: &mut Db, attempt: &Attempt) -> Done<bool> {
    let here = known_place::account.eq(&attempt.account).and(known_place::place.eq(&attempt.place));
    let known: i64 = known_place::table.filter(here).count().get_result(db)?;
    Ok(known > 0)
}

/// Counts a wrong password.
pub(crate) fn failed(db: &mut Db, attempt: &Attempt, admitted: &Admitted) -> Done<()> {
    for (name, place, _) in counters(attempt, admitted.known) {
        if admitted.has_claimed(name) {
            continue;
        }
        let more =
            (login_failure::failures.eq(login_failure::failures + 1), login_failure::last_at.eq(attempt.now.micros()));
        if diesel::update(row(attempt, place)).set(more).execute(db)? == 0 {
            let first = (
                login_failure::account.eq(&attempt.account),
                login_failure::place.eq(place),
                login_failure::failures.eq(1),
                login_failure::last_at.eq(attempt.now.micros()),
            );
            diesel::insert_into(login_failure::table).values(first).execute(db)?;
        }
    }
    Ok(())
}

/// Forgets the failures that counted for a try that succeeded, and remembers where it came from.
pub(crate) fn succeeded(db: &mut Db, attempt: &Attempt) -> Done<()> {
    for place in [attempt.place.as_str(), ELSEWHERE] {
        diesel::delete(row(attempt, place)).execute(db)?;
    }
    let here = known_place::account.eq(&attempt.account).and(known_place::place.eq(&attempt.place));
    let noted: Option<i64> = known_place::table.filter(here).select(known_place::last_at).first(db).optional()?;
    let now = attempt.now.micros();
    match noted {
        None => {
            let row = (
                known_place::account.eq(&attempt.account),
                known_place::place.eq(&attempt.place),
                known_place::last_at.eq(now),
            );
            diesel::insert_into(known_place::table).values(row).execute(db)?;
        }
        Some(at) if at < attempt.now.minus(NOTED).micros() => {
            let here = known_place::account.eq(&attempt.account).and(known_place::place.eq(&attempt.place));
            diesel::update(known_place::table.filter(here)).set(known_place::last_at.eq(now)).execute(db)?;
        }
        Some(_) => {}
    }
    Ok(())
}

/// Forgets all failures of an account: its owner has proved to be it in another way.
pub(crate) fn forgive(db: &mut Db, account: &str) -> Done<()> {
    diesel::delete(login_failure::table.filter(login_failure::account.eq(account))).execute(db)?;
    Ok(())
}

/// Forgets everything of an account, the places where its owner was included.
pub(crate) fn forget(db: &mut Db, account: &str) -> Done<()> {
    forgive(db, account)?;
    diesel::delete(known_place::table.filter(known_place::account.eq(account))).execute(db)?;
    Ok(())
}

/// Forgets failures and places that are too old to matter, at most 500 of each.
pub(crate) fn prune(db: &mut Db, now: Timestamp) -> Done<()> {
    let oldest = now.minus(FORGIVEN).micros();
    let old: Vec<(String, String)> = login_failure::table
        .filter(login_failure::last_at.lt(oldest).and(login_failure::failures.lt(MOST)))
        .select((login_failure::account, login_failure::place))
        .limit(PRUNED_AT_ONCE)
        .load(db)?;
    for (account, place) in &old {
        let row = login_failure::account.eq(account).and(login_failure::place.eq(place));
        diesel::delete(login_failure::table.filter(row.and(login_failure::last_at.lt(oldest)))).execute(db)?;
    }
    let oldest = now.minus(KNOWN).micros();
    let old: Vec<(String, String)> = known_place::table
        .filter(known_place::last_at.lt(oldest))
        .select((known_place::account, known_place::place))
        .limit(PRUNED_AT_ONCE)
        .load(db)?;
    for (account, place) in &old {
        let row = known_place::account.eq(account).and(known_place::place.eq(place));
        diesel::delete(known_place::table.filter(row.and(known_place::last_at.lt(oldest)))).execute(db)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_from_a_second_to_a_quarter_of_an_hour() {
        let secs = |failures| pause(failures, FREE).as_secs();
        assert_eq!([0, 4, 5, 6, 7, 14, 15, 1_000].map(secs), [0, 0, 1, 2, 4, 512, 900, 900]);
    }
}
