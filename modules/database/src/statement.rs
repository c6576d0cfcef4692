//! How statements are run: straight on the engine's own connection, prepared once.
//!
//! diesel's `MultiConnection` hides the type of a statement from the engine below it, which then has to write the
//! statement's text out to find it in its cache, and never keeps an update. Here the type is known: a statement's text is
//! written once and its preparation is kept. What a boxed query holds is known to `MultiConnection` alone; such a query
//! is run with diesel's own `RunQueryDsl`.

use diesel::backend::Backend;
use diesel::connection::LoadConnection;
use diesel::helper_types::Limit;
use diesel::query_builder::{AstPass, Query, QueryBuilder, QueryFragment, QueryId};
use diesel::query_dsl::methods::{LimitDsl, LoadQuery};
use diesel::sql_types::Untyped;
use diesel::sqlite::Sqlite;
use diesel::sqlite::query_builder::SqliteQueryBuilder;
use diesel::{QueryResult, RunQueryDsl, Selectable, SqliteConnection};

use crate::Db;

/// What diesel's prelude has for writing statements, with [`Run`] for running them.
pub mod prelude {
    pub use diesel::prelude::{
        AppearsOnTable, AsChangeset, BoolExpressionMethods, BoxableExpression, Expression, ExpressionMethods,
        Insertable, IntoSql, JoinOnDsl, NullableExpressionMethods, OptionalExtension, QueryDsl, QueryResult, Queryable,
        Selectable, SelectableExpression,
    };

    pub use super::{Columns, Run};
}

/// A statement that every engine of this build can run.
#[cfg(not(feature = "mysql"))]
pub trait Statement: QueryFragment<Sqlite> + QueryId {}
#[cfg(not(feature = "mysql"))]
impl<T: QueryFragment<Sqlite> + QueryId> Statement for T {}

/// A statement that every engine of this build can run.
#[cfg(feature = "mysql")]
pub trait Statement: QueryFragment<Sqlite> + QueryFragment<diesel::mysql::Mysql> + QueryId {}
#[cfg(feature = "mysql")]
impl<T: QueryFragment<Sqlite> + QueryFragment<diesel::mysql::Mysql> + QueryId> Statement for T {}

/// A statement whose rows are read as `U` from every engine of this build.
#[cfg(not(feature = "mysql"))]
pub trait Rows<'q, U>: LoadQuery<'q, SqliteConnection, U> {}
#[cfg(not(feature = "mysql"))]
impl<'q, U, T: LoadQuery<'q, SqliteConnection, U>> Rows<'q, U> for T {}

/// A statement whose rows are read as `U` from every engine of this build.
#[cfg(feature = "mysql")]
pub trait Rows<'q, U>: LoadQuery<'q, SqliteConnection, U> + LoadQuery<'q, diesel::MysqlConnection, U> {}
#[cfg(feature = "mysql")]
impl<'q, U, T: LoadQuery<'q, SqliteConnection, U> + LoadQuery<'q, diesel::MysqlConnection, U>> Rows<'q, U> for T {}

/// What a row is read from.
pub trait Columns: Selectable<Sqlite> {
    /// Its columns, for `select`: the same for every engine.
    fn columns() -> Self::SelectExpression {
        Self::construct_selection()
    }
}

impl<T: Selectable<Sqlite>> Columns for T {}

/// Runs a statement that was written with diesel's builder.
pub trait Run: Sized {
    /// Changes rows and says how many.
    fn execute(self, db: &mut Db) -> QueryResult<usize>
    where
        Self: Statement + RunQueryDsl<SqliteConnection>,
    {
        match db {
            Db::Sqlite(sqlite) if Self::HAS_STATIC_QUERY_ID => RunQueryDsl::execute(self, sqlite),
            Db::Sqlite(sqlite) => {
                run(sqlite, Kept(self))?;
                let changed: i32 = RunQueryDsl::get_result(diesel::select(changes()), sqlite)?;
                usize::try_from(changed).map_err(|error| diesel::result::Error::DeserializationError(error.into()))
            }
            #[cfg(feature = "mysql")]
            Db::Mysql(mysql) => diesel::Connection::execute_returning_count(mysql, &self),
        }
    }

    /// All rows.
    fn load<'q, U>(self, db: &mut Db) -> QueryResult<Vec<U>>
    where
        Self: Rows<'q, U>,
    {
        match db {
            Db::Sqlite(sqlite) => LoadQuery::internal_load(self, sqlite)?.collect(),
            #[cfg(feature = "mysql")]
            Db::Mysql(mysql) => LoadQuery::internal_load(self, mysql)?.collect(),
        }
    }

