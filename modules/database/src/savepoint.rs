//! A part of a transaction that can be undone alone.

use diesel::connection::SimpleConnection;

use crate::{Db, Failure};

/// Undoes what the running job has done so far and lets it go on: cheaper than a savepoint where nearly every effect
/// succeeds. For jobs of the writer only.
pub(crate) fn undo_job<E>(db: &mut Db) -> Result<(), Failure<E>> {
    Ok(db.batch_execute("rollback to job")?)
}

/// Runs `work`; when it fails, its changes are undone and the transaction goes on.
pub fn savepoint<T, E>(db: &mut Db, work: impl FnOnce(&mut Db) -> Result<T, Failure<E>>) -> Result<T, Failure<E>> {
    db.batch_execute("savepoint part")?;
    let result = work(db);
    let end = if result.is_ok() { "release part" } else { "rollback to part; release part" };
    // When the engine itself ended the transaction, nothing the work says holds any more but the storage's own error.
    match (db.batch_execute(end), &result) {
        (Err(error), Ok(_) | Err(Failure::Refused(_))) => Err(error.into()),
        _ => result,
    }
}
