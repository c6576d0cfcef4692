//! The second factor: a code from an authenticator, which changes every 30 seconds (RFC 6238), or a recovery code.

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
use totp_rs::{Algorithm, Builder, Totp};

use crate::Done;
use crate::schema::{recovery_code, totp};

/// What an authenticator shows beside the address.
const ISSUER: &str = "emporium";
const SEED_BYTES: usize = 20;
const STEP: Duration = Duration::from_secs(30);
const DIGITS: u8 = 6;
/// Steps before and after the present one whose code is taken: clocks differ.
const SKEW: u16 = 1;
/// How long a proposed factor may be confirmed.
pub(crate) const PROPOSED: Duration = Duration::from_secs(15 * 60);
const RECOVERY_CODES: usize = 10;
/// 80 bits, which are 16 letters and digits.
const RECOVERY_BYTES: usize = 10;
const RECOVERY_CHARACTERS: usize = 16;

/// What somebody shows as second factor.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum FactorCode {
    /// Six digits of an authenticator.
    Totp(String),
    /// One of the recovery codes, in capitals.
    Recovery(String),
}

impl std::fmt::Debug for FactorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FactorCode")
    }
}

impl FactorCode {
    fn parse(text: &str) -> Option<Self> {
        let plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let digits = plain.len() == usize::from(DIGITS) && plain.bytes().all(|b| b.is_ascii_digit());
        let letters = plain.len() == RECOVERY_CHARACTERS && plain.bytes().all(|b| b.is_ascii_alphanumeric());
        match (digits, letters) {
            (true, _) => Some(Self::Totp(plain)),
            (_, true) => Some(Self::Recovery(plain.to_ascii_uppercase())),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for FactorCode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let advice = "write the six digits of the authenticator, or a recovery code";
        Self::parse(&String::deserialize(from)?).ok_or_else(|| invalid("invalid_code", advice))
    }
}

impl JsonSchema for FactorCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FactorCode".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "description": "Six digits of the authenticator, or a recovery code."})
    }
}

/// The seed that an authenticator and this shop share.
#[derive(Clone)]
pub(crate) struct Seed(Totp);

impl Seed {
    /// A new one.
    pub(crate) fn new(random: &Random, address: &str) -> Option<Self> {
        Self::of(&random.bytes::<SEED_BYTES>(), address)
    }

    fn of(bytes: &[u8], address: &str) -> Option<Self> {
        // A colon would end the issuer (Key Uri Format of Google Authenticator).
        let builder = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(SKEW)
            .with_step_duration(STEP.as_secs())
            .with_secret(bytes.to_vec())
            .with_account_name(address.replace(':', "_"))
            .with_issuer(Some(ISSUER));
        builder.build().ok().map(Self)
    }

    /// Reads one that was stored as [`Seed::base32`].
    pub(crate) fn read(base32: &str) -> Option<Self> {
        let secret = totp_rs::Secret::try_from_base32(base32).ok()?;
        Self::of(secret.as_bytes(), "user")
    }

    /// What a user types into an authenticator.
    pub(crate) fn base32(&self) -> String {
        self.0.secret().to_base32()
    }

    /// What an authenticator reads, as `otpauth://totp/…`.
    pub(crate) fn uri(&self) -> Option<String> {
        self.0.to_url().ok()
    }

    /// The time step that six digits belong to.
    pub(crate) fn step_of(&self, digits: &str, now: Timestamp) -> Option<i64> {
        let secs = u64::try_from(now.seconds()).ok()?;
        self.0.check(digits, secs).and_then(|step| i64::try_from(step).ok())
    }
}

/// Recovery codes, as they are shown once.
pub(crate) fn recovery_codes(random: &Random) -> Vec<String> {
    let grouped = |code: String| {
        let groups: Vec<&str> = [0..4, 4..8, 8..12, 12..16].into_iter().filter_map(|range| code.get(range)).collect();
        groups.join("-").to_lowercase()
    };
    let code = |_| grouped(totp_rs::Secret::from(random.bytes::<RECOVERY_BYTES>().to_vec()).to_base32());
    (0..RECOVERY_CODES).map(code).collect()
}

/// How a recovery code is stored.
pub(crate) fn recovery_hash(key: &hmac::Key, user: &UserId, code: &str) -> String {
    let plain: String = code.chars().filter(|c| *c != '-').collect::<String>().to_ascii_uppercase();
    URL_SAFE_NO_PAD.encode(hmac::sign(key, format!("recovery\n{user}\n{plain}").as_bytes()))
}

/// What was shown, ready to be compared with what is stored.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    /// The code of this time step.
    Step(i64),
    /// A recovery code with this hash.
    Recovery(String),
}

/// A factor as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) sealed: String,
    pub(crate) confirmed: bool,
    pub(crate) created_at: Timestamp,
}

/// A user's factor, confirmed or not.
pub(crate) fn find(db: &mut Db, user: &UserId) -> Done<Option<Stored>> {
    let columns = (totp::sealed, totp::confirmed, totp::created_at);
    let row: Option<(String, i32, i64)> = totp::table.find(user.as_str()).select(columns).first(db).optional()?;
    let stored = |(sealed, confirmed, created_at): (String, i32, i64)| Stored {
        sealed,
        confirmed: confirmed != 0,
        created_at: Timestamp::from_micros(created_at),
    };
    Ok(row.map(stored))
}

