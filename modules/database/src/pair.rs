//! Two columns in whose order a list is, so that a page of it begins at a place: a value of the first, and one of the second,
//! which tells apart rows that are equal in the first.

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, AsExpression, Expression, TypedExpressionType, ValidGrouping};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Bool, SqlType};
use diesel::sqlite::Sqlite;

use crate::connection::MultiBackend;

/// Two columns that are never null.
#[derive(Clone, Copy, Debug)]
pub struct Pair<A, B>(A, B);

/// Two columns, to be compared with a place such that an index in their order is entered there, however many rows are equal
/// in the first.
///
/// SQLite enters the index for a comparison of rows of values, and passes over equal ones where the columns are compared one
/// by one. MariaDB enters it only where they are.
pub fn pair<A, B>(first: A, second: B) -> Pair<A, B> {
    Pair(first, second)
}

/// What a comparison of a [`Pair`] with values of these types is.
type Of<A, B, V, W> = Compared<
    A,
    B,
    <V as AsExpression<<A as Expression>::SqlType>>::Expression,
    <W as AsExpression<<B as Expression>::SqlType>>::Expression,
>;

impl<A, B> Pair<A, B>
where
    A: Expression<SqlType: SqlType + TypedExpressionType>,
    B: Expression<SqlType: SqlType + TypedExpressionType>,
{
    /// Before a place.
    pub fn lt<V, W>(self, place: (V, W)) -> Of<A, B, V, W>
    where
        V: AsExpression<A::SqlType>,
        W: AsExpression<B::SqlType>,
    {
        self.compared(" < ", place)
    }

    /// Before a place or there.
    pub fn le<V, W>(self, place: (V, W)) -> Of<A, B, V, W>
    where
        V: AsExpression<A::SqlType>,
        W: AsExpression<B::SqlType>,
    {
        self.compared(" <= ", place)
    }

    /// Behind a place.
    pub fn gt<V, W>(self, place: (V, W)) -> Of<A, B, V, W>
    where
        V: AsExpression<A::SqlType>,
        W: AsExpression<B::SqlType>,
    {
        self.compared(" > ", place)
    }

    /// Behind a place or there.
    pub fn ge<V, W>(self, place: (V, W)) -> Of<A, B, V, W>
    where
        V: AsExpression<A::SqlType>,
        W: AsExpression<B::SqlType>,
    {
        self.compared(" >= ", place)
    }

    fn compared<V, W>(self, operator: &'static str, (key, value): (V, W)) -> Of<A, B, V, W>
    where
        V: AsExpression<A::SqlType>,
        W: AsExpression<B::SqlType>,
    {
        Compared { columns: (self.0, self.1), place: (key.as_expression(), value.as_expression()), operator }
    }
}

/// A [`Pair`] compared with a place.
#[derive(Clone, Copy, Debug, ValidGrouping)]
pub struct Compared<A, B, V, W> {
    columns: (A, B),
    place: (V, W),
    operator: &'static str,
}

impl<A, B, V, W> Compared<A, B, V, W> {
    /// As rows of values: `(a, b) < (1, 2)`.
    fn whole<'b, DB: Backend>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        A: QueryFragment<DB>,
        B: QueryFragment<DB>,
        V: QueryFragment<DB>,
        W: QueryFragment<DB>,
    {
        let ((column, other), (key, value)) = (&self.columns, &self.place);
        pass.push_sql("((");
        column.walk_ast(pass.reborrow())?;
        pass.push_sql(", ");
        other.walk_ast(pass.reborrow())?;
        pass.push_sql(")");
        pass.push_sql(self.operator);
        pass.push_sql("(");
        key.walk_ast(pass.reborrow())?;
        pass.push_sql(", ");
        value.walk_ast(pass.reborrow())?;
        pass.push_sql("))");
        Ok(())
    }

    /// Column by column: `(a < 1 OR (a = 1 AND b < 2))`.
    #[cfg(feature = "mysql")]
    fn by_column<'b, DB: Backend>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        A: QueryFragment<DB>,
        B: QueryFragment<DB>,
        V: QueryFragment<DB>,
        W: QueryFragment<DB>,
    {
        let ((column, other), (key, value)) = (&self.columns, &self.place);
        pass.push_sql("(");
        column.walk_ast(pass.reborrow())?;
        // Whether a place itself counts is decided by the last of the columns.
        pass.push_sql(if self.operator.starts_with(" <") { " < " } else { " > " });
        key.walk_ast(pass.reborrow())?;
        pass.push_sql(" OR (");
        column.walk_ast(pass.reborrow())?;
        pass.push_sql(" = ");
        key.walk_ast(pass.reborrow())?;
        pass.push_sql(" AND ");
        other.walk_ast(pass.reborrow())?;
        pass.push_sql(self.operator);
        value.walk_ast(pass.reborrow())?;
        pass.push_sql("))");
        Ok(())
    }
}

impl<A, B, V, W> Expression for Compared<A, B, V, W>
where
    A: Expression,
    B: Expression,
    V: Expression,
    W: Expression,
{
    type SqlType = Bool;
}

impl<T, A, B, V, W> AppearsOnTable<T> for Compared<A, B, V, W>
where
    A: AppearsOnTable<T>,
    B: AppearsOnTable<T>,
    V: AppearsOnTable<T>,
    W: AppearsOnTable<T>,
{
}

/// None: the operators are not in the type.
impl<A, B, V, W> QueryId for Compared<A, B, V, W> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<A, B, V, W> QueryFragment<Sqlite> for Compared<A, B, V, W>
where
    A: QueryFragment<Sqlite>,
    B: QueryFragment<Sqlite>,
    V: QueryFragment<Sqlite>,
    W: QueryFragment<Sqlite>,
{
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.whole(pass)
    }
}

