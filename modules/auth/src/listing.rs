//! Lists of users, for staff.

use diesel::dsl::{exists, not};
use emporium_auth_api::{AuthError, User};
use emporium_database::prelude::*;
use emporium_database::scan::{self, FEW, Scan};
use emporium_database::{Db, Failure, is, pair};
use emporium_kernel::{Cursor, Page, Role, Window};

use crate::Done;
use crate::schema::{user_roles, users};
use crate::users::{COLUMNS, Row, with_roles};

type Backend = <Db as diesel::Connection>::Backend;

/// Which users are listed.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// Whose address begins like this, in small letters.
    pub email: Option<String>,
    /// Who have this role.
    pub role: Option<Role>,
    /// Who may, or may not, log in.
    pub disabled: Option<bool>,
}

/// Sorts after every text that begins with what stands before it.
const LAST: char = char::MAX;

/// Where a list begins to look for users. SQLite does not know how many users have what is asked for, so it is told: the
/// other conditions are written such that it takes no index for them.
#[derive(Clone, Copy, Debug)]
enum Begin {
    /// With the few addresses that begin as asked.
    Email,
    /// With the few users who have the role.
    Role,
    /// With the newest, passing over those that do not match.
    Newest,
}

impl Begin {
    fn of(db: &mut Db, filter: &UserFilter) -> Done<Self> {
        if let Some(begin) = &filter.email {
            let alike = users::table.filter(users::email.ge(begin).and(users::email.lt(beyond(begin))));
            let beyond: Option<String> = alike.select(users::email).offset(FEW).first(db).optional()?;
            if beyond.is_none() {
                return Ok(Self::Email);
            }
        }
        if let Some(role) = filter.role {
            let having = user_roles::table.filter(user_roles::role.eq(role.name()));
            let beyond: Option<String> = having.select(user_roles::user_id).offset(FEW).first(db).optional()?;
            if beyond.is_none() {
                return Ok(Self::Role);
            }
        }
        Ok(Self::Newest)
    }
}

fn beyond(begin: &str) -> String {
    format!("{begin}{LAST}")
}

/// Users, newest first.
struct Listing<'a> {
    filter: &'a UserFilter,
    begin: Begin,
}

/// A moment and an id.
type Place = (i64, String);

type Users<'q> = users::BoxedQuery<'q, Backend>;

/// A page of users, newest first.
pub(crate) fn list(db: &mut Db, filter: &UserFilter, window: &Window) -> Done<Page<User>> {
    let listing = Listing { filter, begin: Begin::of(db, filter)? };
    let after = window.after.as_ref().map(|Cursor(place)| place.clone());
    let Page { data, next_cursor, total } = scan::page(db, &listing, window.limit, after)?;
    Ok(Page { data: with_roles(db, data)?, next_cursor, total })
}

impl Listing<'_> {
    /// The index of all users, or of those who may or may not log in, between two places.
    fn index<'q>(&'q self, after: Option<&'q Place>, until: Option<&'q Place>) -> Users<'q> {
        let mut query = users::table.into_boxed::<Backend>();
        if let Some(disabled) = self.filter.disabled.map(i32::from) {
            query = match self.begin {
                Begin::Newest => query.filter(is(users::disabled, disabled)).order(users::disabled.desc()),
                Begin::Email | Begin::Role => query.filter(not(users::disabled.ne(disabled))),
            };
        }
        if let Some((at, id)) = after {
            query = query.filter(pair(users::created_at, users::id).lt((*at, id)));
        }
        if let Some((at, id)) = until {
            query = query.filter(pair(users::created_at, users::id).ge((*at, id)));
        }
        query.then_order_by((users::created_at.desc(), users::id.desc()))
    }
}

impl Scan for Listing<'_> {
    type Row = Row;
    type Place = Place;
    type Error = Failure<AuthError>;

    fn asks(&self) -> bool {
        let UserFilter { email, role, .. } = self.filter;
        matches!(self.begin, Begin::Newest) && (email.is_some() || role.is_some())
    }

    fn place(&self, row: &Row) -> Place {
        (row.4, row.0.clone())
    }

    fn end(&self, db: &mut Db, after: Option<&Place>, rows: i64) -> Done<Option<Place>> {
        let index = self.index(after, None).select((users::created_at, users::id)).offset(rows - 1);
        Ok(diesel::RunQueryDsl::first(index, db).optional()?)
    }

    fn rows(&self, db: &mut Db, after: Option<&Place>, until: Option<&Place>, most: i64) -> Done<Vec<Row>> {
        let mut query = self.index(after, until);
        if let Some(begin) = &self.filter.email {
            query = match self.begin {
                Begin::Email => query.filter(users::email.ge(begin).and(users::email.lt(beyond(begin)))),
                _ => query.filter(not(users::email.lt(begin)).and(not(users::email.ge(beyond(begin))))),
            };
        }
        if let Some(role) = self.filter.role {
            let having = user_roles::table.filter(user_roles::role.eq(role.name()));
            query = match self.begin {
                Begin::Role => query.filter(users::id.eq_any(having.select(user_roles::user_id))),
                _ => query.filter(exists(having.filter(user_roles::user_id.eq(users::id)))),
            };
        }
        Ok(diesel::RunQueryDsl::load(query.select(COLUMNS).limit(most), db)?)
    }
}
