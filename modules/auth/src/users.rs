//! Users: their rows and their roles.

use std::collections::{BTreeMap, BTreeSet};

use diesel::dsl::not;
use diesel::result::{DatabaseErrorKind, Error};
use emporium_auth_api::{AuthError, Email, FindUser, User, UserId};
use emporium_database::prelude::*;
use emporium_database::{Db, refuse};
use emporium_kernel::{Role, Timestamp};

use crate::Done;
use crate::schema::{bootstrap, user_roles, users};

const SOME: i64 = 1_000;

/// A user to be.
#[derive(Clone)]
pub(crate) struct NewUser {
    pub(crate) id: UserId,
    pub(crate) email: Email,
    pub(crate) name: String,
    pub(crate) password_hash: String,
    pub(crate) roles: BTreeSet<Role>,
    pub(crate) created_at: Timestamp,
}

impl NewUser {
    /// The user that this becomes.
    pub(crate) fn into_user(self) -> User {
        User {
            id: self.id,
            email: self.email.as_str().to_owned(),
            name: self.name,
            roles: self.roles.into_iter().collect(),
            disabled: false,
            created_at: self.created_at,
        }
    }
}

/// Inserts a user; doing it again changes nothing.
pub(crate) fn insert(db: &mut Db, new: &NewUser) -> Done<()> {
    let row = (
        users::id.eq(new.id.as_str()),
        users::email.eq(new.email.as_str()),
        users::name.eq(&new.name),
        users::password_hash.eq(&new.password_hash),
        users::password_version.eq(1),
        users::disabled.eq(0),
        users::created_at.eq(new.created_at.micros()),
        users::version.eq(1),
    );
    match diesel::insert_into(users::table).values(row).execute(db) {
        Ok(_) => give_roles(db, &new.id, &new.roles),
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) if exists(db, &new.id)? => Ok(()),
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => refuse(AuthError::EmailTaken),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn exists(db: &mut Db, id: &UserId) -> Done<bool> {
    let found: i64 = users::table.filter(users::id.eq(id.as_str())).count().get_result(db)?;
    Ok(found > 0)
}

fn give_roles(db: &mut Db, id: &UserId, roles: &BTreeSet<Role>) -> Done<()> {
    if roles.contains(&Role::Admin) {
        // Where there is an admin, nobody becomes one by a secret.
        diesel::delete(bootstrap::table).execute(db)?;
    }
    for role in roles {
        let row = (user_roles::user_id.eq(id.as_str()), user_roles::role.eq(role.name()));
        diesel::insert_into(user_roles::table).values(row).execute(db)?;
    }
    Ok(())
}

/// Lets no other transaction change the user, the roles included, before this one has ended.
pub(crate) fn lock(db: &mut Db, id: &UserId) -> Done<()> {
    diesel::update(users::table.filter(users::id.eq(id.as_str())))
        .set(users::version.eq(users::version))
        .execute(db)?;
    Ok(())
}

/// Makes `roles` all the roles of a user.
pub(crate) fn set_roles(db: &mut Db, id: &UserId, roles: &BTreeSet<Role>) -> Done<()> {
    diesel::delete(user_roles::table.filter(user_roles::user_id.eq(id.as_str()))).execute(db)?;
    give_roles(db, id, roles)?;
    diesel::update(users::table.filter(users::id.eq(id.as_str())))
        .set(users::version.eq(users::version + 1))
        .execute(db)?;
    Ok(())
}

/// Says whether a user may no longer log in.
pub(crate) fn set_disabled(db: &mut Db, id: &UserId, disabled: bool) -> Done<()> {
    diesel::update(users::table.filter(users::id.eq(id.as_str())))
        .set((users::disabled.eq(i32::from(disabled)), users::version.eq(users::version + 1)))
        .execute(db)?;
    Ok(())
}

/// Sets the password of a user.
pub(crate) fn set_password(db: &mut Db, id: &UserId, hash: &str) -> Done<()> {
    diesel::update(users::table.filter(users::id.eq(id.as_str())))
        .set((
            users::password_hash.eq(hash),
            users::password_version.eq(users::password_version + 1),
            users::version.eq(users::version + 1),
        ))
        .execute(db)?;
    Ok(())
}

/// What a password is checked against.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) user: UserId,
    pub(crate) hash: String,
    version: i64,
}

/// The credentials that belong to an address, of a user who may log in.
pub(crate) fn credentials(db: &mut Db, email: &Email) -> Done<Option<Credentials>> {
    let row: Option<(String, String, i64)> = users::table
        .filter(users::email.eq(email.as_str()).and(users::disabled.eq(0)))
        .select((users::id, users::password_hash, users::password_version))
        .first(db)
        .optional()?;
    Ok(row.map(|(id, hash, version)| Credentials { user: UserId::stored(id), hash, version }))
}

/// The password hashes of some users who may log in, the same as long as nobody comes or goes, whenever they were made.
pub(crate) fn some_hashes(db: &mut Db) -> Done<Vec<String>> {
    // Such that no planner takes the index of those who may log in and sorts all of them.
    Ok(users::table
        .filter(not(users::disabled.ne(0)))
        .select(users::password_hash)
        .order(users::email)
        .limit(SOME)
        .load(db)?)
}

