//! The first admin: made with a secret that only somebody with access to the data folder can read, once.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error};
use emporium_auth_api::{AuthError, Email, User};
use emporium_database::prelude::*;
use emporium_database::{Database, Db, audit, refuse};
use emporium_kernel::{Call, Outage, Random, Role, Timestamp, secret_file};
use serde_json::json;

use crate::hashing::Hashing;
use crate::password::NewPassword;
use crate::root::Root;
use crate::schema::{bootstrap, root_check};
use crate::secret::{self, Secret};
use crate::users::{self, NewUser};
use crate::{AuthOpenError, Done, Users};

/// The file in the data folder that holds the secret.
const FILE: &str = "bootstrap-secret";
/// How long the secret is good.
const GOOD: Duration = Duration::from_secs(24 * 60 * 60);
const ROW: i32 = 1;

/// What the start found.
enum Found {
    /// There is an admin.
    NotNeeded,
    /// The secret in the file is good.
    Good,
    /// A new secret was stored.
    Renewed,
}

/// Sees to it that there is either an admin or a secret to make one with.
pub(crate) fn prepare(
    database: &Database,
    data_dir: &Path,
    now: Timestamp,
    random: &Random,
) -> Result<(), AuthOpenError> {
    let path = file(data_dir);
    // A file that others can read holds no secret any more.
    let kept = secret_file::read(&path).ok().flatten().and_then(|bytes| String::from_utf8(bytes).ok());
    let kept = kept.map(|text| secret::hash(text.trim())).unwrap_or_default();
    let made = random.token::<32>();
    let hash = secret::hash(&made);
    let work = database.write::<_, AuthError, _>(move |db| renew(db, &kept, &hash, now));
    let at = AuthOpenError::at(&path);
    match wait(work).map_err(AuthOpenError::Bootstrap)? {
        Found::NotNeeded => secret_file::remove(&path).map_err(at),
        Found::Good => Ok(()),
        Found::Renewed => {
            secret_file::write(&path, format!("{made}\n").as_bytes()).map_err(at)?;
            tracing::info!(file = %path.display(), "there is no admin yet; this file holds the secret to make one");
            Ok(())
        }
    }
}

/// Refuses a root secret that the database was not written with.
pub(crate) fn check_root(database: &Database, root: &Root, path: &Path) -> Result<(), AuthOpenError> {
    let known =
        database.read::<_, AuthError, _>(|db| Ok(root_check::table.select(root_check::hash).first(db).optional()?));
    let known: Option<String> = wait(known).map_err(AuthOpenError::Bootstrap)?;
    match known.is_none_or(|known| known == root.check()) {
        true => Ok(()),
        false => Err(AuthOpenError::OtherRoot(path.to_owned())),
    }
}

/// Notes with which root secret the database is written. Of two processes that start at once one may be refused.
pub(crate) fn remember_root(database: &Database, root: &Root, path: &Path) -> Result<(), AuthOpenError> {
    let ours = root.check();
    let work = database.write::<_, AuthError, _>(move |db| {
        let row = (root_check::id.eq(ROW), root_check::hash.eq(&ours));
        match diesel::insert_into(root_check::table).values(row).execute(db) {
            Ok(_) | Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    });
    wait(work).map_err(AuthOpenError::Bootstrap)?;
    check_root(database, root, path)
}

/// What stored passwords cost to check, before the first one is checked.
pub(crate) fn learn_costs(database: &Database, hashing: &Hashing) -> Result<(), AuthOpenError> {
    let stored = wait(database.read::<_, AuthError, _>(users::some_hashes)).map_err(AuthOpenError::Bootstrap)?;
    hashing.learn(&stored);
    Ok(())
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

/// Waits for the database while the process starts, inside or outside of a runtime.
fn wait<T: Send>(work: impl Future<Output = Result<T, AuthError>> + Send) -> Result<T, AuthError> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|error| {
            tracing::error!(%error, "no runtime to wait in");
            AuthError::from(Outage::Internal)
        })?;
        runtime.block_on(work)
    };
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or(Err(AuthError::Outage(Outage::Internal)))
}

