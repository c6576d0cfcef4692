//! Migrations that can be carried out twice: the server commits each definition by itself, so a process that is killed
//! may have carried one out that nobody noted.

use diesel::connection::BoxableConnection;
use diesel::migration::{Migration, MigrationMetadata, MigrationName, Result};
use diesel::mysql::Mysql;

/// One whose definition adds or drops columns. There is no portable `if not exists` for these, so the server's word
/// that it is done already counts. An `alter table` is done whole or not at all (MySQL 8, MariaDB 10.6).
pub(crate) struct Repeatable(pub(crate) Box<dyn Migration<Mysql>>);

impl Migration<Mysql> for Repeatable {
    fn run(&self, connection: &mut dyn BoxableConnection<Mysql>) -> Result<()> {
        unless_done(self.0.run(connection), "Duplicate column name")
    }

    fn revert(&self, connection: &mut dyn BoxableConnection<Mysql>) -> Result<()> {
        unless_done(self.0.revert(connection), "check that it exists")
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self.0.metadata()
    }

    fn name(&self) -> &dyn MigrationName {
        self.0.name()
    }
}

fn unless_done(outcome: Result<()>, done_already: &str) -> Result<()> {
    outcome.or_else(|error| if error.to_string().contains(done_already) { Ok(()) } else { Err(error) })
}
