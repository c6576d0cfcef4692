//! Every module's schema on every engine: twins that say the same, and that truly undo what they did.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::disallowed_methods, reason = "the server is waited for by the clock")]

#[path = "support/mariadbd.rs"]
mod mariadbd;

use std::collections::BTreeSet;
use std::path::Path;

use emporium_database::{Database, Migrations, Url};
use mariadbd::Mariadbd;

const MODULES: [(&str, Migrations); 4] = [
    ("auth", emporium_auth::MIGRATIONS),
    ("inventory", emporium_inventory::MIGRATIONS),
    ("shop", emporium_shop::MIGRATIONS),
    ("wallet", emporium_wallet::MIGRATIONS),
];

#[test]
fn every_schema_goes_up_down_and_up_again_on_a_server() {
    let server = Mariadbd::start();
    for (module, migrations) in MODULES {
        let url = Url::parse(&server.url(module)).expect("a URL");
        for _ in 0..2 {
            drop(Database::open(&url, migrations).expect("goes up"));
            migrations.revert(&url).expect("goes down");
            let left = server.told(&format!("show tables in {module}"));
            assert_eq!(left, "__diesel_schema_migrations\nmigrating\n", "{module}");
        }
    }
}

#[test]
fn a_migration_that_was_killed_is_resumed_whichever_it_was() {
    let server = Mariadbd::start();
    for (module, migrations) in MODULES {
        let url = Url::parse(&server.url(module)).expect("a URL");
        drop(Database::open(&url, migrations).expect("goes up"));
        server.told(&format!("delete from {module}.__diesel_schema_migrations"));
        drop(Database::open(&url, migrations).expect("goes up once more"));
        assert!(migrations.pending(&url).expect("asks").is_empty(), "{module}");
    }
}

/// The tables of a folder of migrations: `table.column`, with `not null` where it says so.
fn columns(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("migrations") {
        let text = std::fs::read_to_string(entry.expect("an entry").path().join("up.sql")).expect("an up.sql");
        let mut table = String::new();
        for line in text.lines() {
            if let Some(created) = line.strip_prefix("create table ") {
                table = created.trim_start_matches("if not exists ").trim_end_matches(" (").to_owned();
            }
            let altered = line.strip_prefix("alter table ").map(|rest| rest.split_once(' ').unwrap_or((rest, "")));
            if let Some((altered, _)) = altered {
                table = altered.to_owned();
            }
            let line = altered.map_or(line, |(_, rest)| rest).trim_start().trim_start_matches("add column ");
            let mut words = line.trim_end_matches([',', ';']).split_whitespace();
            let (name, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let kinds = ["integer", "bigint", "text", "mediumtext", "longtext", "varchar", "char"];
            if kinds.contains(&kind.split('(').next().unwrap_or_default()) {
                let required = if line.contains("not null") { " not null" } else { "" };
                found.insert(format!("{table}.{}{required}", name.trim_matches('`')));
            }
        }
    }
    found
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("migrations");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// The constraints of a folder of migrations as both engines write them, and the names of the indexes that it leaves.
fn rules(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for name in names(folder) {
        let text = std::fs::read_to_string(folder.join(name).join("up.sql")).expect("an up.sql");
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
        let text = lines.replace(['`'], "").replace("char_length(", "length(").replace(" autoincrement", "");
        for piece in text.split("constraint ").skip(1) {
            let piece = piece.split("\n) ").next().unwrap_or_default();
            let ends = [",\n    key ", ",\n    add ", ";\n"];
            let piece = ends.iter().fold(piece, |piece, end| piece.split(end).next().unwrap_or_default());
            let words: Vec<&str> = piece.split_whitespace().collect();
            found.insert(words.join(" ").trim_end_matches([',', ';']).to_owned());
        }
        for line in text.lines().map(str::trim_start) {
            let name = |key: &str| format!("index {}", key.split([' ', ',', ';']).next().unwrap_or_default());
            if let Some(gone) = line.strip_prefix("drop index ").or_else(|| line.strip_prefix("drop key ")) {
                assert!(found.remove(&name(gone)), "{line}");
                continue;
            }
            let line = line.strip_prefix("add ").unwrap_or(line);
            let of_table = |key: &&str| key.split_whitespace().nth(1).is_some_and(|columns| columns.starts_with('('));
            let key = line.strip_prefix("create index ").or_else(|| line.strip_prefix("key ").filter(of_table));
            found.extend(key.map(name));
        }
    }
    // There the key of the numbers holds those without one in their order.
    found.remove("index outbox_unnumbered");
    found
}

#[test]
fn twins_have_the_same_names_columns_and_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    for module in MODULES.map(|(module, _)| module).into_iter().chain(["database"]) {
        let (sqlite, mysql) = (root.join(module).join("sqlite"), root.join(module).join("mysql"));
        assert_eq!(names(&sqlite), names(&mysql), "{module}");
        assert_eq!(columns(&sqlite), columns(&mysql), "{module}");
        assert_eq!(rules(&sqlite), rules(&mysql), "{module}");
        assert!(rules(&sqlite).iter().any(|rule| rule.contains("check (")), "{module}");
        assert!(columns(&sqlite).len() > 5, "{module}");
    }
}

/// A definition that MySQL commits by itself must be alone in its migration: whoever resumes after a crash repeats all
/// of it.
#[test]
fn a_migration_of_a_server_makes_one_thing_and_can_be_repeated() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    for module in MODULES.map(|(module, _)| module).into_iter().chain(["database"]) {
        for name in names(&root.join(module).join("mysql")) {
            let folder = root.join(module).join("mysql").join(&name);
            for (file, beginnings) in [
                ("up.sql", ["create table if not exists ", "insert ignore into ", "update ", "alter table "]),
                ("down.sql", ["drop table if exists ", "delete from ", "update ", "alter table "]),
            ] {
                let text = std::fs::read_to_string(folder.join(file)).expect("the file");
                let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
                let text = lines.join("\n");
                assert_eq!(text.matches(';').count(), 1, "{module} {name} {file}");
                assert!(beginnings.iter().any(|begins| text.starts_with(begins)), "{module} {name} {file}");
            }
        }
    }
}

/// For each row that is written SQLite would build a table of a set of more than two, which took a tenth of an order.
#[test]
fn no_rule_asks_for_a_member_of_a_set_of_more_than_two() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut sets = 0;
    for module in MODULES.map(|(module, _)| module).into_iter().chain(["database"]) {
        for rule in rules(&root.join(module).join("sqlite")) {
            for set in rule.split(" in (").skip(1) {
                let members = set.split(')').next().unwrap_or_default().split(',').count();
                assert!(members <= 2, "{module}: {rule}");
                sets += 1;
            }
        }
    }
    assert!(sets > 5, "sets are found");
}
