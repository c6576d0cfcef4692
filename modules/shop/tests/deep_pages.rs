//! Lists of very many rows on a server: few are read for a page, however far from the first it is.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::disallowed_methods, reason = "the server is waited for by the clock")]

mod common;
#[path = "../../../tests/support/mariadbd.rs"]
mod mariadbd;

use common::{World, get, user};
use emporium_database::Url;
use emporium_kernel::Cursor;
use emporium_shop::Settings;
use mariadbd::Mariadbd;

const ANA: &str = "supplier-ana";
const ADA: &str = "customer-ada";

/// Twenty thousand products that anybody may buy, half of them Ana's, half of them red and a third of them pens.
fn products() -> String {
    format!(
        "use shopdb;
         insert into category (id, slug, name, parent, position, version, created_at) values ('cat_1', 'pens', 'Pens', null, 0, 1, 0);
         insert into product (id, slug, title, description, vendor, kind, tags, options, images, extra, status, supplier,
                              price_from, registered, version, created_at, updated_at)
         select concat('prd_0', lpad(seq, 25, '0')), seq, concat('Thing ', lpad(seq * 7 % 20000, 5, '0')), '', '', '', '[]', '[]',
                '[]', '{{}}', 'active', if(seq % 2 = 0, '{ana}', null), seq * 31 % 20000, 1, 1, seq, seq
         from seq_1_to_20000;
         insert into product_category (product, category, status, title, price_from, created_at)
         select id, 'cat_1', status, title, price_from, created_at from product where created_at % 3 = 0;
         insert into search_term (term, product, weight)
         select 'red', concat('prd_0', lpad(seq, 25, '0')), 4 from seq_2_to_20000_step_2;
         analyze table category, product, product_category, search_term;",
        ana = user(ANA)
    )
}

/// Twenty thousand orders, half of them Ada's, nine of ten paid and half of them fulfilled; all have a pen.
fn orders() -> String {
    format!(
        "use shopdb;
         insert into orders (id, number, buyer, status, payment_status, fulfilment_status, currency, total, step, hold_attempt,
                             accepted, version, lease_until, attempts, created_at, updated_at)
         select concat('ord_0', lpad(seq, 25, '0')), 1000000000 + seq, if(seq % 2 = 0, '{ada}', seq), 'placed',
                if(seq % 10 = 0, 'refunded', 'paid'), if(seq % 2 = 0, 'fulfilled', 'unfulfilled'), 'USD', 100, 'done', 1, 0, 3, 0, 0,
                seq, seq
         from seq_1_to_20000;
         insert into order_line (order_id, position, sku, product, title, supplier, quantity, unit_price, total)
         select concat('ord_0', lpad(seq, 25, '0')), 0, 'PEN', 'prd_1', 'Pen', null, 1, 100, 100 from seq_1_to_20000;
         analyze table orders, order_line;",
        ada = user(ADA)
    )
}

const PRODUCTS: [&str; 6] = [
    "",
    "category=pens",
    "min_price=5&max_price=19000",
    "min_price=9000&max_price=11000",
    "q=red",
    "category=pens&q=red",
];

/// Of each part of a filter a thousand are read to learn that it leaves many, and a thousand more are looked through.
const FEW: i64 = 6_000;

#[actix_web::test]
async fn few_rows_are_read_for_a_page_of_products_in_the_middle() {
    let server = Mariadbd::start();
    let world = World::at(Url::parse(&server.url("shopdb")).expect("a URL"), Settings::default());
    let app = world.app().await;
    server.told(&products());
    let lists = [("products?", ANA), ("admin/products?status=active", ANA), ("admin/products?status=active", "staff")];
    for sort in ["created_at", "-price", "title"] {
        let (by_number, by_title) = ((sort, 10_000, "prd_1"), (sort, "Thing 10000", "prd_1"));
        let after = if sort == "title" { Cursor::encode(&by_title) } else { Cursor::encode(&by_number) };
        for (list, token) in lists {
            for filter in PRODUCTS {
                let first = format!("/v1/{list}&{filter}&limit=20&sort={sort}");
                let path = format!("{first}&after={after}");
                let (page, read) = server.rows_of(get(&path).by(token).to(&app)).await;
                assert_eq!(page.expect(200).column("id").len(), 20, "{token} {path}");
                // To learn that a word is common, a thousand of its entries are read, and as many of several indexes.
                let few = if filter.contains("q=") {
                    server.rows_of(get(&first).by(token).to(&app)).await.1 + FEW / 6
                } else {
                    FEW
                };
                assert!(read < few, "{token} {path}: {read} rows");
            }
        }
    }
}