/// Whether the user is neither disabled nor erased.
pub(crate) fn may_log_in(db: &mut Db, id: &UserId) -> Done<bool> {
    let found: i64 =
        users::table.filter(users::id.eq(id.as_str()).and(users::disabled.eq(0))).count().get_result(db)?;
    Ok(found > 0)
}

/// Whether the user may still log in with the credentials that were checked: not disabled, no other password set. Then
/// stores the stronger hash of the same password, if there is one.
pub(crate) fn confirm(db: &mut Db, checked: &Credentials, stronger: Option<&str>) -> Done<bool> {
    let same = users::table
        .filter(users::id.eq(checked.user.as_str()).and(users::disabled.eq(0)))
        .filter(users::password_version.eq(checked.version));
    let confirmed = match stronger {
        Some(hash) => diesel::update(same).set(users::password_hash.eq(hash)).execute(db)?,
        // Nothing is changed, but nobody can set another password before the session is there to be ended.
        None => diesel::update(same).set(users::password_hash.eq(users::password_hash)).execute(db)?,
    };
    Ok(confirmed > 0)
}

pub(crate) type Row = (String, String, String, i32, i64);
pub(crate) const COLUMNS: (users::id, users::email, users::name, users::disabled, users::created_at) =
    (users::id, users::email, users::name, users::disabled, users::created_at);

/// Looks a user up.
pub(crate) fn find(db: &mut Db, who: &FindUser) -> Done<Option<User>> {
    let row: Option<Row> = match who {
        FindUser::Email(email) => users::table.filter(users::email.eq(email.as_str())).select(COLUMNS).first(db),
        FindUser::Id(id) => users::table.filter(users::id.eq(id.as_str())).select(COLUMNS).first(db),
    }
    .optional()?;
    Ok(with_roles(db, row.into_iter().collect())?.pop())
}

/// [`find`], refusing when there is none.
pub(crate) fn need(db: &mut Db, who: &FindUser) -> Done<User> {
    find(db, who)?.map_or_else(|| refuse(AuthError::UnknownUser), Ok)
}

/// The version of a user, which rises with every change that takes something back; `None` when there is no such user.
pub(crate) fn version(db: &mut Db, id: &UserId) -> Done<Option<i64>> {
    Ok(users::table.filter(users::id.eq(id.as_str())).select(users::version).first(db).optional()?)
}

/// Refuses a change after which nobody could decide who runs the shop. Until this transaction ends, no other one changes
/// an admin: of two that take the role from each other, one is refused.
pub(crate) fn keep_an_admin(db: &mut Db) -> Done<()> {
    let admins = user_roles::table.filter(user_roles::role.eq(Role::Admin.name())).select(user_roles::user_id);
    let admins: Vec<String> = admins.order(user_roles::user_id).load(db)?;
    let mut active = 0;
    for id in &admins {
        let enabled = users::table.filter(users::id.eq(id).and(users::disabled.eq(0)));
        active += diesel::update(enabled).set(users::version.eq(users::version)).execute(db)?;
    }
    if active == 0 { refuse(AuthError::LastAdmin) } else { Ok(()) }
}

/// Gives a user another address.
pub(crate) fn set_email(db: &mut Db, id: &UserId, email: &Email) -> Done<()> {
    let user = users::table.filter(users::id.eq(id.as_str()));
    match diesel::update(user).set(users::email.eq(email.as_str())).execute(db) {
        Ok(_) => Ok(()),
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => refuse(AuthError::EmailTaken),
        Err(error) => Err(error.into()),
    }
}

/// Takes back every access token of a user.
pub(crate) fn bump(db: &mut Db, id: &UserId) -> Done<()> {
    let user = users::table.filter(users::id.eq(id.as_str()));
    diesel::update(user).set(users::version.eq(users::version + 1)).execute(db)?;
    Ok(())
}

/// Changes what a user is called.
pub(crate) fn set_name(db: &mut Db, id: &UserId, name: &str) -> Done<()> {
    diesel::update(users::table.filter(users::id.eq(id.as_str()))).set(users::name.eq(name)).execute(db)?;
    Ok(())
}

/// Whether anybody is an admin, disabled or not.
pub(crate) fn has_admin(db: &mut Db) -> Done<bool> {
    let admins: i64 = user_roles::table.filter(user_roles::role.eq(Role::Admin.name())).count().get_result(db)?;
    Ok(admins > 0)
}

/// The users of these rows, with their roles.
pub(crate) fn with_roles(db: &mut Db, rows: Vec<Row>) -> Done<Vec<User>> {
    let ids: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let found: Vec<(String, String)> = user_roles::table
        .filter(user_roles::user_id.eq_any(ids))
        .select((user_roles::user_id, user_roles::role))
        .load(db)?;
    let mut roles: BTreeMap<String, BTreeSet<Role>> = BTreeMap::new();
    for (id, name) in found {
        let role = Role::parse(&name).ok_or_else(|| emporium_database::Failure::corrupt(format!("role {name}")))?;
        roles.entry(id).or_default().insert(role);
    }
    let user = |(id, email, name, disabled, created_at): Row| User {
        roles: roles.remove(&id).unwrap_or_default().into_iter().collect(),
        id: UserId::stored(id),
        email,
        name,
        disabled: disabled != 0,
        created_at: Timestamp::from_micros(created_at),
    };
    Ok(rows.into_iter().map(user).collect())
}
