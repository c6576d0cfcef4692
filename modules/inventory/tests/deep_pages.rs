//! Lists of very many rows on a server: few are read for a page, however far from the first it is.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::disallowed_methods, reason = "the server is waited for by the clock")]

mod common;
#[path = "../../../tests/support/mariadbd.rs"]
mod mariadbd;

use common::House;
use emporium_database::Url;
use emporium_kernel::Cursor;
use mariadbd::Mariadbd;

const MAIN: &str = "loc_00000000000000000000000000";

const LEVELS: [&str; 6] = [
    "",
    "below_threshold=true",
    "below_threshold=false",
    "location=loc_00000000000000000000000000",
    "location=loc_00000000000000000000000000&below_threshold=false",
    "location=loc_00000000000000000000000001&below_threshold=true",
];

const MOVEMENTS: [&str; 7] = [
    "",
    "sku=CUP-00001",
    "kind=reserve",
    "cause=count",
    "location=loc_00000000000000000000000000",
    "location=loc_00000000000000000000000000&kind=receive",
    "sku=CUP-00001&kind=reserve&cause=count",
];

/// Twenty thousand cups at the main location and every second in the north as well, nine of ten of one supplier and one
/// of a hundred of another, three of four of them low; as many movements and reservations; then ten thousand movements of
/// the cups of the other.
const FILL: &str = "
    use inventorydb;
    insert into location (id, name, is_default, created_at) values ('loc_00000000000000000000000001', 'North', 0, 0);
    insert into item (sku, title, supplier, low_stock_threshold, low_since, created_at)
    select concat('CUP-', lpad(seq, 5, '0')), 'Cup', if(seq % 10 > 0, 'usr_supplier', if(seq % 100 = 0, 'usr_rival', null)), 5, if(seq % 4 = 0, null, seq), 0
    from seq_1_to_20000;
    insert into level (sku, location, on_hand, reserved, version)
    select concat('CUP-', lpad(seq, 5, '0')), 'loc_00000000000000000000000000', 2, 1, 1 from seq_1_to_20000 union all
    select concat('CUP-', lpad(seq, 5, '0')), 'loc_00000000000000000000000001', 2, 1, 1 from seq_2_to_20000_step_2;
    insert into movement (seq, sku, location, version, kind, delta_on_hand, delta_reserved, on_hand, reserved,
                          cause_kind, cause, actor, reason, at)
    select seq, if(seq % 2 = 0, 'CUP-00001', 'CUP-00002'), 'loc_00000000000000000000000000', seq,
           if(seq % 3 = 0, 'receive', 'reserve'), 1, 0, 1, 0, 'order', if(seq % 2 = 0, 'count', 'order'), null, null, seq
    from seq_1_to_20000;
    insert into movement (seq, sku, location, version, kind, delta_on_hand, delta_reserved, on_hand, reserved,
                          cause_kind, cause, actor, reason, at)
    select seq, concat('CUP-', lpad(100 * (seq % 200 + 1), 5, '0')), 'loc_00000000000000000000000001', seq, 'commit', -1, -1, 1, 0,
           'order', 'other', null, null, seq
    from seq_20001_to_30000;
    insert into reservation (id, order_id, state, fingerprint, expires_at, created_at, updated_at)
    select concat('rsv_', lpad(seq, 26, '0')), if(seq % 2 = 0, 'one', seq), if(seq % 9 = 0, 'released', 'committed'), '', 0,
           seq, seq
    from seq_1_to_20000;
    analyze table location, item, level, movement, reservation;";

/// Of each part of a filter a thousand are read to learn that it leaves many, and a thousand more are looked through.
const FEW: i64 = 6_000;

#[actix_web::test]
async fn few_rows_are_read_for_a_page_in_the_middle() {
    let server = Mariadbd::start();
    let house = House::at(&Url::parse(&server.url("inventorydb")).expect("a URL"));
    server.told(FILL);
    let (sku, low) = (Cursor::encode(&("CUP-10000", MAIN)), Cursor::encode(&(10_000, "CUP-10000")));
    let (number, moment) = (Cursor::encode(&10_000), Cursor::encode(&(10_000, "rsv_1")));
    let of_suppliers: [(&str, &[&str], &str); 3] =
        [("stock", &LEVELS, &sku), ("stock/low", &[""], &low), ("stock/movements", &MOVEMENTS, &number)];
    let of_staff: [(&str, &[&str], &str); 1] =
        [("reservations", &["", "state=committed", "order=one", "order=one&state=committed"], &moment)];
    let everything = of_suppliers
        .iter()
        .map(|list| ("supplier", list))
        .chain(of_suppliers.iter().chain(&of_staff).map(|list| ("staff", list)));
    for (token, (list, filters, after)) in everything {
        for filter in *filters {
            let path = format!("/v1/admin/{list}?{filter}&limit=50&after={after}");
            let (page, read) = server.rows_of(house.get(&path, token)).await;
            assert_eq!((page.status, page.data().len()), (200, 50), "{token} {path}: {}", page.body);
            assert!(read < FEW, "{token} {path}: {read} rows");
            for row in page.data() {
                let number = row["sku"].as_str().and_then(|sku| sku.strip_prefix("CUP-")?.parse::<i64>().ok());
                let may_see = token == "staff" || number.is_some_and(|number| number % 10 > 0);
                let is_low = number.is_some_and(|number| number % 4 > 0);
                assert!(may_see && !filter.contains(&format!("below_threshold={}", !is_low)), "{token} {path}: {row}");
            }
        }
    }
    let path = format!("/v1/admin/stock/movements?limit=50&after={}", Cursor::encode(&25_000));
    let (page, read) = server.rows_of(house.get(&path, "rival")).await;
    assert_eq!(page.data().len(), 50, "{}", page.body);
    assert!(read < FEW, "of few SKUs with many movements: {read} rows");
}
