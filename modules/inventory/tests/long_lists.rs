//! Long lists of levels and movements: whatever is asked for leaves few or many of them, and to suppliers their own.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use common::House;
use diesel::connection::SimpleConnection;
use emporium_kernel::Outage;
use serde_json::{Value, json};

const MAIN: &str = "loc_00000000000000000000000000";
const NORTH: &str = "loc_00000000000000000000000001";

/// Whether somebody may see the SKU of a number.
type MaySee = fn(i64) -> bool;

const CUPS: i64 = 1_300;

/// Cups, all of them at the main location and every seventh in the north as well, such that pages end between the two.
/// Of ten, eight are of one supplier and one is of another. Every third is low, the last ones for longest.
const LEVELS: &str = "
    create table number as
        with recursive up(n) as (select 1 union all select n + 1 from up where n < 1300) select n from up;
    insert into location (id, name, is_default, created_at) values ('loc_00000000000000000000000001', 'North', 0, 0);
    insert into item (sku, title, supplier, low_stock_threshold, low_since, created_at)
    select printf('CUP-%04d', n), 'Cup', case when n % 10 < 8 then 'usr_supplier' when n % 10 = 8 then 'usr_rival' end,
           case when n % 3 < 2 then 5 end, case n % 3 when 0 then 5000 - n end, 0
    from number;
    insert into level (sku, location, on_hand, reserved, version)
    select printf('CUP-%04d', n), 'loc_00000000000000000000000000', 2 * n, 1, 0 from number union all
    select printf('CUP-%04d', n), 'loc_00000000000000000000000001', 2 * n + 1, 1, 0 from number where n % 7 = 4;
    drop table number;";

const MOVEMENTS: i64 = 840;

/// Movements of five teas: two of one supplier, one of another. Every fourth was in the north. Every seventh came
/// of one count; of each seventy that follow each other, the others came of one order.
const STORY: &str = "
    create table number as
        with recursive up(n) as (select 1 union all select n + 1 from up where n < 840) select n from up;
    insert into location (id, name, is_default, created_at) values ('loc_00000000000000000000000001', 'North', 0, 0);
    insert into item (sku, title, supplier, created_at) values
        ('TEA-0', 'Tea', 'usr_supplier', 0), ('TEA-1', 'Tea', 'usr_supplier', 0), ('TEA-2', 'Tea', 'usr_rival', 0),
        ('TEA-3', 'Tea', null, 0), ('TEA-4', 'Tea', null, 0);
    insert into movement (seq, sku, location, version, kind, delta_on_hand, delta_reserved, on_hand, reserved,
                          cause_kind, cause, actor, reason, at)
    select n, 'TEA-' || (n % 5),
           case n % 4 when 0 then 'loc_00000000000000000000000001' else 'loc_00000000000000000000000000' end, n,
           case n % 3 when 0 then 'receive' when 1 then 'reserve' else 'commit' end, 1, 0, 1, 0,
           case n % 7 when 0 then 'adjustment' else 'order' end,
           case n % 7 when 0 then 'count' else 'order-' || (n / 70) end, null, null, n % 13
    from number;
    drop table number;";

async fn fill(house: &House, sql: &'static str) {
    house.stock.database().write::<_, Outage, _>(move |db| Ok(db.batch_execute(sql)?)).await.expect("is written");
}

/// A filter as it is written in a query.
fn asked(filter: &[(&str, Option<&str>)]) -> String {
    filter.iter().filter_map(|(name, value)| value.map(|value| format!("&{name}={value}"))).collect()
}

/// The rows on all pages, as they follow each other.
async fn walk(house: &House, token: &str, path: &str, filter: &[(&str, Option<&str>)]) -> Vec<Value> {
    let first = format!("{path}?limit=100{}", asked(filter));
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let page = house.get(&format!("{first}{after}"), token).await;
        assert_eq!(page.status, 200, "{first}: {}", page.body);
        rows.extend(page.data().iter().cloned());
        assert!(rows.len() < 10_000, "{first} never ends");
        match page.body["next_cursor"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => return rows,
        }
    }
}

