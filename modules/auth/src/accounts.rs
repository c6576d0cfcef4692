//! Accounts: registering, and what the command line does with users.

use std::collections::BTreeSet;

use emporium_auth_api::{AuthError, Email, FindUser, Grant, SessionId, User, UserId};
use emporium_database::audit::{self, Entry};
use emporium_database::{Database, Db, Stale, refuse};
use emporium_kernel::{Call, Line, Outage, Page, Role, Window};
use serde_json::{Value, json};

use crate::listing::{self, UserFilter};
use crate::password::NewPassword;
use crate::sessions::{self, End};
use crate::users::{self, NewUser};
use crate::{Done, Users, place, throttle};

/// What a user is called: 1 to 100 characters.
pub type Name = Line<100>;

/// Users, newest first, from a database that may be open for reading only.
pub async fn list_users(database: &Database, filter: UserFilter, window: Window) -> Result<Page<User>, AuthError> {
    database.read(move |db| listing::list(db, &filter, &window)).await
}

/// What staff change of a user; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// What the user is called.
    pub name: Option<Name>,
    /// All the roles.
    pub roles: Option<BTreeSet<Role>>,
    /// Whether the user may no longer log in.
    pub disabled: Option<bool>,
}

impl Users {
    /// Makes a user; an address that somebody has is refused.
    pub async fn create_user(
        &self,
        call: &Call,
        email: Email,
        name: Name,
        password: NewPassword,
        roles: BTreeSet<Role>,
    ) -> Result<User, AuthError> {
        let new = self.new_user(email, name.into_string(), password, roles).await?;
        let user = new.clone().into_user();
        let entry = self.entry(call, "user.created", &json!({"roles": user.roles})).to(user.id.as_str());
        let insert = move |db: &mut Db| {
            users::insert(db, &new)?;
            audit::write(db, &entry)
        };
        self.database.write(insert).await?;
        Ok(user)
    }

    /// What the caller does, for the audit log.
    pub(crate) fn entry(&self, call: &Call, action: &'static str, detail: &Value) -> Entry {
        Entry::of(call, action, "", detail, self.clock.now(), &self.random)
    }

    /// Counts somebody who wants to register.
    pub(crate) fn may_register(&self, call: &Call) -> Result<(), AuthError> {
        self.registration_rate.take(&place::of(call.peer), self.clock.now())
    }

