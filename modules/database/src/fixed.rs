//! A column that has one value, in a list that is in the order of the columns behind it in an index.

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, AsExpression, Expression, TypedExpressionType, ValidGrouping};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Nullable, SqlType};
use diesel::sqlite::Sqlite;

use crate::connection::MultiBackend;

/// `column = value`, written such that the index is entered at a place among the columns behind this one. The order of the
/// list has to begin with the column, in the direction of the others.
///
/// SQLite enters the index for `=` alone. MariaDB looks up what is written with `=`, and walks from there to the place;
/// between bounds it enters the index at the place.
pub fn is<C, V>(column: C, value: V) -> Is<C, V::Expression>
where
    C: Expression,
    C::SqlType: SqlType + TypedExpressionType,
    V: AsExpression<C::SqlType>,
{
    Is { column, value: value.as_expression() }
}

/// What [`is`] makes.
#[derive(Clone, Copy, Debug, QueryId, ValidGrouping)]
pub struct Is<C, E> {
    column: C,
    value: E,
}

impl<C, E> Is<C, E> {
    fn equal<'b, DB: Backend>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        C: QueryFragment<DB>,
        E: QueryFragment<DB>,
    {
        pass.push_sql("(");
        self.column.walk_ast(pass.reborrow())?;
        pass.push_sql(" = ");
        self.value.walk_ast(pass.reborrow())?;
        pass.push_sql(")");
        Ok(())
    }

    #[cfg(feature = "mysql")]
    fn bounded<'b, DB: Backend>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        C: QueryFragment<DB>,
        E: QueryFragment<DB>,
    {
        pass.push_sql("(");
        self.column.walk_ast(pass.reborrow())?;
        pass.push_sql(" >= ");
        self.value.walk_ast(pass.reborrow())?;
        pass.push_sql(" AND ");
        self.column.walk_ast(pass.reborrow())?;
        pass.push_sql(" <= ");
        self.value.walk_ast(pass.reborrow())?;
        pass.push_sql(")");
        Ok(())
    }
}

impl<C: Expression, E: Expression> Expression for Is<C, E> {
    type SqlType = Nullable<Bool>;
}

impl<T, C: AppearsOnTable<T>, E: AppearsOnTable<T>> AppearsOnTable<T> for Is<C, E> {}

impl<C: QueryFragment<Sqlite>, E: QueryFragment<Sqlite>> QueryFragment<Sqlite> for Is<C, E> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.equal(pass)
    }
}

#[cfg(feature = "mysql")]
impl<C, E> QueryFragment<diesel::mysql::Mysql> for Is<C, E>
where
    C: QueryFragment<diesel::mysql::Mysql>,
    E: QueryFragment<diesel::mysql::Mysql>,
{
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, diesel::mysql::Mysql>) -> QueryResult<()> {
        self.bounded(pass)
    }
}

impl<C: QueryFragment<MultiBackend>, E: QueryFragment<MultiBackend>> QueryFragment<MultiBackend> for Is<C, E> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        match pass.backend() {
            MultiBackend::Sqlite(_) => self.equal(pass),
            #[cfg(feature = "mysql")]
            MultiBackend::Mysql(_) => self.bounded(pass),
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
        let shelves = shelf::table.filter(is(shelf::aisle, 7)).select(shelf::name);
        let of_sqlite = debug_query::<Sqlite, _>(&shelves).to_string();
        assert!(of_sqlite.ends_with("WHERE (`shelf`.`aisle` = ?) -- binds: [7]"), "{of_sqlite}");
        #[cfg(feature = "mysql")]
        {
            let of_mysql = debug_query::<diesel::mysql::Mysql, _>(&shelves).to_string();
            let bounds = "WHERE (`shelf`.`aisle` >= ? AND `shelf`.`aisle` <= ?) -- binds: [7, 7]";
            assert!(of_mysql.ends_with(bounds), "{of_mysql}");
        }
    }
}
