//! API keys: what integrations send instead of a login.

use std::collections::BTreeSet;
use std::time::Duration;

use emporium_auth_api::{API_KEY_PREFIX, ApiKeyId, AuthError, FindUser, KeyHash, KeyHolder, SessionId, UserId};
use emporium_database::prelude::*;
use emporium_database::{Db, Failure, Lane, audit, idempotency, pair, refuse};
use emporium_kernel::{Call, Line, Page, Role, Scope, Timestamp, Window};
use serde_json::json;

use crate::factor::{self, FactorCode};
use crate::mail::{self, Content};
use crate::password::Password;
use crate::schema::api_key;
use crate::{Done, Users, enrolment, users};

/// Keys of one user that are good.
const MOST: u32 = 100;
/// A use that was noted less long ago is not noted again.
const NOTED: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a key is called by its user.
pub(crate) type KeyName = Line<100>;

/// A key to be.
#[derive(Clone)]
pub(crate) struct NewKey {
    pub(crate) user: UserId,
    pub(crate) name: KeyName,
    pub(crate) scopes: BTreeSet<Scope>,
    /// After how many days it ends; never, when nothing is said.
    pub(crate) days: Option<u32>,
}

/// A key as its user and admins see it.
#[derive(Clone, Debug)]
pub(crate) struct ApiKey {
    pub(crate) id: ApiKeyId,
    pub(crate) user: UserId,
    pub(crate) name: String,
    pub(crate) scopes: BTreeSet<Scope>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) last_used_at: Option<Timestamp>,
}

type Row = (String, String, String, String, i64, Option<i64>, Option<i64>);
const COLUMNS: (
    api_key::id,
    api_key::user_id,
    api_key::name,
    api_key::scopes,
    api_key::created_at,
    api_key::expires_at,
    api_key::last_used_at,
) = (
    api_key::id,
    api_key::user_id,
    api_key::name,
    api_key::scopes,
    api_key::created_at,
    api_key::expires_at,
    api_key::last_used_at,
);

fn read((id, user, name, scopes, created_at, expires_at, last_used_at): Row) -> Done<ApiKey> {
    let scope = |text: &str| Scope::parse(text).ok_or_else(|| Failure::corrupt(format!("scope {text}")));
    let scopes: Done<BTreeSet<Scope>> = scopes.split(' ').map(scope).collect();
    Ok(ApiKey {
        id: ApiKeyId::stored(id),
        user: UserId::stored(user),
        name,
        scopes: scopes?,
        created_at: Timestamp::from_micros(created_at),
        expires_at: expires_at.map(Timestamp::from_micros),
        last_used_at: last_used_at.map(Timestamp::from_micros),
    })
}

#[diesel::dsl::auto_type(no_type_alias)]
fn good(now: Timestamp) -> _ {
    let at: i64 = now.micros();
    api_key::table
        .filter(api_key::revoked_at.is_null())
        .filter(api_key::expires_at.is_null().or(api_key::expires_at.gt(at)))
}

fn insert(db: &mut Db, key: &ApiKey, hash: &str) -> Done<()> {
    users::lock(db, &key.user)?;
    if users::need(db, &FindUser::Id(key.user.clone()))?.disabled {
        return refuse(AuthError::UnknownUser);
    }
    let there: i64 = api_key::table.filter(api_key::id.eq(key.id.as_str())).count().get_result(db)?;
    if there > 0 {
        return Ok(());
    }
    let all: i64 = good(key.created_at).filter(api_key::user_id.eq(key.user.as_str())).count().get_result(db)?;
    if all >= i64::from(MOST) {
        return refuse(AuthError::TooManyKeys { limit: MOST });
    }
    let scopes: Vec<String> = key.scopes.iter().map(Scope::to_string).collect();
    let row = (
        api_key::id.eq(key.id.as_str()),
        api_key::user_id.eq(key.user.as_str()),
        api_key::name.eq(&key.name),
        api_key::hash.eq(hash),
        api_key::scopes.eq(scopes.join(" ")),
        api_key::created_at.eq(key.created_at.micros()),
        api_key::expires_at.eq(key.expires_at.map(Timestamp::micros)),
    );
    diesel::insert_into(api_key::table).values(row).execute(db)?;
    Ok(())
}

/// Good keys, newest first; of one user, or of all.
fn list(db: &mut Db, user: Option<&UserId>, now: Timestamp, window: &Window) -> Done<Page<ApiKey>> {
    let (at, id) = window.after.as_ref().map_or((i64::MAX, ""), |after| (after.0.0, after.0.1.as_str()));
    let follows = pair(api_key::created_at, api_key::id).lt((at, id));
    let order = (api_key::created_at.desc(), api_key::id.desc());
    let listed = good(now).filter(follows).select(COLUMNS).order(order).limit(window.limit.probe());
    let rows: Vec<Row> = match user {
        Some(user) => listed.filter(api_key::user_id.eq(user.as_str())).load(db)?,
        None => listed.load(db)?,
    };
    let keys: Done<Vec<ApiKey>> = rows.into_iter().map(read).collect();
    Ok(Page::of(keys?, window.limit, |key| (key.created_at.micros(), key.id.to_string())))
}