fn cup(n: i64) -> String {
    format!("CUP-{n:04}")
}

/// Number, location and pieces of every level, in the order of the list.
fn levels() -> Vec<(i64, &'static str, i64)> {
    let at_main = (1..=CUPS).map(|n| (n, MAIN, 2 * n));
    let in_the_north = (4..=CUPS).step_by(7).map(|n| (n, NORTH, 2 * n + 1));
    let mut all: Vec<_> = at_main.chain(in_the_north).collect();
    all.sort_unstable();
    all
}

/// More than a thousand levels are at one location and few at the other, more than a thousand are of one supplier and
/// few of the other: every page shows what it is asked for, once and in order.
#[actix_web::test]
async fn a_list_of_very_many_levels_shows_all_that_are_asked_for_and_to_suppliers_their_own() {
    let house = House::new();
    fill(&house, LEVELS).await;
    let all = levels();
    let readers: [(&str, MaySee); 3] = [("staff", |_| true), ("supplier", |n| n % 10 < 8), ("rival", |n| n % 10 == 8)];
    for (token, may_see) in readers {
        // A low cup of the supplier, and one of the rival of which there is enough; both are in the north as well.
        for sku in [None, Some("CUP-0081"), Some("CUP-0088")] {
            for location in [None, Some(MAIN), Some(NORTH)] {
                for low in [None, Some("true"), Some("false")] {
                    let lets_through = |n: i64, place: &str| {
                        may_see(n)
                            && sku.is_none_or(|sku| sku == cup(n))
                            && location.is_none_or(|location| location == place)
                            && low.is_none_or(|low| (low == "true") == (n % 3 == 0))
                    };
                    let expected = all.iter().filter(|(n, place, _)| lets_through(*n, place));
                    let expected: Vec<Value> =
                        expected.map(|(n, place, pieces)| json!([cup(*n), place, pieces])).collect();
                    let filter = [("sku", sku), ("location", location), ("below_threshold", low)];
                    let rows = walk(&house, token, "/v1/admin/stock", &filter).await;
                    let shown: Vec<Value> =
                        rows.iter().map(|row| json!([row["sku"], row["location"], row["on_hand"]])).collect();
                    assert_eq!(shown, expected, "{token}: {filter:?}");
                }
            }
        }
    }
}

/// The numbers of the movements that a filter lets through, newest first.
fn told(filter: &[(&str, Option<&str>)], may_see: MaySee) -> Vec<i64> {
    let is = |n: i64, name: &str, value: &str| match name {
        "sku" => value == format!("TEA-{}", n % 5),
        "location" => value == if n % 4 == 0 { NORTH } else { MAIN },
        "kind" if n % 3 == 0 => value == "receive",
        "kind" => value == if n % 3 == 1 { "reserve" } else { "commit" },
        "cause" if n % 7 == 0 => value == "count",
        "cause" => value == format!("order-{}", n / 70),
        other => panic!("{other} is not asked for"),
    };
    let matches = |n: i64| filter.iter().all(|(name, value)| value.is_none_or(|value| is(n, name, value)));
    (1..=MOVEMENTS).rev().filter(|n| may_see(*n) && matches(*n)).collect()
}

/// Many movements are of a location or a kind, some are of a SKU or a cause: every page shows what it is asked for,
/// once and in order.
#[actix_web::test]
async fn a_long_story_is_told_newest_first_and_to_suppliers_of_their_own_skus_alone() {
    let house = House::new();
    fill(&house, STORY).await;
    let readers: [(&str, MaySee); 3] = [("staff", |_| true), ("supplier", |n| n % 5 < 2), ("rival", |n| n % 5 == 2)];
    for (token, may_see) in readers {
        // One of the supplier and one of the rival.
        for sku in [None, Some("TEA-0"), Some("TEA-2")] {
            for location in [None, Some(MAIN), Some(NORTH)] {
                for kind in [None, Some("commit")] {
                    for cause in [None, Some("count"), Some("order-5")] {
                        let filter = [("sku", sku), ("location", location), ("kind", kind), ("cause", cause)];
                        let rows = walk(&house, token, "/v1/admin/stock/movements", &filter).await;
                        let shown: Vec<Value> = rows.iter().map(|row| row["number"].clone()).collect();
                        assert_eq!(shown, told(&filter, may_see), "{token}: {filter:?}");
                    }
                }
            }
        }
    }
}

