//! One-time codes that are sent by mail: six digits, good for ten minutes, once, for five tries; a new one ends the one
//! before (NIST SP 800-63B-4 section 3.1.3.2).

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emporium_auth_api::{AuthError, UserId};
use emporium_database::prelude::*;
use emporium_database::{Db, refuse};
use emporium_kernel::{Random, Timestamp, invalid};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::schema::{code, code_sent};
use crate::{Done, users};

/// How long a code is good.
pub(crate) const GOOD: Duration = Duration::from_secs(10 * 60);
pub(crate) const MOST_TRIES: i64 = 5;
/// How long after a code the next one is sent at the earliest.
pub(crate) const BETWEEN: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How many codes a user gets in any hour and in any day, wherever they are asked for.
const MOST: [(Duration, usize); 2] = [(HOUR, 5), (DAY, 10)];
/// How many of these strangers get; the rest is left to where the user logged in before.
const MOST_OF_STRANGERS: [(Duration, usize); 2] = [(HOUR, 3), (DAY, 6)];
const PRUNED_AT_ONCE: i64 = 500;
/// There is no code that is good.
pub(crate) const NONE: &str = "";

/// What a code is for. A code for one thing is good for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To set a new password.
    Reset,
    /// To prove an address.
    Claim,
}

impl Purpose {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Purpose::Reset => "reset",
            Purpose::Claim => "claim",
        }
    }
}

/// Six digits.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Code(String);

impl Code {
    pub(crate) fn new(random: &Random) -> Self {
        Self(format!("{:06}", random.below(1_000_000)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// How it is stored: for what it is, and for which user or claim.
    pub(crate) fn hash(&self, key: &hmac::Key, purpose: Purpose, of: &str) -> String {
        let content = format!("{}\n{of}\n{}", purpose.name(), self.0);
        URL_SAFE_NO_PAD.encode(hmac::sign(key, content.as_bytes()))
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code")
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let fits = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit());
        if fits { Ok(Self(digits)) } else { Err(invalid("invalid_code", "write the six digits of the newest message")) }
    }
}

impl JsonSchema for Code {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]{6}$"})
    }
}

/// A code that somebody sends or has sent. Those that are asked for and used where the user logged in before are apart
/// from those of strangers, who can therefore neither use them up nor keep the user from getting one.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) purpose: Purpose,
    pub(crate) user: UserId,
    pub(crate) known: bool,
    pub(crate) hash: String,
    pub(crate) now: Timestamp,
}

#[diesel::dsl::auto_type(no_type_alias)]
fn row<'a>(given: &'a Given) -> _ {
    let purpose: &'static str = given.purpose.name();
    let user: &'a str = given.user.as_str();
    let known: i32 = i32::from(given.known);
    code::table.filter(code::purpose.eq(purpose).and(code::user_id.eq(user)).and(code::known.eq(known)))
}

/// Makes a code the good one; `false` when one was sent a moment ago, or as many as a user may get.
pub(crate) fn issue(db: &mut Db, new: &Given) -> Done<bool> {
    // Codes for strangers and others count together: nobody else counts them before this transaction has ended.
    users::lock(db, &new.user)?;
    if !users::may_log_in(db, &new.user)? {
        return Ok(false);
    }
    let now = new.now.micros();
    let last: Option<i64> = row(new).select(code::sent_at).first(db).optional()?;
    let too_soon = last.is_some_and(|sent_at| new.now.since(Timestamp::from_micros(sent_at)) < BETWEEN);
    if too_soon || has_enough(db, new)? {
        return Ok(false);
    }
    let expires_at = new.now.plus(GOOD).micros();
    if last.is_some() {
        let next =
            (code::hash.eq(&new.hash), code::expires_at.eq(expires_at), code::tries.eq(0), code::sent_at.eq(now));
        diesel::update(row(new)).set(next).execute(db)?;
    } else {
        let first = (
            code::purpose.eq(new.purpose.name()),
            code::user_id.eq(new.user.as_str()),
            code::known.eq(i32::from(new.known)),
            code::hash.eq(&new.hash),
            code::expires_at.eq(expires_at),
            code::tries.eq(0),
            code::sent_at.eq(now),
        );
        diesel::insert_into(code::table).values(first).execute(db)?;
    }
    let sent = (
        code_sent::user_id.eq(new.user.as_str()),
        code_sent::purpose.eq(new.purpose.name()),
        code_sent::known.eq(i32::from(new.known)),
        code_sent::sent_at.eq(now),
    );
    diesel::insert_into(code_sent::table).values(sent).execute(db)?;
    Ok(true)
}

/// Whether as many were sent as the user may get, or strangers of these.
fn has_enough(db: &mut Db, new: &Given) -> Done<bool> {
    let of_user = code_sent::user_id.eq(new.user.as_str()).and(code_sent::purpose.eq(new.purpose.name()));
    let of_a_day = of_user.and(code_sent::sent_at.gt(new.now.minus(DAY).micros()));
    let columns = (code_sent::known, code_sent::sent_at);
    let sent: Vec<(i32, i64)> = code_sent::table.filter(of_a_day).select(columns).load(db)?;
    let reached = |bounds: [(Duration, usize); 2], strangers_alone: bool| {
        bounds.into_iter().any(|(window, most)| {
            let begin = new.now.minus(window).micros();
            let counts = |known: i32, at: i64| at > begin && (known == 0 || !strangers_alone);
            sent.iter().filter(|(known, at)| counts(*known, *at)).count() >= most
        })
    };
    Ok(reached(MOST, false) || (!new.known && reached(MOST_OF_STRANGERS, true)))
}

/// Counts a try and says whether it was right; which of many at the same moment are counted the row decides. The code
/// stays good until it is [`used`].
pub(crate) fn attempt(db: &mut Db, tried: &Given) -> Done<bool> {
    let good = code::hash.ne(NONE).and(code::expires_at.gt(tried.now.micros())).and(code::tries.lt(MOST_TRIES));
    if diesel::update(row(tried).filter(good)).set(code::tries.eq(code::tries + 1)).execute(db)? == 0 {
        return Ok(false);
    }
    is_right(db, tried)
}

/// Whether it is the code that was sent. Both are keyed hashes: how long the comparison takes says nothing of the code.
fn is_right(db: &mut Db, tried: &Given) -> Done<bool> {
    let stored: Option<String> = row(tried).select(code::hash).first(db).optional()?;
    Ok(stored.as_deref() == Some(tried.hash.as_str()))
}

/// Uses a code up, once.
pub(crate) fn used(db: &mut Db, tried: &Given) -> Done<()> {
    let good = row(tried).filter(code::hash.eq(&tried.hash).and(code::expires_at.gt(tried.now.micros())));
    let ended = diesel::update(good).set(code::hash.eq(NONE)).execute(db)?;
    if ended == 1 { Ok(()) } else { refuse(AuthError::InvalidCode) }
}

/// Forgets when codes were sent that bound no further ones, at most 500 moments.
pub(crate) fn prune(db: &mut Db, now: Timestamp) -> Done<()> {
    let old: Vec<i64> = code_sent::table
        .filter(code_sent::sent_at.lt(now.minus(DAY).micros()))
        .select(code_sent::sent_at)
        .limit(PRUNED_AT_ONCE)
        .load(db)?;
    diesel::delete(code_sent::table.filter(code_sent::sent_at.eq_any(old))).execute(db)?;
    Ok(())
}
