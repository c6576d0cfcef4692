//! Invitations: an admin names an address and roles, and whoever has the secret that comes of it becomes that user.

use std::collections::BTreeSet;
use std::time::Duration;

use emporium_auth_api::{AuthError, Email, FindUser, User, UserId};
use emporium_database::prelude::*;
use emporium_database::{Db, Failure, audit, idempotency, pair, refuse};
use emporium_kernel::{Call, Page, Role, Timestamp, Window, id};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::accounts::Name;
use crate::mail::{self, Content, Sealed};
use crate::password::NewPassword;
use crate::schema::invitation;
use crate::secret::{self, Secret};
use crate::users::{self, NewUser};
use crate::{Done, Users};

id!(
    /// Names an invitation.
    InvitationId = "inv"
);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an invitation is good.
const GOOD: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How many may be open.
const MOST_OPEN: u32 = 1_000;
/// How long one that expired is kept, for those who look into what happened.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const PRUNED_AT_ONCE: i64 = 500;

/// An invitation. It is gone when it is accepted, withdrawn or followed by another one for the same address.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Invitation {
    id: InvitationId,
    /// Who is invited.
    email: Email,
    /// What the user may do, in the order customer, supplier, staff, admin.
    roles: BTreeSet<Role>,
    /// The admin who made it; it is good only while this is one.
    invited_by: String,
    created_at: Timestamp,
    /// From when on it is good no more.
    expires_at: Timestamp,
}

/// An invitation that was just made.
#[derive(Serialize, JsonSchema)]
pub(crate) struct NewInvitation {
    #[serde(flatten)]
    invitation: Invitation,
    /// The secret to pass on, this once; absent when it is mailed.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// An invitation to be.
struct Opening {
    invitation: Invitation,
    token_hash: String,
    /// Absent where no mail leaves.
    letter: Option<Sealed>,
    command: String,
}

type Row = (String, String, String, String, i64, i64);
const COLUMNS: (
    invitation::id,
    invitation::email,
    invitation::roles,
    invitation::invited_by,
    invitation::created_at,
    invitation::expires_at,
) = (
    invitation::id,
    invitation::email,
    invitation::roles,
    invitation::invited_by,
    invitation::created_at,
    invitation::expires_at,
);

impl Users {
    /// Invites somebody who is no user yet. The one before for the same address is good no more.
    pub(crate) async fn invite(
        &self,
        call: &Call,
        email: Email,
        roles: BTreeSet<Role>,
    ) -> Result<NewInvitation, AuthError> {
        let (now, token) = (self.clock.now(), self.random.token::<32>());
        let (id, until) = (InvitationId::new(now, &self.random), now.plus(GOOD));
        let content = Content::Invited { token: token.clone(), days: GOOD.as_secs() / DAY.as_secs(), until };
        let letter = self.letter_to(email.clone(), content, now)?;
        let shown = letter.is_none().then(|| token.clone());
        let invited_by = call.caller.as_ref().map(|caller| caller.id.clone()).unwrap_or_default();
        let invitation = Invitation { id, email, roles, invited_by, created_at: now, expires_at: until };
        let opening = Opening {
            invitation: invitation.clone(),
            token_hash: secret::hash(&token),
            letter,
            command: self.random.token::<16>(),
        };
        let entry = self.entry(call, "invitation.made", &json!({"roles": invitation.roles}));
        let entry = entry.to(invitation.id.as_str());
        let write = move |db: &mut Db| {
            open(db, &opening)?;
            audit::write(db, &entry)
        };
        self.database.write(write).await?;
        Ok(NewInvitation { invitation, token: shown })
    }

    /// Makes the user whom an invitation is for. One that is refused leaves the invitation as it was.
    pub(crate) async fn accept(
        &self,
        call: &Call,
        token: &Secret,
        name: Name,
        password: NewPassword,
    ) -> Result<User, AuthError> {
        let (hash, now) = (secret::hash(token.as_str().trim()), self.clock.now());
        let offered = hash.clone();
        // Hashing a password for everybody who guesses would be a gift to them.
        let found = self.database.read(move |db| look(db, &offered, now)).await?;
        let Invitation { id, email, roles, .. } = found;
        let new = self.new_user(email, name.into_string(), password, roles).await?;
        let user = new.clone().into_user();
        let entry = self.entry(call, "user.created", &json!({"roles": user.roles, "invitation": id}));
        let entry = entry.to(user.id.as_str());
        let write = move |db: &mut Db| {
            redeem(db, &hash, &new)?;
            audit::write(db, &entry)
        };
        self.database.write(write).await?;
        Ok(user)
    }