    /// The only row; `NotFound` when there is none.
    fn get_result<'q, U>(self, db: &mut Db) -> QueryResult<U>
    where
        Self: Rows<'q, U>,
    {
        let first = match db {
            Db::Sqlite(sqlite) => LoadQuery::internal_load(self, sqlite)?.next(),
            #[cfg(feature = "mysql")]
            Db::Mysql(mysql) => LoadQuery::internal_load(self, mysql)?.next(),
        };
        first.unwrap_or(Err(diesel::result::Error::NotFound))
    }

    /// The first row; `NotFound` when there is none.
    fn first<'q, U>(self, db: &mut Db) -> QueryResult<U>
    where
        Self: LimitDsl,
        Limit<Self>: Run + Rows<'q, U>,
    {
        Run::get_result(LimitDsl::limit(self, 1), db)
    }
}

impl<T: RunQueryDsl<SqliteConnection>> Run for T {}

/// Runs one statement that begins or ends a part of a transaction.
pub(crate) fn control(db: &mut Db, text: &'static str) -> QueryResult<()> {
    match db {
        Db::Sqlite(sqlite) => run(sqlite, Control(text)),
        // MySQL prepares neither of them.
        #[cfg(feature = "mysql")]
        Db::Mysql(mysql) => diesel::connection::SimpleConnection::batch_execute(mysql, text),
    }
}

/// A statement without values, whose preparation is kept under its text.
pub(crate) struct Control(pub &'static str);

impl<DB: Backend> QueryFragment<DB> for Control {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql(self.0);
        Ok(())
    }
}

impl QueryId for Control {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Control {
    type SqlType = Untyped;
}

diesel::define_sql_function! {
    /// Rows that the last statement inserted, changed or deleted.
    fn changes() -> diesel::sql_types::Integer;
}

/// Runs a statement that has no rows. It goes the way of those that have some: there alone diesel asks the statement
/// itself, and not a reference to it, whether it is kept.
fn run<Q: Query<SqlType = Untyped> + QueryFragment<Sqlite> + QueryId>(
    sqlite: &mut SqliteConnection,
    statement: Q,
) -> QueryResult<()> {
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

/// The list for `eq_any`, its last value again and again until it has one of a few lengths (1, 2, 4, 8, …), so that
/// there are few texts of the query in [`KeptList`].
pub fn few_lengths<T: Clone>(list: &[T]) -> Vec<T> {
    let mut list = list.to_vec();
    if let Some(last) = list.last().cloned() {
        list.resize(list.len().next_power_of_two(), last);
    }
    list
}

/// A query with a list of [`few_lengths`], whose preparation is kept under its text, without limit: with any length there
/// would be too many. diesel keeps none with a list.
#[derive(Debug, QueryId)]
pub struct KeptList<Q>(pub Q);

impl<DB: Backend, Q: QueryFragment<DB> + QueryId> QueryFragment<DB> for KeptList<Q> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q: Query> Query for KeptList<Q> {
    type SqlType = Q::SqlType;
}

impl<Q, C> RunQueryDsl<C> for KeptList<Q> {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use diesel::connection::{Connection, InstrumentationEvent, SimpleConnection};
    use diesel::prelude::*;

    use super::*;

    diesel::table! {
        shelf (name) {
            name -> Text,
        }
    }

    #[test]
    fn queries_with_lists_of_nearly_one_length_are_prepared_once() {
        let mut sqlite = SqliteConnection::establish(":memory:").expect("opens");
        sqlite
            .batch_execute("create table shelf (name text primary key); insert into shelf values ('b')")
            .expect("makes");
        let kept = Arc::new(AtomicUsize::new(0));
        let count = kept.clone();
        sqlite.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if matches!(event, InstrumentationEvent::CacheQuery { .. }) {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        let mut db = Db::Sqlite(sqlite);
        let mut find = |names: &[&str]| -> Vec<String> {
            let found = shelf::table.filter(shelf::name.eq_any(few_lengths(names))).select(shelf::name);
            Run::load(KeptList(found), &mut db).expect("reads")
        };
        assert_eq!(find(&["a", "b", "c"]), ["b"]);
        assert_eq!(find(&["c", "d", "e", "b"]), ["b"]);
        assert!(find(&["x", "y", "z"]).is_empty());
        assert_eq!(kept.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_list_gets_one_of_a_few_lengths_and_no_other_value() {
        assert_eq!(few_lengths::<i32>(&[]), Vec::<i32>::new());
        assert_eq!(few_lengths(&[7]), [7]);
        assert_eq!(few_lengths(&[7, 8, 9]), [7, 8, 9, 9]);
        assert_eq!(few_lengths(&[1, 2, 3, 4, 5]), [1, 2, 3, 4, 5, 5, 5, 5]);
    }
}
