//! Lists of very many rows on a server: few are read for a page, however far from the first it is.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::disallowed_methods, reason = "the server is waited for by the clock")]

mod common;
#[path = "../../../tests/support/mariadbd.rs"]
mod mariadbd;

use std::collections::BTreeMap;

use common::{Bank, id};
use emporium_database::Url;
use emporium_kernel::Cursor;
use mariadbd::Mariadbd;

/// Twenty thousand entries of Ada's account, and as many deposits and withdrawals, most of them hers and most decided.
fn fill() -> String {
    format!(
        "use walletdb;
         insert into transfer (id, kind, debit_account, credit_account, amount, currency, reason, outcome, actor, created_at)
         select concat('trf_', seq), 'post', 'cash', id, 1, 'USD', if(seq % 3 = 0, 'transfer', 'deposit'), 'posted', 'staff', seq
         from seq_2_to_20000 join account on owner = '{ada}';
         insert into entry (account_id, account_version, transfer_id, side, amount, balance_after, held_after, created_at)
         select id, seq, concat('trf_', seq), 'credit', 1, seq, 0, seq from seq_2_to_20000 join account on owner = '{ada}';
         update account set version = 20000 where owner = '{ada}';
         insert into deposit (id, user_id, amount, currency, state, transfer_id, decided_by, created_at, decided_at)
         select seq, if(seq % 5 = 0, 'bob', '{ada}'), 1, 'USD', 'confirmed', seq, 'staff', seq, seq from seq_1_to_20000;
         insert into withdrawal (id, user_id, amount, currency, state, hold_id, transfer_id, decided_by, created_at, decided_at)
         select seq, if(seq % 5 = 0, 'bob', '{ada}'), 1, 'USD', 'paid', seq, seq, 'staff', seq, seq from seq_1_to_20000;
         analyze table account, transfer, entry, deposit, withdrawal;",
        ada = id("ada")
    )
}

/// A thousand are looked through, each with its transfer.
const FEW: i64 = 4_000;

#[actix_web::test]
async fn few_rows_are_read_for_a_page_in_the_middle() {
    let server = Mariadbd::start();
    let bank = Bank::at(&Url::parse(&server.url("walletdb")).expect("a URL"));
    bank.give("ada", 100).await;
    server.told(&fill());
    let versions = Cursor::encode(&BTreeMap::from([("USD", 10_000)]));
    let moment = Cursor::encode(&(10_000, "1"));
    let lists = [
        ("ada", "wallet/transactions?", &versions),
        ("ada", "wallet/transactions?kind=deposit", &versions),
        ("ada", "wallet/deposits?", &moment),
        ("ada", "wallet/withdrawals?", &moment),
        ("staff", "admin/deposits?", &moment),
        ("staff", "admin/deposits?status=confirmed", &moment),
        ("staff", &format!("admin/deposits?status=confirmed&user={}", id("ada")), &moment),
        ("staff", "admin/withdrawals?", &moment),
        ("staff", "admin/withdrawals?status=paid", &moment),
        ("staff", &format!("admin/withdrawals?status=paid&user={}", id("ada")), &moment),
    ];
    for (who, list, after) in lists {
        let path = format!("/v1/{list}&limit=50&after={after}");
        let (page, read) = server.rows_of(bank.get(who, &path)).await;
        let rows = page.body["data"].as_array().map(Vec::len);
        assert_eq!((page.status, rows), (200, Some(50)), "{who} {path}: {}", page.body);
        assert!(read < FEW, "{who} {path}: {read} rows");
    }
}