    /// Ends an open invitation.
    pub(crate) async fn withdraw(&self, call: &Call, id: InvitationId) -> Result<(), AuthError> {
        let (now, command) = (self.clock.now(), self.random.token::<16>());
        let entry = self.entry(call, "invitation.withdrawn", &json!({})).to(id.as_str());
        let write = move |db: &mut Db| {
            withdraw(db, &id, &command, now)?;
            audit::write(db, &entry)
        };
        self.database.write(write).await
    }
}

/// Opens an invitation, in the place of the one before.
fn open(db: &mut Db, new: &Opening) -> Done<()> {
    let Invitation { email, created_at: now, .. } = &new.invitation;
    if idempotency::already_applied(db, &new.command, *now)? {
        return Ok(());
    }
    // First, so that whoever is just accepting the one before is a user when that is asked.
    diesel::delete(invitation::table.filter(invitation::email.eq(email.as_str()))).execute(db)?;
    if users::find(db, &FindUser::Email(email.clone()))?.is_some() {
        return refuse(AuthError::EmailTaken);
    }
    let others: i64 = invitation::table.filter(invitation::expires_at.gt(now.micros())).count().get_result(db)?;
    if others >= i64::from(MOST_OPEN) {
        return refuse(AuthError::TooManyInvitations { limit: MOST_OPEN });
    }
    insert(db, &new.invitation, &new.token_hash)?;
    match &new.letter {
        Some(letter) => mail::enqueue(db, letter),
        None => Ok(()),
    }
}

fn insert(db: &mut Db, new: &Invitation, token_hash: &str) -> Done<()> {
    let roles: Vec<&str> = new.roles.iter().map(|role| role.name()).collect();
    let row = (
        invitation::id.eq(new.id.as_str()),
        invitation::email.eq(new.email.as_str()),
        invitation::roles.eq(roles.join(",")),
        invitation::invited_by.eq(&new.invited_by),
        invitation::token_hash.eq(token_hash),
        invitation::created_at.eq(new.created_at.micros()),
        invitation::expires_at.eq(new.expires_at.micros()),
    );
    diesel::insert_into(invitation::table).values(row).execute(db)?;
    Ok(())
}

#[diesel::dsl::auto_type(no_type_alias)]
fn offered<'a>(hash: &'a str, now: Timestamp) -> _ {
    let now: i64 = now.micros();
    invitation::table.filter(invitation::token_hash.eq(hash).and(invitation::expires_at.gt(now)))
}

/// The open invitation that a secret belongs to, if its address is still free.
fn look(db: &mut Db, hash: &str, now: Timestamp) -> Done<Invitation> {
    let row: Option<Row> = offered(hash, now).select(COLUMNS).first(db).optional()?;
    let Some(row) = row else { return refuse(AuthError::InvalidInvitation) };
    let found = read(row)?;
    match users::find(db, &FindUser::Email(found.email.clone()))? {
        None => Ok(found),
        Some(_) => refuse(AuthError::EmailTaken),
    }
}

/// Uses an invitation up and makes its user, or does neither.
fn redeem(db: &mut Db, hash: &str, new: &NewUser) -> Done<()> {
    if users::exists(db, &new.id)? {
        return Ok(());
    }
    let by: Option<String> = offered(hash, new.created_at).select(invitation::invited_by).first(db).optional()?;
    let Some(by) = by.map(UserId::stored) else { return refuse(AuthError::InvalidInvitation) };
    // An invitation is the word of an admin, and of nobody who is none any more.
    users::lock(db, &by)?;
    let admin = users::find(db, &FindUser::Id(by))?.filter(|user| !user.disabled);
    if !admin.is_some_and(|user| user.roles.contains(&Role::Admin)) {
        return refuse(AuthError::InvalidInvitation);
    }
    if diesel::delete(offered(hash, new.created_at)).execute(db)? == 0 {
        return refuse(AuthError::InvalidInvitation);
    }
    users::insert(db, new)
}

/// Forgets the invitations for a user's address, and those that the user made.
pub(crate) fn remove_of(db: &mut Db, user: &User) -> Done<()> {
    let of = invitation::email.eq(&user.email).or(invitation::invited_by.eq(user.id.as_str()));
    diesel::delete(invitation::table.filter(of)).execute(db)?;
    Ok(())
}

fn withdraw(db: &mut Db, id: &InvitationId, command: &str, now: Timestamp) -> Done<()> {
    if idempotency::already_applied(db, command, now)? {
        return Ok(());
    }
    let open = invitation::id.eq(id.as_str()).and(invitation::expires_at.gt(now.micros()));
    let withdrawn = diesel::delete(invitation::table.filter(open)).execute(db)?;
    if withdrawn == 0 { refuse(AuthError::UnknownInvitation) } else { Ok(()) }
}

/// A page of open invitations, newest first.
pub(crate) fn list(db: &mut Db, now: Timestamp, window: &Window) -> Done<Page<Invitation>> {
    // Before everything that can be stored when no place is given.
    let (at, id) = window.after.as_ref().map_or((i64::MAX, ""), |after| (after.0.0, after.0.1.as_str()));
    let follows = pair(invitation::created_at, invitation::id).lt((at, id));
    let rows: Vec<Row> = invitation::table
        .filter(invitation::expires_at.gt(now.micros()))
        .filter(follows)
        .select(COLUMNS)
        .order((invitation::created_at.desc(), invitation::id.desc()))
        .limit(window.limit.probe())
        .load(db)?;
    let found = rows.into_iter().map(read).collect::<Done<Vec<Invitation>>>()?;
    Ok(Page::of(found, window.limit, |invitation| (invitation.created_at.micros(), invitation.id.to_string())))
}

fn read((id, email, roles, invited_by, created_at, expires_at): Row) -> Done<Invitation> {
    let roles = roles.split(',').map(Role::parse).collect::<Option<BTreeSet<Role>>>();
    let Some((email, roles)) = Email::parse(&email).zip(roles) else {
        return Err(Failure::corrupt(format!("invitation {id}")));
    };
    let (created_at, expires_at) = (Timestamp::from_micros(created_at), Timestamp::from_micros(expires_at));
    Ok(Invitation { id: InvitationId::stored(id), email, roles, invited_by, created_at, expires_at })
}

/// Forgets invitations that expired more than 30 days ago, at most 500.
pub(crate) fn prune(db: &mut Db, now: Timestamp) -> Done<()> {
    let oldest = now.minus(KEPT).micros();
    let old: Vec<String> = invitation::table
        .filter(invitation::expires_at.lt(oldest))
        .select(invitation::id)
        .limit(PRUNED_AT_ONCE)
        .load(db)?;
    diesel::delete(invitation::table.filter(invitation::id.eq_any(old))).execute(db)?;
    Ok(())
}
