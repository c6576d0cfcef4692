//! Lists of very many orders: every page shows what a filter lets through, once, newest first.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use common::{World, user};
use diesel::connection::SimpleConnection;
use emporium_kernel::Outage;
use serde_json::{Value, json};

const BUYER: &str = "customer-ada";
const ORDERS: i64 = 3_300;
/// More than a page looks at.
const VERY_MANY: i64 = 12_000;

/// Orders with the ids and moments of their numbers, three at each moment. Every tenth was cancelled and its money given back;
/// of every seven one was sent, and one in part. Every hundredth is Ada's. All have a pen, every third an ink, and every five
/// hundredth a globe; every third other one has a bell, of those that were cancelled only the oldest.
fn many(orders: i64) -> String {
    format!(
        "create table number as
             with recursive counted(n) as (select 1 union all select n + 1 from counted where n < {orders}) select n from counted;
         insert into orders (id, number, buyer, status, payment_status, fulfilment_status, currency, total, step, hold_attempt,
                             accepted, version, lease_until, attempts, created_at, updated_at)
         select printf('ord_0%025d', n), '' || (1000000000 + n), case n % 100 when 0 then '{ada}' else 'usr_' || n end,
                iif(n % 10 = 0, 'cancelled', 'placed'), iif(n % 10 = 0, 'voided', 'paid'),
                case n % 7 when 0 then 'partial' when 1 then 'fulfilled' else 'unfulfilled' end, 'USD', 100, 'done', 1, 0,
                3, 0, 0, n / 3, n / 3
         from number;
         insert into order_line (order_id, position, sku, product, title, supplier, quantity, unit_price, total)
         select printf('ord_0%025d', n), 0, 'PEN', 'prd_1', 'Pen', null, 1, 100, 100 from number;
         insert into order_line (order_id, position, sku, product, title, supplier, quantity, unit_price, total)
         select printf('ord_0%025d', n), 1, 'INK', 'prd_2', 'Ink', null, 1, 0, 0 from number where n % 3 = 0;
         insert into order_line (order_id, position, sku, product, title, supplier, quantity, unit_price, total)
         select printf('ord_0%025d', n), 2, 'GLOBE', 'prd_3', 'Globe', null, 1, 0, 0 from number where n % 500 = 0;
         insert into order_line (order_id, position, sku, product, title, supplier, quantity, unit_price, total)
         select printf('ord_0%025d', n), 3, 'BELL', 'prd_4', 'Bell', null, 1, 0, 0 from number
         where n % 3 = 1 and (n % 10 > 0 or n <= 150);
         drop table number;",
        ada = user(BUYER)
    )
}

