//! The list of very many users: whatever is asked for leaves few or many of them.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use std::cmp::Reverse;

use common::House;
use diesel::connection::SimpleConnection;
use emporium_auth::UserFilter;
use emporium_kernel::{Limit, Outage, Role, Window};

const USERS: i64 = 2_400;

/// Users in an order that is neither that of their ids nor that of their age: 26 or 27 were made at each instant. Every
/// seventh may not log in, every fifteenth is of the staff, every second is a supplier.
const CROWD: &str = "
    create table number as
        with recursive up(n) as (select 1 union all select n + 1 from up where n < 2400) select n from up;
    insert into users (id, email, name, password_hash, password_version, disabled, created_at, version)
    select printf('usr_%026d', n * 1000 % 2503), 'n' || n || case n % 3 when 0 then '@b.example' else '@a.example' end,
           'Ada', '$argon2id$', 1, n % 7 = 0, n % 89, 1
    from number;
    insert into user_roles (user_id, role)
    select printf('usr_%026d', n * 1000 % 2503), 'customer' from number union all
    select printf('usr_%026d', n * 1000 % 2503), 'staff' from number where n % 15 = 0 union all
    select printf('usr_%026d', n * 1000 % 2503), 'supplier' from number where n % 2 = 0;
    drop table number;";

struct Person {
    number: i64,
    id: String,
    email: String,
}

impl Person {
    fn of(number: i64) -> Self {
        let house = if number % 3 == 0 { "b" } else { "a" };
        let id = format!("usr_{:026}", number * 1_000 % 2_503);
        Self { number, id, email: format!("n{number}@{house}.example") }
    }
}

/// The whole crowd, newest first; of one instant, the larger id first.
fn newest_first() -> Vec<Person> {
    let mut crowd: Vec<Person> = (1..=USERS).map(Person::of).collect();
    crowd.sort_by_cached_key(|person| Reverse((person.number % 89, person.id.clone())));
    crowd
}

/// The ids on all pages, as they follow each other.
async fn walk(house: &House, filter: &UserFilter) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let window = Window { limit: Limit::LARGEST, after };
        let page = house.users.list_users(filter.clone(), window).await.expect("lists");
        ids.extend(page.data.into_iter().map(|user| user.id.to_string()));
        assert!(ids.len() < 10_000, "{filter:?} never ends");
        let Some(next) = page.next_cursor else { return ids };
        after = Some(serde_json::from_value(next.into()).expect("its own cursor reads back"));
    }
}

/// Few or more than a thousand have the address or the role: every page shows whom it is asked for, once and in order.
#[actix_web::test]
async fn a_list_of_very_many_users_shows_all_that_are_asked_for_newest_first() {
    let house = House::new();
    house.users.database().write::<_, Outage, _>(|db| Ok(db.batch_execute(CROWD)?)).await.expect("is written");
    let crowd = newest_first();
    type Has = fn(i64) -> bool;
    let roles: [(Option<Role>, Has); 3] =
        [(None, |_| true), (Some(Role::Staff), |n| n % 15 == 0), (Some(Role::Supplier), |n| n % 2 == 0)];
    // Of so many users: all, 111, 1,111 and nobody.
    for begin in [None, Some("n23"), Some("n1"), Some("nobody")] {
        for (role, has_role) in roles {
            for disabled in [None, Some(true), Some(false)] {
                let is_asked_for = |person: &&Person| {
                    begin.is_none_or(|begin| person.email.starts_with(begin))
                        && has_role(person.number)
                        && disabled.is_none_or(|disabled| disabled == (person.number % 7 == 0))
                };
                let expected: Vec<&str> = crowd.iter().filter(is_asked_for).map(|person| person.id.as_str()).collect();
                let filter = UserFilter { email: begin.map(str::to_owned), role, disabled };
                assert_eq!(walk(&house, &filter).await, expected, "{filter:?}");
            }
        }
    }
}