/// Categories with more below them than are read side by side, and those of a supplier: each product is asked, and the members
/// of all of them are not read.
#[actix_web::test]
async fn few_rows_are_read_for_a_page_of_very_many_categories() {
    let server = Mariadbd::start();
    let world = World::at(Url::parse(&server.url("shopdb")).expect("a URL"), Settings::default());
    let app = world.app().await;
    server.told(&products());
    server.told(
        "use shopdb;
         insert into category (id, slug, name, parent, position, version, created_at)
         select concat('cat_9', seq), concat('pens-', seq), 'Pens', 'cat_1', seq, 1, 0 from seq_1_to_40;
         insert into product_category (product, category, status, title, price_from, created_at)
         select id, concat('cat_9', 1 + created_at % 40), status, title, price_from, created_at from product;
         analyze table category, product_category;",
    );
    let after = Cursor::encode(&("-price", 10_000, "prd_1"));
    for (list, token) in
        [("products?category=pens", ANA), ("admin/products?category=pens", ANA), ("products?category=pens-7", ANA)]
    {
        let path = format!("/v1/{list}&limit=20&sort=-price&include=total&after={after}");
        let (page, read) = server.rows_of(get(&path).by(token).to(&app)).await;
        assert_eq!(page.expect(200).column("id").len(), 20, "{token} {path}");
        assert!(read < FEW, "{token} {path}: {read} rows");
    }
    let counted = get("/v1/products?category=pens-7&include=total").by(ANA).to(&app).await.expect(200);
    assert_eq!(counted.body["total"], 500);
}

/// Those that cost as much and are called the same before a page are not passed over.
#[actix_web::test]
async fn few_rows_are_read_for_a_page_among_products_of_one_price_and_title() {
    let server = Mariadbd::start();
    let world = World::at(Url::parse(&server.url("shopdb")).expect("a URL"), Settings::default());
    let app = world.app().await;
    server.told(&products());
    server.told(
        "use shopdb; update product set price_from = 500, title = 'Thing';
         update product_category set price_from = 500, title = 'Thing'; analyze table product, product_category;",
    );
    let middle = format!("prd_0{:025}", 10_000);
    for (sort, falls) in [("price", false), ("-price", true), ("title", false), ("-title", true)] {
        let (by_number, by_title) = ((sort, 500, &middle), (sort, "Thing", &middle));
        let after = if sort.contains("title") { Cursor::encode(&by_title) } else { Cursor::encode(&by_number) };
        for (list, token) in [("products?", ANA), ("admin/products?", ANA), ("products?category=pens", ANA)] {
            let path = format!("/v1/{list}&limit=20&sort={sort}&after={after}");
            let (page, read) = server.rows_of(get(&path).by(token).to(&app)).await;
            let ids: Vec<String> = page.expect(200).column("id").into_iter().map(str::to_owned).collect();
            assert!(ids.len() == 20 && ids.iter().all(|id| (*id < middle) == falls), "{token} {path}: {ids:?}");
            assert!(read < FEW / 2, "{token} {path}: {read} rows");
        }
    }
}

#[actix_web::test]
async fn few_rows_are_read_to_rank_what_has_a_common_word() {
    let server = Mariadbd::start();
    let world = World::at(Url::parse(&server.url("shopdb")).expect("a URL"), Settings::default());
    let app = world.app().await;
    server.told(&products());
    for filter in ["q=red", "q=red&category=pens", "q=red&min_price=5"] {
        let first = format!("/v1/products?{filter}&limit=20");
        let (page, read) = server.rows_of(get(&first).by(ANA).to(&app)).await;
        let page = page.expect(200);
        let (next, read_next) =
            server.rows_of(get(&format!("{first}&after={}", page.text("/next_cursor"))).by(ANA).to(&app)).await;
        for (page, read) in [(page, read), (next.expect(200), read_next)] {
            assert_eq!(page.column("id").len(), 20, "{filter}");
            assert!(read < 2 * FEW, "{filter}: {read} rows");
        }
    }
}

#[actix_web::test]
async fn few_rows_are_read_for_a_page_of_orders_in_the_middle() {
    let server = Mariadbd::start();
    let world = World::at(Url::parse(&server.url("shopdb")).expect("a URL"), Settings::default());
    let app = world.app().await;
    server.told(&orders());
    let after = Cursor::encode(&(10_000, "ord_1"));
    let of_ada = format!("admin/orders?customer={}", user(ADA));
    let by_status = ["", "status=placed", "payment_status=paid", "fulfilment_status=fulfilled"];
    let by_more = [
        "sku=PEN",
        "sku=PEN&payment_status=refunded",
        "status=placed&payment_status=paid",
        "status=placed&fulfilment_status=fulfilled",
        "payment_status=paid&fulfilment_status=fulfilled",
    ];
    let mut lists: Vec<(&str, &str, &str)> = Vec::new();
    for filter in by_status {
        lists.extend([(ADA, "orders?", filter), ("staff", "admin/orders?", filter), ("staff", &of_ada, filter)]);
    }
    for filter in by_more {
        lists.extend([("staff", "admin/orders?", filter), ("staff", &of_ada, filter)]);
    }
    for (token, list, filter) in lists {
        let path = format!("/v1/{list}&{filter}&limit=20&after={after}");
        let (page, read) = server.rows_of(get(&path).by(token).to(&app)).await;
        assert_eq!(page.expect(200).column("id").len(), 20, "{token} {path}");
        assert!(read < FEW, "{token} {path}: {read} rows");
    }
}
