//! Postal addresses that users keep, and which of them is the default for what.

mod country;
mod fields;

use emporium_auth_api::{AuthError, FindUser, UserId};
use emporium_database::idempotency::{self, Turn};
use emporium_database::prelude::*;
use emporium_database::{Db, overtaken, pair, refuse};
use emporium_kernel::{ETag, Idempotency, Page, Timestamp, Window};

use crate::schema::address;
use crate::{Done, Users, users};

pub(crate) use fields::{Address, AddressChange, AddressId, NewAddress};

use fields::Row;

/// Addresses of a user, at most.
const MOST: u32 = 50;

/// An address that was kept for a request.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) address: Address,
    /// Whether an earlier request with the same key made it.
    pub(crate) again: bool,
}

impl Users {
    /// Keeps one more address of a user; once for a key, when there is one.
    pub(crate) async fn create_address(
        &self,
        user: UserId,
        key: Option<Idempotency>,
        new: NewAddress,
    ) -> Result<Made, AuthError> {
        let now = self.clock.now();
        let id = AddressId::new(now, &self.random);
        let make = move |db: &mut Db| {
            match idempotency::turn(db, key.as_ref(), id.as_str(), now)? {
                Turn::First => {}
                Turn::Again(made) => {
                    return Ok(Made { address: need(db, &user, &AddressId::stored(made))?.into(), again: true });
                }
                Turn::Reused => return refuse(AuthError::IdempotencyKeyReused),
            }
            if !idempotency::already_applied(db, id.as_str(), now)? {
                insert(db, &user, &id, &new, now)?;
            }
            Ok(Made { address: need(db, &user, &id)?.into(), again: false })
        };
        self.database.write(make).await
    }

    /// A page of a user's addresses, newest first.
    pub(crate) async fn list_addresses(&self, user: UserId, window: Window) -> Result<Page<Address>, AuthError> {
        self.database.read(move |db| page(db, &user, &window)).await
    }

    /// An address of a user.
    pub(crate) async fn address(&self, user: UserId, id: AddressId) -> Result<Address, AuthError> {
        self.database.read(move |db| need(db, &user, &id).map(Address::from)).await
    }

    /// Changes an address of a user whose version is `seen`, or whichever version it has when that is `None`.
    pub(crate) async fn change_address(
        &self,
        user: UserId,
        id: AddressId,
        seen: Option<i64>,
        change: AddressChange,
    ) -> Result<Address, AuthError> {
        let (now, command) = (self.clock.now(), self.random.token::<16>());
        let work = move |db: &mut Db| {
            if !idempotency::already_applied(db, &command, now)? {
                hold(db, &user)?;
                let current = need(db, &user, &id)?;
                if seen.is_some_and(|seen| seen != current.version) {
                    let current_version = ETag(current.version).to_string();
                    return refuse(AuthError::StaleVersion { current_version });
                }
                replace(db, current, &change, now)?;
            }
            need(db, &user, &id).map(Address::from)
        };
        self.database.write(work).await
    }

    /// Forgets an address of a user. When it was a default, there is none from then on.
    pub(crate) async fn remove_address(&self, user: UserId, id: AddressId) -> Result<(), AuthError> {
        let (now, command) = (self.clock.now(), self.random.token::<16>());
        let work = move |db: &mut Db| {
            if idempotency::already_applied(db, &command, now)? {
                return Ok(());
            }
            let removed = diesel::delete(own(&user, &id)).execute(db)?;
            if removed == 1 { Ok(()) } else { refuse(AuthError::UnknownAddress) }
        };
        self.database.write(work).await
    }
}

/// All addresses of a user, newest first.
pub(crate) fn all(db: &mut Db, user: &UserId) -> Done<Vec<Address>> {
    let rows: Vec<Row> = address::table
        .filter(address::user_id.eq(user.as_str()))
        .order((address::created_at.desc(), address::id.desc()))
        .limit(i64::from(MOST))
        .load(db)?;
    Ok(rows.into_iter().map(Address::from).collect())
}

/// Forgets all addresses of a user; doing it again changes nothing.
pub(crate) fn remove_all(db: &mut Db, user: &UserId) -> Done<()> {
    diesel::delete(address::table.filter(address::user_id.eq(user.as_str()))).execute(db)?;
    Ok(())
}

