//! A part of a transaction that can be undone alone.

use diesel::QueryResult;

use crate::statement::control;
use crate::{Db, Failure};

/// Undoes what the running job has done so far and lets it go on: cheaper than a savepoint where nearly every effect
/// succeeds. For writes only.
pub(crate) fn undo_job<E>(db: &mut Db) -> Result<(), Failure<E>> {
    let text = match db {
        Db::Sqlite(_) => "rollback to job",
        // There a job has a transaction of its own, and what it does next begins another.
        #[cfg(feature = "mysql")]
        Db::Mysql(_) => "rollback",
    };
    Ok(control(db, text)?)
}

/// Runs `work`; when it fails, its changes are undone and the transaction goes on.
pub fn savepoint<T, E>(db: &mut Db, work: impl FnOnce(&mut Db) -> Result<T, Failure<E>>) -> Result<T, Failure<E>> {
    control(db, "savepoint part")?;
    let result = work(db);
    let end = end(db, result.is_ok());
    // When the engine itself ended the transaction, nothing the work says holds any more but the storage's own error.
    match (end, &result) {
        (Err(error), Ok(_) | Err(Failure::Refused(_))) => Err(error.into()),
        _ => result,
    }
}

fn end(db: &mut Db, kept: bool) -> QueryResult<()> {
    if !kept {
        control(db, "rollback to savepoint part")?;
    }
    control(db, "release savepoint part")
}
