//! The right to migrate: of several instances that start at once, one migrates and the others wait.

use diesel::connection::SimpleConnection;

use super::Server;
use crate::{Db, OpenError};

/// How long an instance waits for another one's migrations, in seconds.
const PATIENCE_SECS: u32 = 300;

/// Held as long as it lives. It is a row that is locked by a connection of its own: when the process dies, the server ends
/// the connection and gives the row free.
pub(crate) struct Migrating {
    _holder: Db,
}

impl Migrating {
    /// Waits for the right.
    pub(crate) fn begin(server: &Server) -> Result<Self, OpenError> {
        let mut holder = server.open_writer()?;
        let failed = |error: diesel::result::Error| OpenError::Connection(format!("{server}: {error}"));
        let prepare = format!(
            "set session innodb_lock_wait_timeout = {PATIENCE_SECS};
            create table if not exists migrating (id integer not null, primary key (id)) engine = InnoDB;
            insert ignore into migrating (id) values (1); commit;
            update migrating set id = id where id = 1"
        );
        holder.batch_execute(&prepare).map_err(failed)?;
        Ok(Self { _holder: holder })
    }
}
