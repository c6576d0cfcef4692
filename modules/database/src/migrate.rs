//! Migrations: a module's own and the tables every module has, as one source.

use std::collections::BTreeSet;
use std::path::Path;

use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationSource};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::connection::{open_reader, open_writer};
#[cfg(feature = "mysql")]
use crate::mysql::Repeatable;
use crate::{Db, OpenError, Url};

/// Embeds the migrations of a module; the path is relative to the module's manifest.
pub use diesel_migrations::embed_migrations as embedded;

const OWN_ON_SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/database/sqlite");
#[cfg(feature = "mysql")]
const OWN_ON_MYSQL: EmbeddedMigrations = embed_migrations!("../../migrations/database/mysql");

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

/// The migrations of a module: twins with the same names, one for each kind of engine.
#[derive(Clone, Copy)]
pub struct Migrations {
    sqlite: &'static EmbeddedMigrations,
    #[cfg_attr(not(feature = "mysql"), expect(dead_code, reason = "this build has no such engine"))]
    mysql: &'static EmbeddedMigrations,
}

/// Calls a function that is generic over the engine's connection.
macro_rules! on_engine {
    ($db:expr, $connection:ident => $call:expr) => {
        match $db {
            Db::Sqlite($connection) => $call,
            #[cfg(feature = "mysql")]
            Db::Mysql($connection) => $call,
        }
    };
}

impl Migrations {
    /// A module's own, besides those of this crate.
    pub const fn new(sqlite: &'static EmbeddedMigrations, mysql: &'static EmbeddedMigrations) -> Self {
        Self { sqlite, mysql }
    }

    /// Brings the schema up to date.
    pub(crate) fn run(&self, db: &mut Db) -> Result<(), MigrationError> {
        self.refuse_newer(db)?;
        on_engine!(db, connection => connection.run_pending_migrations(*self).map(drop).map_err(failed))
    }

    /// Checks that the schema is exactly what this build knows.
    pub(crate) fn check(&self, db: &mut Db) -> Result<(), MigrationError> {
        let missing = self.missing(db)?.pop();
        missing.map_or(Ok(()), |last| Err(MigrationError::Older(last)))
    }

    /// What would be carried out if the database were opened now, in order; nothing is changed or made.
    pub fn pending(&self, url: &Url) -> Result<Vec<String>, OpenError> {
        // A process that was killed while it created the database leaves an empty file.
        let empty = |path: &Path| std::fs::metadata(path).map_or(true, |file| file.len() == 0);
        if url.path().is_some_and(empty) || !url.exists()? {
            return Ok(names(self.of_sqlite()?));
        }
        Ok(self.missing(&mut open_reader(url)?)?)
    }

    fn missing(&self, db: &mut Db) -> Result<Vec<String>, MigrationError> {
        let applied = self.refuse_newer(db)?;
        let all = self.of_sqlite()?.into_iter();
        Ok(names(all.filter(|migration| !applied.contains(&migration.name().version().to_string())).collect()))
    }

    /// Undoes everything in a database that nobody has open, newest first.
    pub fn revert(&self, url: &Url) -> Result<(), OpenError> {
        let mut db = open_writer(url)?;
        Ok(on_engine!(&mut db, connection => connection.revert_all_migrations(*self).map(drop).map_err(failed))?)
    }

    /// The versions, in order; each names one migration.
    pub fn versions(&self) -> Result<Vec<String>, MigrationError> {
        Ok(self.of_sqlite()?.iter().map(|migration| migration.name().version().to_string()).collect())
    }

    fn of_sqlite(&self) -> Result<Vec<Box<dyn Migration<Sqlite>>>, MigrationError> {
        MigrationSource::<Sqlite>::migrations(self).map_err(failed)
    }

    /// The versions that the database has, which must all be known.
    fn refuse_newer(&self, db: &mut Db) -> Result<BTreeSet<String>, MigrationError> {
        let known: BTreeSet<String> = self.versions()?.into_iter().collect();
        let applied = applied(db)?;
        match applied.difference(&known).next() {
            Some(version) => Err(MigrationError::Newer(version.clone())),
            None => Ok(applied),
        }
    }
}

diesel::table! {
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

/// The versions that the database has. Asked without diesel's own help, which would create the table it asks.
fn applied(db: &mut Db) -> Result<BTreeSet<String>, MigrationError> {
    use crate::prelude::*;
    let versions = __diesel_schema_migrations::table.select(__diesel_schema_migrations::version).load(db);
    match versions {
        Ok(versions) => Ok(Vec::into_iter(versions).collect()),
        Err(error) if error.to_string().contains("no such table") || error.to_string().contains("doesn't exist") => {
            Ok(BTreeSet::new())
        }
        Err(error) => Err(failed(error)),
    }
}

fn names<DB: Backend>(migrations: Vec<Box<dyn Migration<DB>>>) -> Vec<String> {
    migrations.iter().map(|migration| migration.name().to_string()).collect()
}

fn failed(error: impl std::fmt::Display) -> MigrationError {
    MigrationError::Failed(error.to_string())
}

impl MigrationSource<Sqlite> for Migrations {
    fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn Migration<Sqlite>>>> {
        merged(&OWN_ON_SQLITE, self.sqlite)
    }
}

#[cfg(feature = "mysql")]
impl MigrationSource<diesel::mysql::Mysql> for Migrations {
    fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn Migration<diesel::mysql::Mysql>>>> {
        let all = merged::<diesel::mysql::Mysql>(&OWN_ON_MYSQL, self.mysql)?;
        Ok(all.into_iter().map(|migration| Box::new(Repeatable(migration)) as _).collect())
    }
}

fn merged<DB: Backend>(
    own: &EmbeddedMigrations,
    module: &EmbeddedMigrations,
) -> diesel::migration::Result<Vec<Box<dyn Migration<DB>>>> {
    let mut all = MigrationSource::<DB>::migrations(own)?;
    all.extend(MigrationSource::<DB>::migrations(module)?);
    all.sort_by_key(|migration| migration.name().version().as_owned());
    Ok(all)
}