/// The story goes on to 21,200 with nothing but TEA-3, which is received in the north and reserved at the main location.
const LATER: &str = "
    create table number as
        with recursive up(n) as (select 841 union all select n + 1 from up where n < 21200) select n from up;
    insert into movement (seq, sku, location, version, kind, delta_on_hand, delta_reserved, on_hand, reserved,
                          cause_kind, cause, actor, reason, at)
    select n, 'TEA-3', iif(n % 2 = 0, 'loc_00000000000000000000000001', 'loc_00000000000000000000000000'), n,
           iif(n % 2 = 0, 'receive', 'reserve'), 1, 0, 1, 0, 'order', 'order-' || n, null, null, 99
    from number;
    drop table number;";

/// What is asked for may lie behind more movements than one page looks at: then pages are short until it comes. Of what has
/// few, the first page is full.
#[actix_web::test]
async fn the_beginning_of_a_story_is_found_behind_all_that_came_later() {
    let house = House::new();
    fill(&house, STORY).await;
    fill(&house, LATER).await;
    let received_at_main = [("location", Some(MAIN)), ("kind", Some("receive"))];
    let asking: [(&str, MaySee, usize); 2] = [("staff", |_| true, 0), ("supplier", |n| n % 5 < 2, 84)];
    for (token, may_see, on_the_first_page) in asking {
        let first = house.get(&format!("/v1/admin/stock/movements?limit=100{}", asked(&received_at_main)), token).await;
        assert_eq!(first.data().len(), on_the_first_page, "{token}");
        let rows = walk(&house, token, "/v1/admin/stock/movements", &received_at_main).await;
        let shown: Vec<i64> = rows.iter().filter_map(|row| row["number"].as_i64()).collect();
        assert_eq!(shown, told(&received_at_main, may_see), "{token}");
    }
}

/// Twelve thousand cups that are low. Of the first, none is in the north, and of the last 1,100 all are.
const FAR_APART: &str = "
    create table number as
        with recursive up(n) as (select 1 union all select n + 1 from up where n < 12000) select n from up;
    insert into location (id, name, is_default, created_at) values ('loc_00000000000000000000000001', 'North', 0, 0);
    insert into item (sku, title, supplier, low_stock_threshold, low_since, created_at)
    select printf('CUP-%05d', n), 'Cup', 'usr_supplier', 5, 1, 0 from number;
    insert into level (sku, location, on_hand, reserved, version)
    select printf('CUP-%05d', n), 'loc_00000000000000000000000001', n, 0, 0 from number where n > 10900;
    drop table number;";

/// What a page looks at may have no level where it is asked for: then pages are short until one comes.
#[actix_web::test]
async fn levels_are_found_behind_very_many_items_without_any() {
    let house = House::new();
    fill(&house, FAR_APART).await;
    let expected: Vec<i64> = (10_901..=12_000).collect();
    for (token, filter) in [
        ("staff", [("location", Some(NORTH)), ("below_threshold", Some("true"))]),
        ("supplier", [("location", Some(NORTH)), ("below_threshold", None)]),
    ] {
        let first = house.get(&format!("/v1/admin/stock?limit=100{}", asked(&filter)), token).await;
        assert_eq!((first.data().len(), first.body["next_cursor"].is_string()), (0, true), "{token}");
        let rows = walk(&house, token, "/v1/admin/stock", &filter).await;
        let shown: Vec<i64> = rows.iter().filter_map(|row| row["on_hand"].as_i64()).collect();
        assert_eq!(shown, expected, "{token}");
    }
}