/// Whether a login has to show one.
pub(crate) fn is_on(db: &mut Db, user: &UserId) -> Done<bool> {
    Ok(find(db, user)?.is_some_and(|stored| stored.confirmed))
}

/// Stores a factor that is to be confirmed, in place of one that never was.
pub(crate) fn propose(db: &mut Db, user: &UserId, sealed: &str, now: Timestamp) -> Done<()> {
    if is_on(db, user)? {
        return refuse(AuthError::SecondFactorExists);
    }
    diesel::delete(totp::table.find(user.as_str())).execute(db)?;
    let row = (
        totp::user_id.eq(user.as_str()),
        totp::sealed.eq(sealed),
        totp::confirmed.eq(0),
        totp::last_step.eq(0),
        totp::created_at.eq(now.micros()),
    );
    diesel::insert_into(totp::table).values(row).execute(db)?;
    Ok(())
}

/// Turns the proposed factor on, which showed the code of this step; `false` when it was replaced meanwhile.
pub(crate) fn confirm(db: &mut Db, user: &UserId, sealed: &str, step: i64) -> Done<bool> {
    let proposed = totp::table.find(user.as_str()).filter(totp::sealed.eq(sealed).and(totp::confirmed.eq(0)));
    let set = (totp::confirmed.eq(1), totp::last_step.eq(step));
    Ok(diesel::update(proposed).set(set).execute(db)? == 1)
}

/// Uses up what was shown; `false` when it was used before, or is none of the user's. Each step is good once, and none
/// before it any more.
fn spend(db: &mut Db, user: &UserId, shown: &Shown) -> Done<bool> {
    let spent = match shown {
        Shown::Step(step) => {
            let newer = totp::table.find(user.as_str()).filter(totp::confirmed.eq(1).and(totp::last_step.lt(step)));
            diesel::update(newer).set(totp::last_step.eq(step)).execute(db)?
        }
        Shown::Recovery(hash) => {
            diesel::delete(recovery_code::table.find((user.as_str(), hash.as_str()))).execute(db)?
        }
    };
    Ok(spent == 1)
}

/// Spends what was shown. A factor that was turned on since it was looked for is asked for now.
pub(crate) fn require(db: &mut Db, user: &UserId, shown: Option<&Shown>) -> Done<()> {
    match shown {
        Some(shown) if spend(db, user, shown)? => Ok(()),
        Some(_) => refuse(AuthError::InvalidSecondFactor),
        None if is_on(db, user)? => refuse(AuthError::SecondFactorRequired),
        None => Ok(()),
    }
}

/// Makes these all the recovery codes of a user.
pub(crate) fn set_recovery_codes(db: &mut Db, user: &UserId, hashes: &[String]) -> Done<()> {
    diesel::delete(recovery_code::table.filter(recovery_code::user_id.eq(user.as_str()))).execute(db)?;
    for hash in hashes {
        let row = (recovery_code::user_id.eq(user.as_str()), recovery_code::hash.eq(hash));
        diesel::insert_into(recovery_code::table).values(row).execute(db)?;
    }
    Ok(())
}

/// Recovery codes that are left.
pub(crate) fn recovery_codes_left(db: &mut Db, user: &UserId) -> Done<i64> {
    Ok(recovery_code::table.filter(recovery_code::user_id.eq(user.as_str())).count().get_result(db)?)
}

/// Ends a user's factor; `false` when there was none.
pub(crate) fn end(db: &mut Db, user: &UserId) -> Done<bool> {
    set_recovery_codes(db, user, &[])?;
    Ok(diesel::delete(totp::table.find(user.as_str())).execute(db)? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_micros(secs * 1_000_000)
    }

    #[test]
    fn the_codes_of_rfc_6238_belong_to_their_steps() {
        // Appendix B, for SHA-1; six digits instead of eight.
        let seed = Seed::of(b"12345678901234567890", "ada@example.com").expect("a seed");
        for (secs, digits, step) in
            [(59, "287082", 1), (1_111_111_109, "081804", 37_037_036), (2_000_000_000, "279037", 66_666_666)]
        {
            assert_eq!(seed.step_of(digits, at(secs)), Some(step));
            assert_eq!(seed.step_of(digits, at(secs + 30)), Some(step), "clocks differ by a step");
            assert_eq!(seed.step_of(digits, at(secs + 90)), None);
        }
        let again = Seed::read(&seed.base32()).expect("reads");
        assert_eq!(again.step_of("287082", at(59)), Some(1));
        let uri = seed.uri().expect("a URI");
        assert!(uri.starts_with("otpauth://totp/emporium:ada%40example.com?secret="), "{uri}");
    }

    #[test]
    fn codes_are_read_as_people_write_them() {
        assert_eq!(FactorCode::parse(" 012 345 "), Some(FactorCode::Totp("012345".to_owned())));
        let codes = recovery_codes(&Random::seeded(1));
        assert_eq!(codes.len(), 10);
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"k");
        let user = UserId::derived(&["ada"]);
        for code in codes {
            let Some(FactorCode::Recovery(read)) = FactorCode::parse(&code.to_uppercase()) else { panic!("{code}") };
            assert_eq!(recovery_hash(&key, &user, &read), recovery_hash(&key, &user, &code));
        }
        for bad in ["", "12345", "1234567", "abcd-efgh", "12345a"] {
            assert_eq!(FactorCode::parse(bad), None, "{bad}");
        }
    }
}