#[diesel::dsl::auto_type(no_type_alias)]
fn own<'a>(owner: &'a UserId, name: &'a AddressId) -> _ {
    let (user, id): (&'a str, &'a str) = (owner.as_str(), name.as_str());
    address::table.filter(address::id.eq(id).and(address::user_id.eq(user)))
}

/// The address of a user; a foreign one is as if it were not there.
fn need(db: &mut Db, user: &UserId, id: &AddressId) -> Done<Row> {
    let row: Option<Row> = own(user, id).first(db).optional()?;
    row.map_or_else(|| refuse(AuthError::UnknownAddress), Ok)
}

fn page(db: &mut Db, user: &UserId, window: &Window) -> Done<Page<Address>> {
    // Before everything that can be stored when no place is given.
    let (at, id) = window.after.as_ref().map_or((i64::MAX, ""), |after| (after.0.0, after.0.1.as_str()));
    let follows = pair(address::created_at, address::id).lt((at, id));
    let rows: Vec<Row> = address::table
        .filter(address::user_id.eq(user.as_str()))
        .filter(follows)
        .order((address::created_at.desc(), address::id.desc()))
        .limit(window.limit.probe())
        .load(db)?;
    let addresses: Vec<Address> = rows.into_iter().map(Address::from).collect();
    Ok(Page::of(addresses, window.limit, |one| (one.created_at.micros(), one.id.to_string())))
}

/// Lets no other transaction count the addresses of a user or move a default before this one has ended. Whoever was
/// erased or may not log in any more keeps no further ones.
fn hold(db: &mut Db, user: &UserId) -> Done<()> {
    users::lock(db, user)?;
    let user = users::need(db, &FindUser::Id(user.clone()))?;
    if user.disabled { refuse(AuthError::UnknownUser) } else { Ok(()) }
}

fn insert(db: &mut Db, user: &UserId, id: &AddressId, new: &NewAddress, now: Timestamp) -> Done<()> {
    hold(db, user)?;
    let kept: i64 = address::table.filter(address::user_id.eq(user.as_str())).count().get_result(db)?;
    if kept >= i64::from(MOST) {
        return refuse(AuthError::TooManyAddresses { limit: MOST });
    }
    let row = new.clone().into_row(id, user, kept == 0, now);
    take_defaults(db, &row, now)?;
    diesel::insert_into(address::table).values(&row).execute(db)?;
    Ok(())
}

/// Makes `current`, read in this transaction, what is asked for. What is that already keeps its version.
fn replace(db: &mut Db, current: Row, change: &AddressChange, now: Timestamp) -> Done<()> {
    let wanted = change.clone().on(current.clone());
    if wanted == current {
        return Ok(());
    }
    take_defaults(db, &wanted, now)?;
    let same = address::id.eq(&wanted.id).and(address::version.eq(current.version));
    let row = (
        (address::name.eq(&wanted.name), address::company.eq(wanted.company.as_deref())),
        (address::line1.eq(&wanted.line1), address::line2.eq(wanted.line2.as_deref())),
        (address::city.eq(&wanted.city), address::region.eq(wanted.region.as_deref())),
        (address::postal_code.eq(wanted.postal_code.as_deref()), address::country.eq(&wanted.country)),
        address::phone.eq(wanted.phone.as_deref()),
        address::is_default_shipping.eq(wanted.is_default_shipping),
        address::is_default_billing.eq(wanted.is_default_billing),
        (address::version.eq(address::version + 1), address::updated_at.eq(now.micros())),
    );
    let changed = diesel::update(address::table.filter(same)).set(row).execute(db)?;
    // It was read in this transaction.
    if changed == 0 { overtaken() } else { Ok(()) }
}

/// Takes from the user's other addresses the defaults that `row` is to have.
fn take_defaults(db: &mut Db, row: &Row, now: Timestamp) -> Done<()> {
    let others = || address::table.filter(address::user_id.eq(&row.user_id).and(address::id.ne(&row.id)));
    if row.is_default_shipping == 1 {
        diesel::update(others().filter(address::is_default_shipping.eq(1)))
            .set((
                address::is_default_shipping.eq(0),
                address::version.eq(address::version + 1),
                address::updated_at.eq(now.micros()),
            ))
            .execute(db)?;
    }
    if row.is_default_billing == 1 {
        diesel::update(others().filter(address::is_default_billing.eq(1)))
            .set((
                address::is_default_billing.eq(0),
                address::version.eq(address::version + 1),
                address::updated_at.eq(now.micros()),
            ))
            .execute(db)?;
    }
    Ok(())
}