/// Ends a key for ever; `false` when there is no such good one. Of another user's key, only an admin may say so.
fn revoke(db: &mut Db, id: &ApiKeyId, user: Option<&UserId>, now: Timestamp) -> Done<bool> {
    let live = api_key::table.find(id.as_str()).filter(api_key::revoked_at.is_null());
    let set = api_key::revoked_at.eq(now.micros());
    let own = match user {
        Some(user) => diesel::update(live.filter(api_key::user_id.eq(user.as_str()))).set(set).execute(db)?,
        None => diesel::update(live).set(set).execute(db)?,
    };
    // This very command, whose commit was in doubt.
    let before: i64 = api_key::table.find(id.as_str()).filter(set).count().get_result(db)?;
    Ok(own == 1 || before == 1)
}

/// Ends all keys of a user.
pub(crate) fn revoke_all(db: &mut Db, user: &UserId, now: Timestamp) -> Done<()> {
    let live = api_key::table.filter(api_key::user_id.eq(user.as_str()).and(api_key::revoked_at.is_null()));
    diesel::update(live).set(api_key::revoked_at.eq(now.micros())).execute(db)?;
    Ok(())
}

/// The holder of a good key, and when its use was last noted. Roles that need a second factor are the key's only while
/// its user has one.
fn holder(
    db: &mut Db,
    asked: &KeyHash,
    need_factor: &BTreeSet<Role>,
    now: Timestamp,
) -> Done<(KeyHolder, Option<Timestamp>)> {
    let row: Option<Row> = good(now).filter(api_key::hash.eq(&asked.hash)).select(COLUMNS).first(db).optional()?;
    let Some(key) = row.map(read).transpose()? else { return refuse(AuthError::UnknownKey) };
    match users::find(db, &FindUser::Id(key.user))?.filter(|user| !user.disabled) {
        Some(user) => {
            let proved = factor::is_on(db, &user.id)?;
            let roles = user.roles.into_iter().filter(|role| proved || !need_factor.contains(role)).collect();
            Ok((KeyHolder { key: key.id, user: user.id, roles, scopes: key.scopes }, key.last_used_at))
        }
        None => refuse(AuthError::UnknownKey),
    }
}

impl Users {
    /// Makes a key, whose text is known only now, for whoever shows password and, where there is one, factor: it lives
    /// longer than a token that was stolen. The user is told.
    pub(crate) async fn create_key(
        &self,
        call: &Call,
        session: SessionId,
        (password, code): (Password, Option<FactorCode>),
        new: NewKey,
    ) -> Result<(ApiKey, String), AuthError> {
        let proof = self.prove(call, (new.user.clone(), session), password).await?;
        let showing = self.show_beside(call, &proof, code).await?;
        let now = self.clock.now();
        let told = self.letter(&proof.user, Content::ApiKeyMade, now)?;
        let text = format!("{API_KEY_PREFIX}{}", self.random.token::<32>());
        let hash = KeyHash::of(&text).ok_or(emporium_kernel::Outage::Internal)?;
        let key = ApiKey {
            id: ApiKeyId::new(now, &self.random),
            user: new.user,
            name: new.name.into_string(),
            scopes: new.scopes,
            created_at: now,
            expires_at: new.days.map(|days| now.plus(DAY * days)),
            last_used_at: None,
        };
        let made = key.clone();
        let entry = self.entry(call, "api_key.created", &json!({"scopes": key.scopes})).to(key.id.as_str());
        let command = self.random.token::<16>();
        let write = move |db: &mut Db| {
            if idempotency::already_applied(db, &command, now)? {
                return Ok(());
            }
            proof.holds(db)?;
            enrolment::require(db, &proof.user.id, showing.as_ref())?;
            insert(db, &key, &hash.hash)?;
            told.as_ref().map_or(Ok(()), |told| mail::enqueue(db, told))?;
            audit::write(db, &entry)
        };
        self.database.write(write).await?;
        Ok((made, text))
    }

    pub(crate) async fn list_keys(&self, user: Option<UserId>, window: Window) -> Result<Page<ApiKey>, AuthError> {
        let now = self.clock.now();
        self.database.read(move |db| list(db, user.as_ref(), now, &window)).await
    }

    pub(crate) async fn revoke_key(&self, call: &Call, id: ApiKeyId, user: Option<UserId>) -> Result<(), AuthError> {
        let now = self.clock.now();
        let entry = self.entry(call, "api_key.revoked", &json!({})).to(id.as_str());
        let write = move |db: &mut Db| {
            let revoked = revoke(db, &id, user.as_ref(), now)?;
            if revoked {
                audit::write(db, &entry)?;
            }
            Ok(revoked)
        };
        let revoked = self.database.write(write).await?;
        if revoked { Ok(()) } else { Err(AuthError::UnknownKey) }
    }

    /// Who stands behind a key that is good now. Its use is noted once a minute, which nobody waits for.
    pub(crate) async fn holder_of(&self, asked: KeyHash) -> Result<KeyHolder, AuthError> {
        let now = self.clock.now();
        let need_factor = self.settings.require_totp.clone();
        let (found, noted) = self.database.read(move |db| holder(db, &asked, &need_factor, now)).await?;
        if noted.is_none_or(|at| now.since(at) >= NOTED) {
            let (database, key) = (self.database.clone(), found.key.clone());
            let note = move |db: &mut Db| {
                let used = api_key::last_used_at.eq(now.micros());
                diesel::update(api_key::table.find(key.as_str())).set(used).execute(db)?;
                Ok::<(), Failure<AuthError>>(())
            };
            tokio::spawn(async move { database.write_in(Lane::Continuation, note).await });
        }
        Ok(found)
    }
}
