//! Freezes: users who may not spend for now, in accounts they have and in those they will have.

use diesel::result::{DatabaseErrorKind, Error};
use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_kernel::Timestamp;

use crate::Done;
use crate::account::Kind;
use crate::schema::{account, frozen_wallet};
use crate::stored::Word;

/// Whether new debits of a user are stopped.
pub(crate) fn is_frozen(db: &mut Db, user: &str) -> Done<bool> {
    let found = frozen_wallet::table.filter(frozen_wallet::owner.eq(user)).select(frozen_wallet::owner);
    Ok(found.first::<String>(db).optional()?.is_some())
}

/// [`is_frozen`], and it stays so until this transaction ends. The row is put there and taken away
/// again, since one that is not there cannot be locked.
pub(crate) fn lock(db: &mut Db, user: &str) -> Done<bool> {
    let row = (frozen_wallet::owner.eq(user), frozen_wallet::actor.eq(""), frozen_wallet::created_at.eq(0));
    match diesel::insert_into(frozen_wallet::table).values(row).execute(db) {
        Ok(_) => {
            diesel::delete(frozen_wallet::table.filter(frozen_wallet::owner.eq(user))).execute(db)?;
            Ok(false)
        }
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Stops new debits of a user, in accounts that are opened later as well. Repeating it changes nothing.
pub(crate) fn freeze(db: &mut Db, user: &str, reason: Option<&str>, actor: &str, now: Timestamp) -> Done<()> {
    if !lock(db, user)? {
        let row = (
            frozen_wallet::owner.eq(user),
            frozen_wallet::reason.eq(reason),
            frozen_wallet::actor.eq(actor),
            frozen_wallet::created_at.eq(now.micros()),
        );
        diesel::insert_into(frozen_wallet::table).values(row).execute(db)?;
    }
    set_frozen(db, user, 1)
}

/// Lets a user spend again. Repeating it changes nothing.
pub(crate) fn unfreeze(db: &mut Db, user: &str) -> Done<()> {
    lock(db, user)?;
    diesel::delete(frozen_wallet::table.filter(frozen_wallet::owner.eq(user))).execute(db)?;
    set_frozen(db, user, 0)
}

fn set_frozen(db: &mut Db, user: &str, frozen: i32) -> Done<()> {
    let wallets = account::table.filter(account::kind.eq(Kind::User.text()).and(account::owner.eq(user)));
    diesel::update(wallets).set(account::frozen.eq(frozen)).execute(db)?;
    Ok(())
}
