//! Migrations that can be carried out twice: the server commits each definition by itself, so a process that is killed
//! may have carried one out that nobody noted.

use diesel::connection::BoxableConnection;
use diesel::migration::{Migration, MigrationMetadata, MigrationName, Result};
use diesel::mysql::Mysql;

/// One whose definition adds or drops columns and keys. There is no portable `if not exists` for these, so the server's word
/// that it is done already counts. An `alter table` is done whole or not at all (MySQL 8, MariaDB 10.6).
pub(crate) struct Repeatable(pub(crate) Box<dyn Migration<Mysql>>);

impl Migration<Mysql> for Repeatable {
    fn run(&self, connection: &mut dyn BoxableConnection<Mysql>) -> Result<()> {
        unless_done(self.0.run(connection))
    }

    fn revert(&self, connection: &mut dyn BoxableConnection<Mysql>) -> Result<()> {
        unless_done(self.0.revert(connection))
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self.0.metadata()
    }

    fn name(&self) -> &dyn MigrationName {
        self.0.name()
    }
}

/// Of a column or a key that is there already; of a column, a key or a constraint that is gone, by MariaDB and by MySQL.
const DONE: [&str; 4] =
    ["Duplicate column name", "Duplicate key name", "check that it exists", "check that column/key exists"];

fn unless_done(outcome: Result<()>) -> Result<()> {
    outcome.or_else(|error| if says_done(&error.to_string()) { Ok(()) } else { Err(error) })
}

fn says_done(message: &str) -> bool {
    // MySQL's words for a constraint that is dropped without its kind.
    let no_constraint = message.contains("Constraint '") && message.contains("' does not exist");
    no_constraint || DONE.iter().any(|done| message.contains(done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_already_is_told_from_what_failed() {
        for done in [
            "Duplicate column name 'tax'",
            "Duplicate key name 'orders_by_standing'",
            "Can't DROP INDEX `orders_by_standing`; check that it exists",
            "Can't DROP COLUMN `tax`; check that it exists",
            "Can't DROP CONSTRAINT `order_line_tax`; check that it exists",
            "Can't DROP 'tax'; check that column/key exists",
            "Constraint 'order_line_tax' does not exist.",
        ] {
            assert!(unless_done(Err(done.into())).is_ok(), "{done}");
        }
        for failed in [
            "Unknown column 'tax' in 'CHECK'",
            "Table 'shop.order_line' doesn't exist",
            "Lock wait timeout exceeded; try restarting transaction",
        ] {
            assert!(unless_done(Err(failed.into())).is_err(), "{failed}");
        }
    }
}
