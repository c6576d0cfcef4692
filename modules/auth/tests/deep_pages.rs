//! Lists of very many rows on a server: few are read for a page, however far from the first it is.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::disallowed_methods, reason = "the server is waited for by the clock")]

mod common;
#[path = "../../../tests/support/mariadbd.rs"]
mod mariadbd;

use common::House;
use emporium_auth::{Settings, UserFilter};
use emporium_database::Url;
use emporium_kernel::{Cursor, Limit, Role, Window};
use mariadbd::Mariadbd;

/// Twenty thousand users of one house, every second of whom may not log in and every third of whom is a supplier.
const FILL: &str = "
    use authdb;
    insert into users (id, email, name, password_hash, password_version, disabled, created_at, version)
    select concat('usr_', lpad(seq, 26, '0')), concat('n', seq, '@a.example'), 'Ada', '$argon2id$', 1, seq % 2 = 0, seq, 1
    from seq_1_to_20000;
    insert into user_roles (user_id, role)
    select concat('usr_', lpad(seq, 26, '0')), 'customer' from seq_1_to_20000 union all
    select concat('usr_', lpad(seq, 26, '0')), 'supplier' from seq_3_to_20000_step_3;
    analyze table users, user_roles;";

/// Of each part of a filter a thousand are read to learn that it leaves many, and a thousand more are looked through.
const FEW: i64 = 6_000;

#[actix_web::test]
async fn few_rows_are_read_for_a_page_in_the_middle() {
    let server = Mariadbd::start();
    let url = Url::parse(&server.url("authdb")).expect("a URL");
    let house = House::in_database(&url, Settings::for_tests());
    server.told(FILL);
    let middle = Cursor::encode(&(10_000, "usr_1"));
    for email in [None, Some("n".to_owned())] {
        for role in [None, Some(Role::Supplier)] {
            for disabled in [None, Some(false), Some(true)] {
                let filter = UserFilter { email: email.clone(), role, disabled };
                let after = serde_json::from_value(middle.clone().into()).expect("a cursor");
                let window = Window { limit: Limit::LARGEST, after: Some(after) };
                let (page, read) = server.rows_of(house.users.list_users(filter.clone(), window)).await;
                let page = page.expect("lists");
                assert_eq!(page.data.len(), Limit::LARGEST.rows(), "{filter:?}");
                assert!(page.data.iter().all(|user| user.disabled == disabled.unwrap_or(user.disabled)), "{filter:?}");
                assert!(read < FEW, "{filter:?}: {read} rows");
            }
        }
    }
}