#[cfg(feature = "mysql")]
impl<A, B, V, W> QueryFragment<diesel::mysql::Mysql> for Compared<A, B, V, W>
where
    A: QueryFragment<diesel::mysql::Mysql>,
    B: QueryFragment<diesel::mysql::Mysql>,
    V: QueryFragment<diesel::mysql::Mysql>,
    W: QueryFragment<diesel::mysql::Mysql>,
{
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, diesel::mysql::Mysql>) -> QueryResult<()> {
        self.by_column(pass)
    }
}

impl<A, B, V, W> QueryFragment<MultiBackend> for Compared<A, B, V, W>
where
    A: QueryFragment<MultiBackend>,
    B: QueryFragment<MultiBackend>,
    V: QueryFragment<MultiBackend>,
    W: QueryFragment<MultiBackend>,
{
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        match pass.backend() {
            MultiBackend::Sqlite(_) => self.whole(pass),
            #[cfg(feature = "mysql")]
            MultiBackend::Mysql(_) => self.by_column(pass),
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::debug_query;
    use diesel::prelude::*;

    use super::*;

    diesel::table! {
        shelf (name) {
            name -> Text,
            aisle -> BigInt,
        }
    }

    #[test]
    fn each_engine_is_told_in_the_form_that_enters_its_index() {
        let behind = shelf::table.filter(pair(shelf::aisle, shelf::name).gt((7, "oak"))).select(shelf::name);
        let until = shelf::table.filter(pair(shelf::aisle, shelf::name).le((7, "oak"))).select(shelf::name);
        let of_sqlite = [debug_query::<Sqlite, _>(&behind).to_string(), debug_query::<Sqlite, _>(&until).to_string()];
        let rows = ["((`shelf`.`aisle`, `shelf`.`name`) > (?, ?))", "((`shelf`.`aisle`, `shelf`.`name`) <= (?, ?))"];
        for (query, row) in of_sqlite.iter().zip(rows) {
            assert!(query.ends_with(&format!("WHERE {row} -- binds: [7, \"oak\"]")), "{query}");
        }
        #[cfg(feature = "mysql")]
        {
            use diesel::mysql::Mysql;
            let of_mysql = [debug_query::<Mysql, _>(&behind).to_string(), debug_query::<Mysql, _>(&until).to_string()];
            let columns = [
                "(`shelf`.`aisle` > ? OR (`shelf`.`aisle` = ? AND `shelf`.`name` > ?))",
                "(`shelf`.`aisle` < ? OR (`shelf`.`aisle` = ? AND `shelf`.`name` <= ?))",
            ];
            for (query, columns) in of_mysql.iter().zip(columns) {
                assert!(query.ends_with(&format!("WHERE {columns} -- binds: [7, 7, \"oak\"]")), "{query}");
            }
        }
    }
}
