//! Lists of users, for staff.

use diesel::prelude::*;
use emporium_auth_api::User;
use emporium_database::Db;
use emporium_kernel::{Page, Role, Window};

use crate::Done;
use crate::schema::{user_roles, users};
use crate::users::{COLUMNS, Row, with_roles};

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

/// A page of users, newest first.
pub(crate) fn list(db: &mut Db, filter: &UserFilter, window: &Window) -> Done<Page<User>> {
    let mut query = users::table.select(COLUMNS).into_boxed();
    if let Some(begin) = &filter.email {
        query = query.filter(users::email.ge(begin).and(users::email.lt(format!("{begin}{LAST}"))));
    }
    if let Some(role) = filter.role {
        let having = user_roles::table.filter(user_roles::role.eq(role.name())).select(user_roles::user_id);
        query = query.filter(users::id.eq_any(having));
    }
    if let Some(disabled) = filter.disabled {
        query = query.filter(users::disabled.eq(i32::from(disabled)));
    }
    if let Some(after) = &window.after {
        let (at, id) = (after.0.0, after.0.1.clone());
        query = query.filter(users::created_at.lt(at).or(users::created_at.eq(at).and(users::id.lt(id))));
    }
    let newest = query.order((users::created_at.desc(), users::id.desc())).limit(window.limit.probe());
    let rows: Vec<Row> = newest.load(db)?;
    let users = with_roles(db, rows)?;
    Ok(Page::of(users, window.limit, |user| (user.created_at.micros(), user.id.clone())))
}
