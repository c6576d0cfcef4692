//! Backups: a consistent copy of a live database, checked before it counts.

use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::{Db, OpenError, Url, connection};

#[derive(QueryableByName)]
struct Verdict {
    #[diesel(sql_type = Text)]
    verdict: String,
}

/// Copies the database at `from` to the new file `to`, readable by its owner alone, and checks the copy.
pub fn backup(from: &Url, to: &Path) -> Result<(), OpenError> {
    let copy = Url::file(to);
    connection::create_folder(&copy)?;
    if to.exists() {
        let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(OpenError::File { path: to.to_owned(), source });
    }
    connection::create_file(to)?;
    let target = to.to_str().ok_or_else(|| OpenError::UnknownUrl(to.display().to_string()))?;
    let Db::Sqlite(source) = &mut connection::open_copier(from)?;
    let failed = |error: diesel::result::Error| OpenError::Connection(error.to_string());
    #[expect(clippy::disallowed_methods, reason = "vacuum and pragmas have no query builder")]
    {
        diesel::sql_query("vacuum into ?").bind::<Text, _>(target).execute(source).map_err(failed)?;
        let Db::Sqlite(copied) = &mut connection::open_reader(&copy)?;
        let query = "select integrity_check as verdict from pragma_integrity_check";
        let check: Verdict = diesel::sql_query(query).get_result(copied).map_err(failed)?;
        if check.verdict != "ok" {
            return Err(OpenError::Connection(format!("the copy is damaged: {}", check.verdict)));
        }
    }
    Ok(())
}