fn renew(db: &mut Db, kept: &str, made: &str, now: Timestamp) -> Done<Found> {
    if users::has_admin(db)? {
        diesel::delete(bootstrap::table).execute(db)?;
        return Ok(Found::NotNeeded);
    }
    if is_good(db, kept, now)? {
        return Ok(Found::Good);
    }
    diesel::delete(bootstrap::table).execute(db)?;
    let row = (bootstrap::id.eq(ROW), bootstrap::secret_hash.eq(made), bootstrap::created_at.eq(now.micros()));
    diesel::insert_into(bootstrap::table).values(row).execute(db)?;
    Ok(Found::Renewed)
}

fn is_good(db: &mut Db, hash: &str, now: Timestamp) -> Done<bool> {
    let oldest = now.minus(GOOD).micros();
    let good: i64 = bootstrap::table
        .filter(bootstrap::secret_hash.eq(hash).and(bootstrap::created_at.gt(oldest)))
        .count()
        .get_result(db)?;
    Ok(good > 0)
}

/// Uses the secret up and makes the admin, or does neither.
fn redeem(db: &mut Db, hash: &str, admin: &NewUser) -> Done<()> {
    if users::exists(db, &admin.id)? {
        return Ok(());
    }
    let oldest = admin.created_at.minus(GOOD).micros();
    let used =
        diesel::delete(bootstrap::table.filter(bootstrap::secret_hash.eq(hash).and(bootstrap::created_at.gt(oldest))))
            .execute(db)?;
    if used == 0 || users::has_admin(db)? {
        return refuse(AuthError::InvalidBootstrapSecret);
    }
    users::insert(db, admin)
}

impl Users {
    /// Makes the first admin from the one-time secret in the data folder.
    pub(crate) async fn bootstrap(
        &self,
        call: &Call,
        secret: &Secret,
        email: Email,
        name: String,
        password: NewPassword,
    ) -> Result<User, AuthError> {
        self.password_rules.check(&password, &email, &name)?;
        let (hash, now) = (secret::hash(secret.as_str().trim()), self.clock.now());
        let offered = hash.clone();
        // Hashing a password for everybody who guesses would be a gift to them.
        if !self.database.read(move |db| is_good(db, &offered, now)).await? {
            return Err(AuthError::InvalidBootstrapSecret);
        }
        let admin = self.new_user(email, name, password, [Role::Customer, Role::Admin].into()).await?;
        let user = admin.clone().into_user();
        let entry = self.entry(call, "user.created", &json!({"roles": user.roles, "bootstrap": true}));
        let entry = entry.to(user.id.as_str());
        let made = move |db: &mut Db| {
            redeem(db, &hash, &admin)?;
            audit::write(db, &entry)
        };
        self.database.write(made).await?;
        tracing::warn!(user.id = %user.id, "the first admin was made; the bootstrap secret is used up");
        if let Err(error) = secret_file::remove(&file(&self.data_dir)) {
            tracing::warn!(%error, "the file with the used bootstrap secret could not be removed");
        }
        Ok(user)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use emporium_database::Url;
    use emporium_kernel::Clock;

    use super::*;
    use crate::{Name, Settings};

    fn open(folder: &Path, settings: Settings) -> Arc<Users> {
        let url = Url::file(folder.join("auth.db"));
        Users::open(&url, settings, folder, Clock::system(), Random::seeded(1)).expect("opens")
    }

    #[tokio::test]
    async fn after_a_raise_whoever_is_not_there_costs_what_those_who_are_still_cost() {
        let folder = tempfile::tempdir().expect("a folder");
        let cheap = "$argon2id$v=19$m=8,t=1,p=1$";
        let users = open(folder.path(), Settings::for_tests());
        let (email, name) = (Email::parse("ada@example.com").expect("an address"), Name::parse("Ada").expect("a name"));
        let password = NewPassword::parse("tea at four o'clock").expect("a password");
        users.create_user(&Call::internal("test"), email, name, password, BTreeSet::new()).await.expect("is made");
        users.database().close();
        drop(users);
        let users = open(folder.path(), Settings::default());
        assert!(users.hashing.stand_in("nobody").starts_with(cheap));
        users.hashing.learn(&["$argon2id$v=19$m=65536,t=3,p=1$c2FsdA$dGFn".to_owned()]);
        users.learn_costs().await.expect("reads");
        assert!(users.hashing.stand_in("nobody").starts_with(cheap));
    }
}
