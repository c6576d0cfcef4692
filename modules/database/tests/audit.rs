//! The audit log: written with what it records, and proved by its chain.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use common::{Done, Shelf, ShelfError, run};
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use emporium_database::audit::{self, Chain, Entry};
use emporium_database::walk::{Walk, walk};
use emporium_database::{Db, refuse};
use emporium_kernel::{Audit, Call, Random, Timestamp};
use serde_json::json;

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000_000);

fn entry(random: &Random, subject: &str) -> Entry {
    Entry::of(&Call::internal("test"), "thing.done", subject, &json!({"n": 1}), NOW, random)
}

async fn filled(entries: usize) -> Shelf {
    let (shelf, random) = (Shelf::new(), Random::seeded(1));
    for n in 0..entries {
        let entry = entry(&random, &format!("thing {n}"));
        shelf.database.write::<_, ShelfError, _>(move |db| audit::write(db, &entry)).await.expect("writes");
    }
    shelf
}

async fn finding(shelf: &Shelf) -> Option<(String, String)> {
    let verified = audit::verify::<ShelfError>(&shelf.database).await.expect("reads");
    verified.audit.findings.into_iter().next().map(|finding| (finding.subject, finding.detail))
}

#[tokio::test]
async fn a_whole_log_is_clean_and_tells_what_was_done() {
    assert_eq!(finding(&filled(0).await).await, None);
    let shelf = filled(1_200).await;
    assert_eq!(finding(&shelf).await, None);
    let told = audit::entries::<ShelfError>(&shelf.database, 1_198, 10).await.expect("reads");
    let told: Vec<_> = told.iter().map(|entry| (entry.seq, entry.actor.as_str(), entry.subject.as_str())).collect();
    assert_eq!(told, [(1_199, "system", "thing 1198"), (1_200, "system", "thing 1199")]);
}

#[tokio::test]
async fn whatever_is_altered_is_named_by_its_first_entry() {
    for change in [
        "update audit_entry set subject = 'another' where seq = 3",
        "update audit_entry set actor = 'usr_eve' where seq = 3",
        "update audit_entry set detail = '{}' where seq = 3",
        "update audit_entry set at = at + 1 where seq = 3",
        "update audit_entry set action = 'thing.undone' where seq >= 3",
        "delete from audit_entry where seq = 3",
        "update audit_entry set seq = seq + 100 where seq = 3",
    ] {
        let shelf = filled(5).await;
        shelf.database.write(run(change)).await.expect("alters");
        let (subject, _) = finding(&shelf).await.unwrap_or_else(|| panic!("{change} was not seen"));
        assert_eq!(subject, "entry 3", "{change}");
    }
    let the_end = [
        ("delete from audit_entry where seq = 5", "entry 5"),
        ("delete from audit_head", "entry 1"),
        (
            "insert into audit_entry select -1, 'x', at, actor, action, subject, detail, request, hash from audit_entry where seq = 1",
            "entry -1",
        ),
        ("update audit_head set hash = 'another'", "entry 5"),
        ("update audit_head set seq = 0, hash = ''", "entry 1"),
        ("update audit_head set seq = 3, hash = (select hash from audit_entry where seq = 3)", "entry 4"),
    ];
    for (change, named) in the_end {
        let shelf = filled(5).await;
        shelf.database.write(run(change)).await.expect("alters");
        assert_eq!(finding(&shelf).await.expect("is seen").0, named, "{change}");
    }
}

#[tokio::test]
async fn an_entry_is_written_once_and_only_with_what_it_records() {
    let (shelf, random) = (Shelf::new(), Random::seeded(1));
    let once = entry(&random, "once");
    for _ in 0..2 {
        let once = once.clone();
        shelf.database.write::<_, ShelfError, _>(move |db| audit::write(db, &once)).await.expect("writes");
    }
    let undone = entry(&random, "undone");
    let refused = move |db: &mut Db| {
        audit::write::<ShelfError>(db, &undone)?;
        refuse::<(), _>(ShelfError::Short { available: 0 })
    };
    shelf.database.write(refused).await.expect_err("refused");
    let told = audit::entries::<ShelfError>(&shelf.database, 0, 10).await.expect("reads");
    assert_eq!(told.iter().map(|entry| entry.subject.as_str()).collect::<Vec<_>>(), ["once"]);
    assert_eq!(finding(&shelf).await, None);
}

/// A chain, and somebody who writes more than a page of entries before each page of it is read, or takes the rest out.
struct Busy {
    chain: Chain<ShelfError>,
    db: Db,
    random: Random,
    takes_out: bool,
    pages: usize,
}

impl Walk for Busy {
    type Error = ShelfError;

    fn begin(&mut self, db: &mut Db) -> Done<()> {
        self.chain.begin(db)
    }

    fn page(&mut self, db: &mut Db, audit: &mut Audit) -> Done<bool> {
        self.pages += 1;
        assert!(self.pages < 10, "it follows what is written");
        if self.takes_out {
            self.db.batch_execute("delete from audit_entry where seq > 900")?;
        } else {
            self.db.batch_execute("begin")?;
            for n in 0..1_001 {
                audit::write::<ShelfError>(&mut self.db, &entry(&self.random, &format!("late {n}")))?;
            }
            self.db.batch_execute("commit")?;
        }
        self.chain.page(db, audit)
    }
}

async fn beside(shelf: &Shelf, takes_out: bool) -> Audit {
    let path = shelf.folder.path().join("shelf.db");
    let db = Db::Sqlite(SqliteConnection::establish(&path.display().to_string()).expect("connects"));
    let busy = Busy { chain: Chain::default(), db, random: Random::seeded(2), takes_out, pages: 0 };
    walk(&shelf.database, busy, Audit::default()).await.expect("ends")
}

#[tokio::test]
async fn a_proof_of_the_log_ends_where_it_ended_and_names_what_vanishes_meanwhile() {
    let shelf = filled(1_200).await;
    let audit = beside(&shelf, false).await;
    assert!(audit.is_clean(), "{audit:?}");
    assert_eq!(audit.checked, 1_200);
    let audit = beside(&filled(1_200).await, true).await;
    let found: Vec<_> = audit.findings.iter().map(|finding| (&*finding.subject, &*finding.detail)).collect();
    assert_eq!(found, [("entry 901", "it was taken out; none follows")]);
}
