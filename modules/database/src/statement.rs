//! How statements are run: straight on the engine's own connection, prepared once.
//!
//! diesel's `MultiConnection` hides the type of a statement from the engine below it, which then has to write the
//! statement's text out to find it in its cache, and never keeps an update. Here the type is known: a statement's text is
//! written once and its preparation is kept. What a boxed query holds is known to `MultiConnection` alone; such a query
//! is run with diesel's own `RunQueryDsl`.

use diesel::connection::LoadConnection;
use diesel::helper_types::Limit;
use diesel::query_builder::{AstPass, Query, QueryBuilder, QueryFragment, QueryId};
use diesel::query_dsl::methods::{LimitDsl, LoadQuery};
use diesel::sql_types::Untyped;
use diesel::sqlite::Sqlite;
use diesel::sqlite::query_builder::SqliteQueryBuilder;
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};

use crate::Db;

/// What diesel's prelude has for writing statements, with [`Run`] for running them.
pub mod prelude {
    pub use diesel::prelude::{
        AppearsOnTable, AsChangeset, BoolExpressionMethods, BoxableExpression, Expression, ExpressionMethods,
        Insertable, IntoSql, JoinOnDsl, NullableExpressionMethods, OptionalExtension, QueryDsl, QueryResult, Queryable,
        Selectable, SelectableExpression, SelectableHelper,
    };

    pub use super::Run;
}

/// Runs a statement that was written with diesel's builder.
pub trait Run: RunQueryDsl<SqliteConnection> + Sized {
    /// Changes rows and says how many.
    fn execute(self, db: &mut Db) -> QueryResult<usize>
    where
        Self: QueryFragment<Sqlite> + QueryId,
    {
        match db {
            Db::Sqlite(sqlite) if Self::HAS_STATIC_QUERY_ID => RunQueryDsl::execute(self, sqlite),
            Db::Sqlite(sqlite) => {
                run(sqlite, Kept(self))?;
                let changed: i32 = RunQueryDsl::get_result(diesel::select(changes()), sqlite)?;
                usize::try_from(changed).map_err(|error| diesel::result::Error::DeserializationError(error.into()))
            }
        }
    }

    /// All rows.
    fn load<'q, U>(self, db: &mut Db) -> QueryResult<Vec<U>>
    where
        Self: LoadQuery<'q, SqliteConnection, U>,
    {
        match db {
            Db::Sqlite(sqlite) => RunQueryDsl::load(self, sqlite),
        }
    }

    /// The only row; `NotFound` when there is none.
    fn get_result<'q, U>(self, db: &mut Db) -> QueryResult<U>
    where
        Self: LoadQuery<'q, SqliteConnection, U>,
    {
        match db {
            Db::Sqlite(sqlite) => RunQueryDsl::get_result(self, sqlite),
        }
    }

    /// The first row; `NotFound` when there is none.
    fn first<'q, U>(self, db: &mut Db) -> QueryResult<U>
    where
        Self: LimitDsl,
        Limit<Self>: Run + LoadQuery<'q, SqliteConnection, U>,
    {
        Run::get_result(LimitDsl::limit(self, 1), db)
    }
}

impl<T: RunQueryDsl<SqliteConnection>> Run for T {}

/// Runs one statement that begins or ends a part of a transaction, and keeps its preparation as well.
pub(crate) fn control(db: &mut Db, text: &'static str) -> QueryResult<()> {
    #[expect(clippy::disallowed_methods, reason = "savepoints have no query builder")]
    let statement = diesel::sql_query(text);
    match db {
        Db::Sqlite(sqlite) => run(sqlite, Kept(statement)),
    }
}

diesel::define_sql_function! {
    /// Rows that the last statement inserted, changed or deleted.
    fn changes() -> diesel::sql_types::Integer;
}

/// Runs a statement that has no rows. It goes the way of those that have some: there alone diesel asks the statement
/// itself, and not a reference to it, whether it is kept.
fn run<Q: QueryFragment<Sqlite> + QueryId>(sqlite: &mut SqliteConnection, statement: Kept<Q>) -> QueryResult<()> {
    LoadConnection::load(sqlite, statement)?.try_for_each(|row| row.map(drop))
}

/// A statement whose preparation is kept under its text. diesel keeps no update, since one that sets only what is given
/// has many texts; ours set the same columns every time. Only a list of values makes many texts of one statement.
#[derive(QueryId)]
struct Kept<Q>(Q);

impl<Q: QueryFragment<Sqlite> + QueryId> QueryFragment<Sqlite> for Kept<Q> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, backend: &Sqlite) -> QueryResult<bool> {
        let mut text = SqliteQueryBuilder::new();
        self.0.to_sql(&mut text, backend)?;
        Ok(!text.finish().contains(" IN ("))
    }
}

impl<Q> Query for Kept<Q> {
    type SqlType = Untyped;
}
