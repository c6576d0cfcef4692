//! Modules meet only through contracts: who may import whom, read from Cargo's own metadata.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Package name to the names of everything it depends on directly, tests included.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata");
    let names = |package: &cargo_metadata::Package| package.dependencies.iter().map(|d| d.name.clone()).collect();
    metadata.packages.iter().map(|package| (package.name.to_string(), names(package))).collect()
}

/// The names of everything that a package is built from, however far away, tests aside.
fn tree(package: &str) -> BTreeSet<String> {
    let metadata = MetadataCommand::new().exec().expect("cargo metadata");
    let resolve = metadata.resolve.expect("resolved");
    let name = |id: &cargo_metadata::PackageId| {
        metadata.packages.iter().find(|package| package.id == *id).map(|package| package.name.to_string())
    };
    let mut open: Vec<_> =
        resolve.nodes.iter().filter(|node| name(&node.id).as_deref() == Some(package)).map(|node| &node.id).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        let node = resolve.nodes.iter().find(|node| node.id == *id).expect("a node");
        let built =
            |dep: &&cargo_metadata::NodeDep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
        open.extend(node.deps.iter().filter(built).map(|dep| &dep.pkg).filter(|id| seen.insert((*id).clone())));
    }
    seen.iter().filter_map(name).collect()
}

fn ours(names: &BTreeSet<String>) -> impl Iterator<Item = &str> {
    names.iter().map(String::as_str).filter(|name| name.starts_with("emporium"))
}

/// Why `package` may not import `other`; `None` when it may.
fn violation(package: &str, other: &str) -> Option<String> {
    let may = match package {
        "emporium" => true,
        "emporium-kernel" => false,
        "emporium-database" => other == "emporium-kernel",
        api if api.ends_with("-api") => other == "emporium-kernel",
        _ => matches!(other, "emporium-kernel" | "emporium-database") || other.ends_with("-api"),
    };
    (!may).then(|| format!("{package} must not depend on {other}"))
}

#[test]
fn modules_import_only_contracts() {
    let imports = imports();
    assert!(imports.len() > 5, "the workspace is read");
    let broken: Vec<String> = imports
        .iter()
        .flat_map(|(package, names)| ours(names).filter_map(|other| violation(package, other)).collect::<Vec<_>>())
        .collect();
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn the_rule_catches_what_it_must() {
    assert_eq!(
        violation("emporium-shop", "emporium-wallet").as_deref(),
        Some("emporium-shop must not depend on emporium-wallet")
    );
    assert!(violation("emporium-wallet-api", "emporium-database").is_some());
    assert!(violation("emporium-kernel", "emporium-auth-api").is_some());
    assert!(violation("emporium-shop", "emporium-wallet-api").is_none());
}

#[test]
fn contracts_know_no_database() {
    let imports = imports();
    let contracts = imports.keys().map(String::as_str).filter(|package| package.ends_with("-api"));
    for package in contracts.chain(["emporium-kernel"]) {
        let diesel: Vec<String> = tree(package).into_iter().filter(|name| name.starts_with("diesel")).collect();
        assert_eq!(diesel, Vec::<String>::new(), "in the tree of {package}");
    }
    assert!(tree("emporium-shop").contains("diesel"), "the tree is read");
}

/// The files of the root package that may name an implementation or a feature.
fn may_know_implementations(path: &str) -> bool {
    ["src/wiring.rs", "src/server.rs", "src/cli.rs"].contains(&path)
        || path.starts_with("src/cli/")
        || path.starts_with("src/wiring/")
}

fn rust_files(folder: &str, found: &mut Vec<String>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).expect(folder).flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let path = entry.path().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            rust_files(&path, found);
        } else if path.ends_with(".rs") {
            found.push(path);
        }
    }
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    rust_files(folder, &mut files);
    files.into_iter().map(|path| (path.clone(), std::fs::read_to_string(&path).expect("readable"))).collect()
}

const IMPLEMENTATIONS: [&str; 4] = ["emporium_auth::", "emporium_inventory::", "emporium_shop::", "emporium_wallet::"];

#[test]
fn only_wiring_server_and_commands_name_implementations() {
    for (path, text) in sources("src").iter().filter(|(path, _)| !may_know_implementations(path)) {
        for name in IMPLEMENTATIONS {
            assert!(!text.contains(name), "{path} must not name {name}");
        }
    }
}

/// Conditions on a feature, in whatever attribute or macro: `cfg(feature = …)`, `cfg(any(feature = …))`, `cfg_attr(…)`.
fn mentions_of_features(text: &str) -> usize {
    text.split("cfg")
        .skip(1)
        .filter(|rest| rest.split(']').next().is_some_and(|rule| rule.contains("feature =")))
        .count()
}

#[test]
fn a_condition_on_a_feature_is_found_wherever_it_stands() {
    for rule in [
        "#[cfg(feature = \"mysql\")]",
        "#[cfg(any(test, feature = \"mysql\"))]",
        "#[cfg(not(feature = \"mysql\"))]",
        "#[cfg_attr(feature = \"mysql\", derive(Debug))]",
        "if cfg!(feature = \"mysql\") {}",
    ] {
        assert_eq!(mentions_of_features(rule), 1, "{rule}");
    }
    assert_eq!(mentions_of_features("#[cfg(test)] mod tests { let feature = 1; }"), 0);
}

#[test]
fn features_are_known_in_few_places() {
    let allowed = |path: &str| may_know_implementations(path) || path.starts_with("modules/database/");
    for (path, text) in sources("src").iter().chain(&sources("modules")) {
        let features = mentions_of_features(text);
        let failpoint = features == 1 && path == "modules/kernel/src/failpoint.rs";
        assert!(features == 0 || failpoint || allowed(path), "{path} must not know features");
    }
}

#[test]
fn files_stay_small_enough_to_read() {
    for (path, text) in sources("src").iter().chain(&sources("modules")) {
        let lines = text.lines().count();
        assert!(lines <= 400 || path.contains("/tests/"), "{path} has {lines} lines: is a noun missing?");
    }
}