    /// Refuses what [`Users::create_user`] refuses, and makes nobody.
    pub async fn check_new(&self, email: &Email, name: &Name, password: &NewPassword) -> Result<(), AuthError> {
        self.password_rules.check(password, email, name)?;
        match self.user(FindUser::Email(email.clone())).await {
            Ok(_) => Err(AuthError::EmailTaken),
            Err(AuthError::UnknownUser) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn new_user(
        &self,
        email: Email,
        name: String,
        password: NewPassword,
        roles: BTreeSet<Role>,
    ) -> Result<NewUser, AuthError> {
        self.password_rules.check(&password, &email, &name)?;
        let password_hash = self.hashing.hash(password.into_password()).await?;
        let created_at = self.clock.now();
        Ok(NewUser { id: UserId::new(created_at, &self.random), email, name, password_hash, roles, created_at })
    }

    /// Users, newest first.
    pub async fn list_users(&self, filter: UserFilter, window: Window) -> Result<Page<User>, AuthError> {
        list_users(&self.database, filter, window).await
    }

    /// Changes what a user is called who may still log in.
    pub(crate) async fn rename(&self, call: &Call, id: UserId, name: Name) -> Result<User, AuthError> {
        let rename = move |db: &mut Db, user: &User| match user.disabled {
            false => users::set_name(db, &user.id, &name),
            true => refuse(AuthError::UnknownUser),
        };
        self.change(self.entry(call, "user.changed", &json!({"name": true})), FindUser::Id(id), rename).await
    }

    /// Changes a user. The last admin stays one.
    pub async fn change_user(&self, call: &Call, id: UserId, change: UserChange) -> Result<User, AuthError> {
        let now = self.clock.now();
        let UserChange { name, roles, disabled } = &change;
        let detail = json!({"name": name.is_some(), "roles": roles, "disabled": disabled});
        let entry = self.entry(call, "user.changed", &detail);
        let work = move |db: &mut Db, user: &User| {
            if let Some(name) = &change.name {
                users::set_name(db, &user.id, name)?;
            }
            let had: BTreeSet<Role> = user.roles.iter().copied().collect();
            if let Some(roles) = change.roles.as_ref().filter(|roles| **roles != had) {
                users::set_roles(db, &user.id, roles)?;
            }
            if let Some(disabled) = change.disabled.filter(|disabled| *disabled != user.disabled) {
                users::set_disabled(db, &user.id, disabled)?;
                if disabled {
                    sessions::end_all(db, &user.id, End::Disabled, now)?;
                }
            }
            let was_admin = had.contains(&Role::Admin) && !user.disabled;
            if was_admin { users::keep_an_admin(db) } else { Ok(()) }
        };
        self.change(entry, FindUser::Id(id), work).await
    }

    /// Looks a user up by address or id.
    pub async fn user(&self, who: FindUser) -> Result<User, AuthError> {
        let name = match &who {
            FindUser::Id(id) => id.to_string(),
            FindUser::Email(email) => email.to_string(),
        };
        if let Some(known) = self.known.get(&name) {
            return Ok(known);
        }
        let since = self.known.generation();
        let user = self.database.read(move |db| users::need(db, &who)).await?;
        self.known.keep(name, user.clone(), since);
        Ok(user)
    }

    /// Makes `roles` all the roles of a user; tokens that are issued from now on carry them.
    pub async fn set_roles(&self, call: &Call, who: FindUser, roles: BTreeSet<Role>) -> Result<User, AuthError> {
        let entry = self.entry(call, "user.changed", &json!({"roles": roles}));
        self.change(entry, who, move |db, user| users::set_roles(db, &user.id, &roles)).await
    }

    /// Gives a user one more role.
    pub async fn add_role(&self, call: &Call, who: FindUser, role: Role) -> Result<User, AuthError> {
        let entry = self.entry(call, "user.changed", &json!({"added_role": role}));
        let add = move |db: &mut Db, user: &User| {
            let roles = user.roles.iter().copied().chain([role]).collect();
            users::set_roles(db, &user.id, &roles)
        };
        self.change(entry, who, add).await
    }

    /// Ends a user's sessions and lets nobody log in as that user.
    pub async fn disable(&self, call: &Call, who: FindUser) -> Result<User, AuthError> {
        let now = self.clock.now();
        let entry = self.entry(call, "user.changed", &json!({"disabled": true}));
        let disable = move |db: &mut Db, user: &User| {
            users::set_disabled(db, &user.id, true)?;
            sessions::end_all(db, &user.id, End::Disabled, now)
        };
        self.change(entry, who, disable).await
    }

    /// Lets a disabled user log in again.
    pub async fn enable(&self, call: &Call, who: FindUser) -> Result<User, AuthError> {
        let entry = self.entry(call, "user.changed", &json!({"disabled": false}));
        self.change(entry, who, |db, user| users::set_disabled(db, &user.id, false)).await
    }

    /// Refuses what [`Users::set_password`] refuses, and sets nothing.
    pub async fn check_password(&self, who: FindUser, password: &NewPassword) -> Result<User, AuthError> {
        let user = self.user(who).await?;
        if let Some(email) = Email::parse(&user.email) {
            self.password_rules.check(password, &email, &user.name)?;
        }
        Ok(user)
    }

    /// Sets a user's password and ends all sessions.
    pub async fn set_password(&self, call: &Call, who: FindUser, password: NewPassword) -> Result<User, AuthError> {
        let known = self.check_password(who.clone(), &password).await?;
        let account = Email::parse(&known.email).map(|email| self.account_of(&email));
        let hash = self.hashing.hash(password.into_password()).await?;
        let now = self.clock.now();
        let set = move |db: &mut Db, user: &User| {
            users::set_password(db, &user.id, &hash)?;
            if let Some(account) = &account {
                throttle::forgive(db, account)?;
            }
            sessions::end_all(db, &user.id, End::Password, now)
        };
        self.change(self.entry(call, "password.set", &json!({})), who, set).await
    }

    /// Whether anybody is an admin.
    pub async fn has_admin(&self) -> Result<bool, AuthError> {
        self.database.read(users::has_admin).await
    }

    /// Changes a user that there is, writes down who did so, and says what the user is then. What was written down is not
    /// done again.
    pub(crate) async fn change<F>(&self, entry: Entry, who: FindUser, work: F) -> Result<User, AuthError>
    where
        F: Fn(&mut Db, &User) -> Done<()> + Send + 'static,
    {
        let change = move |db: &mut Db| {
            let id = users::need(db, &who)?.id;
            users::lock(db, &id)?;
            let user = users::need(db, &FindUser::Id(id))?;
            if audit::was_written(db, &entry)? {
                return Ok(user);
            }
            if user.is_erased() {
                return refuse(AuthError::UnknownUser);
            }
            work(db, &user)?;
            audit::write(db, &entry.clone().to(user.id.as_str()))?;
            users::need(db, &FindUser::Id(user.id))
        };
        self.written(Stale::Everything, change).await
    }

    /// Changes one session.
    pub(crate) async fn change_session<T, F>(&self, session: SessionId, work: F) -> Result<T, AuthError>
    where
        T: Send + 'static,
        F: Fn(&mut Db) -> Done<T> + Send + 'static,
    {
        self.written(Stale::Keys(vec![session.to_string()]), work).await
    }

    /// Writes, and forgets what was read of that before.
    pub(crate) async fn written<T, F>(&self, stale: Stale, work: F) -> Result<T, AuthError>
    where
        T: Send + 'static,
        F: Fn(&mut Db) -> Done<T> + Send + 'static,
    {
        let done = stale.clone();
        self.written_with(stale, move |db: &mut Db| Ok((work(db)?, done.clone()))).await
    }

    /// Writes, and forgets what the work says; where it failed, what may have been changed.
    pub(crate) async fn written_with<T, F>(&self, failed: Stale, work: F) -> Result<T, AuthError>
    where
        T: Send + 'static,
        F: Fn(&mut Db) -> Done<(T, Stale)> + Send + 'static,
    {
        let (database, known, revoked) = (self.database.clone(), self.known.clone(), self.revoked.clone());
        // A task of its own: what is written is also forgotten when nobody waits for it any more.
        let written = tokio::spawn(async move {
            let written = database.write(work).await;
            // Also when it is not known whether it was done.
            let stale = written.as_ref().map_or(&failed, |(_, stale)| stale);
            known.forget(stale);
            revoked.forget(stale);
            written.map(|(value, _)| value)
        });
        written.await.unwrap_or_else(|_| Err(Outage::Internal.into()))
    }

    /// Whether what was granted has been taken back.
    pub(crate) async fn is_revoked(&self, grant: Grant) -> Result<bool, AuthError> {
        let name = grant.session.to_string();
        // Where other processes write as well, what is kept may be a second old, which is too old for this.
        let alone = !self.database.is_shared();
        if let Some((_, revoked)) = self.revoked.get(&name).filter(|(known, _)| alone && *known == grant) {
            return Ok(revoked);
        }
        let (since, asked) = (self.revoked.generation(), grant.clone());
        let revoked = self.database.read(move |db| sessions::is_revoked(db, &asked)).await?;
        self.revoked.keep(name, (grant, revoked), since);
        Ok(revoked)
    }
}