#[actix_web::test]
async fn staff_see_all_orders_that_a_filter_leaves_newest_first() {
    let world = World::new();
    let app = world.app().await;
    world.shop.database().write::<_, Outage, _>(|db| Ok(db.batch_execute(&many(ORDERS))?)).await.expect("is written");
    let ada = format!("customer={}", user(BUYER));
    type Filter = (String, fn(i64) -> bool);
    // Of more than a thousand each would have to be asked for its SKU.
    let uncounted = ["sku=PEN", "sku=INK&status=placed&payment_status=paid"];
    let filters: [Filter; 17] = [
        ("sku=PEN".to_owned(), |_| true),
        ("sku=PEN&status=cancelled".to_owned(), |n| n % 10 == 0),
        ("sku=INK&status=placed&payment_status=paid".to_owned(), |n| n % 3 == 0 && n % 10 != 0),
        ("sku=GLOBE".to_owned(), |n| n % 500 == 0),
        ("sku=GLOBE&status=cancelled&payment_status=voided".to_owned(), |n| n % 500 == 0),
        ("sku=GLOBE&status=placed".to_owned(), |_| false),
        ("status=cancelled&fulfilment_status=unfulfilled".to_owned(), |n| n % 10 == 0 && n % 7 > 1),
        ("status=placed&payment_status=voided".to_owned(), |_| false),
        ("status=placed&payment_status=paid".to_owned(), |n| n % 10 != 0),
        ("payment_status=paid&fulfilment_status=partial".to_owned(), |n| n % 10 != 0 && n % 7 == 0),
        ("status=cancelled&payment_status=voided&fulfilment_status=fulfilled".to_owned(), |n| {
            n % 10 == 0 && n % 7 == 1
        }),
        ("payment_status=voided".to_owned(), |n| n % 10 == 0),
        ("fulfilment_status=partial".to_owned(), |n| n % 7 == 0),
        (ada.clone(), |n| n % 100 == 0),
        (format!("{ada}&status=placed"), |_| false),
        (format!("{ada}&status=cancelled&sku=INK"), |n| n % 300 == 0),
        ("number=1000000007&status=placed".to_owned(), |n| n == 7),
    ];
    for (filter, lets_through) in filters {
        let expected: Vec<String> =
            (1..=ORDERS).rev().filter(|n| lets_through(*n)).map(|n| (1_000_000_000 + n).to_string()).collect();
        let pages = app.pages(&format!("/v1/admin/orders?{filter}&include=total")).await;
        let total = if uncounted.contains(&&*filter) { Value::Null } else { json!(expected.len()) };
        assert!(pages.iter().all(|page| page.body["total"] == total), "{filter}");
        let shown: Vec<&str> = pages.iter().flat_map(|page| page.column("number")).collect();
        assert_eq!(shown, expected, "{filter}");
    }
}

/// Lists what is few among very many orders, of the numbers `expected`, oldest first: how many rows the first page of each
/// filter has, and how many pages there are.
async fn among_very_many(change: &str, filters: &[&str], expected: impl Iterator<Item = i64>) -> Vec<(usize, usize)> {
    let world = World::new();
    let app = world.app().await;
    let sql = format!("{}{change}", many(VERY_MANY));
    world.shop.database().write::<_, Outage, _>(move |db| Ok(db.batch_execute(&sql)?)).await.expect("is written");
    let mut expected: Vec<String> = expected.map(|n| (1_000_000_000 + n).to_string()).collect();
    expected.reverse();
    let mut first = Vec::new();
    for filter in filters {
        let pages = app.pages(&format!("/v1/admin/orders?{filter}")).await;
        let shown: Vec<&str> = pages.iter().flat_map(|page| page.column("number")).collect();
        assert_eq!(shown, expected, "{filter}");
        first.push((pages[0].column("number").len(), pages.len()));
    }
    first
}

#[actix_web::test]
async fn the_few_oldest_orders_that_two_statuses_leave_are_found_at_once() {
    let fulfilled = "update orders set fulfilment_status = iif(id <= printf('ord_0%025d', 150) or status = 'cancelled', 'fulfilled', 'unfulfilled');";
    let filters = [
        "payment_status=paid&fulfilment_status=fulfilled",
        "status=placed&fulfilment_status=fulfilled",
        "status=placed&payment_status=paid&fulfilment_status=fulfilled&from=1970-01-01T00:00:00Z",
        "sku=PEN&payment_status=paid&fulfilment_status=fulfilled",
    ];
    let first = among_very_many(fulfilled, &filters, (1..=150).filter(|n| n % 10 != 0)).await;
    assert_eq!(first, [(100, 2); 4]);
}

/// What a common SKU and common statuses leave may lie behind more orders than one page looks at: then pages are short
/// until it comes. Those of the first status are looked at, and no others.
#[actix_web::test]
async fn the_few_oldest_orders_of_a_common_sku_that_a_status_leaves_are_found_behind_all_others() {
    let voided = "update orders set payment_status = 'voided' where id > printf('ord_0%025d', 500)";
    let filters = ["sku=BELL&status=cancelled", "sku=BELL&status=cancelled&payment_status=voided"];
    let found = among_very_many(voided, &filters, (10..=150).step_by(30)).await;
    assert_eq!(found, [(0, 3), (0, 24)]);
}
