//! Another process that holds a database of a shop.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};

use crate::deployment::Deployment;

/// As long as it is there, nobody else writes to the database.
pub struct Neighbour {
    connection: SqliteConnection,
    since: Instant,
}

impl Neighbour {
    pub fn holding(shop: &Deployment, database: &str) -> Self {
        let path = shop.data().join(format!("{database}.db")).display().to_string();
        let mut connection = SqliteConnection::establish(&path).expect("connects");
        connection.batch_execute("pragma busy_timeout = 5000; begin immediate").expect("holds");
        Self { connection, since: Instant::now() }
    }

    /// Gives the database free; how long nobody else could write.
    pub fn let_go(mut self) -> Duration {
        let held = self.since.elapsed();
        self.connection.batch_execute("rollback").expect("lets go");
        held
    }
}
