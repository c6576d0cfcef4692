//! Backups: a consistent copy of a live database, checked before it counts.

use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::{OpenError, Url, sqlite};

#[derive(QueryableByName)]
struct Verdict {
    #[diesel(sql_type = Text)]
    verdict: String,
}

/// Copies the database file at `from` to the new file `to`, readable by its owner alone. It has that name only once it
/// is whole, checked and on the disk. What a server keeps is the server's to copy.
pub fn backup(from: &Url, to: &Path) -> Result<(), OpenError> {
    let from = from.path().ok_or_else(|| OpenError::NotAFile(from.clone()))?;
    sqlite::create_folder(to)?;
    if to.exists() {
        let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(OpenError::File { path: to.to_owned(), source });
    }
    let partial = to.with_extension("partial");
    let failed = |source| OpenError::File { path: to.to_owned(), source };
    if partial.exists() {
        std::fs::remove_file(&partial).map_err(failed)?;
    }
    copy(from, &partial)?;
    sqlite::create_file(&partial)?.sync_all().map_err(failed)?;
    std::fs::rename(&partial, to).map_err(failed)
}

fn copy(from: &Path, to: &Path) -> Result<(), OpenError> {
    sqlite::create_file(to)?;
    let target = to.to_str().ok_or_else(|| OpenError::UnknownUrl(to.display().to_string()))?;
    let source = &mut sqlite::open_copier(from)?;
    let failed = |error: diesel::result::Error| OpenError::Connection(error.to_string());
    #[expect(clippy::disallowed_methods, reason = "vacuum and pragmas have no query builder")]
    {
        diesel::sql_query("vacuum into ?").bind::<Text, _>(target).execute(source).map_err(failed)?;
        let copied = &mut sqlite::open_copier(to)?;
        let query = "select integrity_check as verdict from pragma_integrity_check";
        let check: Verdict = diesel::sql_query(query).get_result(copied).map_err(failed)?;
        if check.verdict != "ok" {
            return Err(OpenError::Connection(format!("the copy is damaged: {}", check.verdict)));
        }
    }
    Ok(())
}
