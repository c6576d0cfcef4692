//! Migrations: a module's own and the tables every module has, as one source.

use std::collections::BTreeSet;

use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::connection::open_reader;
use crate::{Db, OpenError, Url};

/// Embeds the migrations of a module; the path is relative to the module's manifest.
pub use diesel_migrations::embed_migrations as embedded;

const OWN: EmbeddedMigrations = embed_migrations!("../../migrations/database/sqlite");

/// Why a schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// A migration failed; what it began was undone.
    #[error("a migration failed: {0}")]
    Failed(String),
    /// A newer build has migrated this database.
    #[error("the database is newer than this build (it knows {0}); use the newer build")]
    Newer(String),
    /// The database is older than this build.
    #[error("the database is not migrated to {0}; run `emporium migrate` or `emporium serve` first")]
    Older(String),
}

/// The migrations of a module.
#[derive(Clone, Copy)]
pub struct Migrations {
    sqlite: EmbeddedMigrationsRef,
}

type EmbeddedMigrationsRef = &'static EmbeddedMigrations;

impl Migrations {
    /// A module's own, besides those of this crate.
    pub const fn new(sqlite: &'static EmbeddedMigrations) -> Self {
        Self { sqlite }
    }

    /// Brings the schema up to date.
    pub(crate) fn run(&self, db: &mut Db) -> Result<(), MigrationError> {
        self.refuse_newer(db)?;
        let Db::Sqlite(sqlite) = db;
        sqlite.run_pending_migrations(*self).map(drop).map_err(failed)
    }

    /// Checks that the schema is exactly what this build knows.
    pub(crate) fn check(&self, db: &mut Db) -> Result<(), MigrationError> {
        let missing = self.missing(db)?.pop();
        missing.map_or(Ok(()), |last| Err(MigrationError::Older(last)))
    }

    /// What would be carried out if the database were opened now, in order; nothing is changed or made.
    pub fn pending(&self, url: &Url) -> Result<Vec<String>, OpenError> {
        // A process that was killed while it created the database leaves an empty file.
        if std::fs::metadata(url.path()).is_ok_and(|file| file.len() > 0) {
            return Ok(self.missing(&mut open_reader(url)?)?);
        }
        let all = MigrationSource::<Sqlite>::migrations(self).map_err(failed)?;
        Ok(all.iter().map(|migration| migration.name().to_string()).collect())
    }

    fn missing(&self, db: &mut Db) -> Result<Vec<String>, MigrationError> {
        self.refuse_newer(db)?;
        let Db::Sqlite(sqlite) = db;
        let pending = sqlite.pending_migrations(*self).map_err(failed)?;
        Ok(pending.iter().map(|migration| migration.name().to_string()).collect())
    }

    /// Undoes everything, newest first.
    pub fn revert(&self, db: &mut Db) -> Result<(), MigrationError> {
        let Db::Sqlite(sqlite) = db;
        sqlite.revert_all_migrations(*self).map(drop).map_err(failed)
    }

    /// The versions, in order; each names one migration.
    pub fn versions(&self) -> Result<Vec<String>, MigrationError> {
        let all = MigrationSource::<Sqlite>::migrations(self).map_err(failed)?;
        Ok(all.iter().map(|migration| migration.name().version().to_string()).collect())
    }

    fn refuse_newer(&self, db: &mut Db) -> Result<(), MigrationError> {
        let known: BTreeSet<String> = self.versions()?.into_iter().collect();
        let Db::Sqlite(sqlite) = db;
        let applied: Vec<MigrationVersion<'_>> = sqlite.applied_migrations().map_err(failed)?;
        let unknown = applied.iter().map(ToString::to_string).find(|version| !known.contains(version));
        unknown.map_or(Ok(()), |version| Err(MigrationError::Newer(version)))
    }
}

fn failed(error: impl std::fmt::Display) -> MigrationError {
    MigrationError::Failed(error.to_string())
}

impl MigrationSource<Sqlite> for Migrations {
    fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn Migration<Sqlite>>>> {
        let mut all = MigrationSource::<Sqlite>::migrations(&OWN)?;
        all.extend(MigrationSource::<Sqlite>::migrations(self.sqlite)?);
        all.sort_by_key(|migration| migration.name().version().as_owned());
        Ok(all)
    }
}
