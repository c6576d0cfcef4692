//! A shelf in a database of its own: the smallest module there can be.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its own part of this")]

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use emporium_database::{Database, Db, Failure, Migrations, Url};
use emporium_kernel::{Fault, Outage};
use serde::{Deserialize, Serialize};

const ON_SQLITE: EmbeddedMigrations = embed_migrations!("tests/migrations/sqlite");
const ON_MYSQL: EmbeddedMigrations = embed_migrations!("tests/migrations/mysql");
pub const MIGRATIONS: Migrations = Migrations::new(&ON_SQLITE, &ON_MYSQL);

#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum ShelfError {
    #[error("only {available} left")]
    Short { available: i64 },
    #[error(transparent)]
    #[serde(untagged)]
    Outage(#[from] Outage),
}

impl Fault for ShelfError {
    fn status(&self) -> actix_web::http::StatusCode {
        match self {
            ShelfError::Short { .. } => actix_web::http::StatusCode::CONFLICT,
            ShelfError::Outage(outage) => outage.status(),
        }
    }
    fn outage(&self) -> Option<Outage> {
        match self {
            ShelfError::Short { .. } => None,
            ShelfError::Outage(outage) => Some(*outage),
        }
    }
}

pub type Done<T> = Result<T, Failure<ShelfError>>;

diesel::table! {
    shelf (name) {
        name -> Text,
        pieces -> BigInt,
    }
}

pub struct Shelf {
    pub folder: tempfile::TempDir,
    pub database: Database,
}

impl Shelf {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::open(&url(&folder), MIGRATIONS).expect("opens");
        Self { folder, database }
    }

    pub async fn names(&self) -> Vec<String> {
        let names: Result<Vec<String>, ShelfError> =
            self.database.read(|db| Ok(shelf::table.select(shelf::name).order(shelf::name).load(db)?)).await;
        names.expect("reads")
    }
}

pub fn url(folder: &tempfile::TempDir) -> Url {
    Url::file(folder.path().join("shelf.db"))
}

pub fn put(name: &str) -> impl Fn(&mut Db) -> Done<()> + Send + 'static + use<> {
    let name = name.to_owned();
    move |db| {
        diesel::insert_into(shelf::table).values((shelf::name.eq(&name), shelf::pieces.eq(1))).execute(db)?;
        Ok(())
    }
}

pub fn run(sql: &'static str) -> impl Fn(&mut Db) -> Done<()> + Send + 'static {
    move |db| Ok(db.batch_execute(sql)?)
}
