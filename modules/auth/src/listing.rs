//! Lists of users, for staff.

use diesel::dsl::{exists, not};
use emporium_auth_api::User;
use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_kernel::{Page, Role, Window};

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

/// How many users are few: they are read and sorted in less time than others are passed over.
const FEW: i64 = 1_000;

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
            let alike = users::table.filter(users::email.ge(begin).and(users::email.lt(end(begin))));
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

fn end(begin: &str) -> String {
    format!("{begin}{LAST}")
}

/// A page of users, newest first.
pub(crate) fn list(db: &mut Db, filter: &UserFilter, window: &Window) -> Done<Page<User>> {
    let from = Begin::of(db, filter)?;
    let mut query = users::table.select(COLUMNS).into_boxed::<Backend>();
    if let Some(begin) = &filter.email {
        query = match from {
            Begin::Email => query.filter(users::email.ge(begin).and(users::email.lt(end(begin)))),
            _ => query.filter(not(users::email.lt(begin)).and(not(users::email.ge(end(begin))))),
        };
    }
    if let Some(role) = filter.role {
        let having = user_roles::table.filter(user_roles::role.eq(role.name()));
        query = match from {
            Begin::Role => query.filter(users::id.eq_any(having.select(user_roles::user_id))),
            _ => query.filter(exists(having.filter(user_roles::user_id.eq(users::id)))),
        };
    }
    if let Some(disabled) = filter.disabled.map(i32::from) {
        query = match from {
            Begin::Newest => query.filter(users::disabled.eq(disabled)),
            _ => query.filter(not(users::disabled.ne(disabled))),
        };
    }
    if let Some(after) = &window.after {
        // The first condition alone enters the index; the second leaves out what was seen of that instant.
        let (at, id) = (after.0.0, after.0.1.clone());
        query = query.filter(users::created_at.le(at).and(users::created_at.lt(at).or(users::id.lt(id))));
    }
    let newest = query.order((users::created_at.desc(), users::id.desc())).limit(window.limit.probe());
    let rows: Vec<Row> = diesel::RunQueryDsl::load(newest, db)?;
    let users = with_roles(db, rows)?;
    Ok(Page::of(users, window.limit, |user| (user.created_at.micros(), user.id.clone())))
}
