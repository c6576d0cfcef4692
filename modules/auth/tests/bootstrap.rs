//! The first admin and the start of the module: secret files, settings, schema.
#![expect(clippy::expect_used, reason = "a test that cannot be set up must stop")]

mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use common::{House, PASSWORD, open};
use emporium_auth::{AuthOpenError, MIGRATIONS, Settings, rotate_keys};
use emporium_kernel::{Clock, Random, Role};
use futures_util::future::join;
use serde_json::{Value, json};

const SECRET_FILE: &str = "bootstrap-secret";
const KEY_FILE: &str = "auth-signing.key";

fn secret(house: &House) -> String {
    std::fs::read_to_string(house.file(SECRET_FILE)).expect("the secret").trim().to_owned()
}

fn claim(secret: &str, email: &str) -> Value {
    json!({"secret": secret, "email": email, "password": PASSWORD, "name": "Ada"})
}

async fn bootstrap(house: &House, body: Value) -> (u16, String) {
    let reply = house.post("/v1/auth/bootstrap", body).await;
    (reply.status, reply.text("code"))
}

fn refused() -> (u16, String) {
    (403, "invalid_bootstrap_secret".to_owned())
}

#[actix_web::test]
async fn the_secret_makes_the_first_admin_once() {
    let house = House::new();
    assert!(!house.users.has_admin().await.expect("answers"));
    assert_eq!(std::fs::metadata(house.file(SECRET_FILE)).expect("a file").mode() & 0o777, 0o600);
    let secret = secret(&house);
    assert!(secret.len() >= 43);
    assert_eq!(bootstrap(&house, claim("guess", "ada@example.com")).await, refused());

    let made = house.post("/v1/auth/bootstrap", claim(&secret, "ada@example.com")).await;
    assert_eq!((made.status, &made.body["user"]["roles"]), (201, &json!(["customer", "admin"])));
    assert!(!house.file(SECRET_FILE).exists());
    assert!(house.users.has_admin().await.expect("answers"));
    assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 200);
    assert_eq!(bootstrap(&house, claim(&secret, "eve@example.com")).await, refused());

    let house = house.again();
    assert!(!house.file(SECRET_FILE).exists(), "with an admin no secret is made");
}

#[actix_web::test]
async fn two_uses_at_once_make_one_admin() {
    let house = House::new();
    let secret = secret(&house);
    let (one, two) = join(
        house.post("/v1/auth/bootstrap", claim(&secret, "ada@example.com")),
        house.post("/v1/auth/bootstrap", claim(&secret, "eve@example.com")),
    )
    .await;
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 403]);
    let users = house
        .users
        .list_users(emporium_auth::UserFilter::default(), emporium_kernel::Window::default())
        .await
        .expect("lists")
        .data;
    assert_eq!(users.iter().map(|user| user.roles.clone()).collect::<Vec<_>>(), [[Role::Customer, Role::Admin]]);
}

#[actix_web::test]
async fn an_admin_that_is_there_closes_the_door() {
    let house = House::new();
    house.user("ada@example.com", &[Role::Admin]).await;
    assert_eq!(bootstrap(&house, claim(&secret(&house), "eve@example.com")).await, refused());
    let house = house.again();
    assert!(!house.file(SECRET_FILE).exists());
}

#[actix_web::test]
async fn a_refused_use_leaves_the_secret_good() {
    let house = House::new();
    house.register("ada@example.com").await;
    let secret = secret(&house);
    assert_eq!(bootstrap(&house, claim(&secret, "ada@example.com")).await, (409, "email_taken".to_owned()));
    let mut weak = claim(&secret, "eve@example.com");
    weak["password"] = json!("short");
    assert_eq!(bootstrap(&house, weak).await, (422, "validation_failed".to_owned()));
    assert_eq!(bootstrap(&house, claim(&secret, "eve@example.com")).await.0, 201);
}

#[actix_web::test]
async fn the_secret_is_good_for_a_day_and_made_anew_at_the_next_start() {
    let house = House::new();
    let first = secret(&house);
    let house = house.again();
    assert_eq!(secret(&house), first, "a good one is kept");
    house.pass(24 * 60 * 60);
    assert_eq!(bootstrap(&house, claim(&first, "ada@example.com")).await, refused());
    let house = house.again();
    let second = secret(&house);
    assert_ne!(second, first);
    assert_eq!(bootstrap(&house, claim(&first, "ada@example.com")).await, refused());
    std::fs::remove_file(house.file(SECRET_FILE)).expect("is lost");
    let house = house.again();
    assert_eq!(bootstrap(&house, claim(&second, "ada@example.com")).await, refused());
    assert_eq!(bootstrap(&house, claim(&secret(&house), "ada@example.com")).await.0, 201);
}

#[actix_web::test]
async fn a_secret_that_others_could_read_is_replaced() {
    let house = House::new();
    let first = secret(&house);
    let open_to_all = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(house.file(SECRET_FILE), open_to_all).expect("changes");
    let house = house.again();
    assert_ne!(secret(&house), first);
    assert_eq!(std::fs::metadata(house.file(SECRET_FILE)).expect("a file").mode() & 0o777, 0o600);
}

#[test]
fn a_signing_key_that_others_could_read_is_refused() {
    let house = House::new();
    let key = house.file(KEY_FILE);
    assert_eq!(std::fs::metadata(&key).expect("a file").mode() & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o660] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).expect("changes");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::copy(&key, folder.path().join(KEY_FILE)).expect("copies");
        let refused = open(&folder, Settings::for_tests(), house.clock.clone(), 1);
        assert!(matches!(refused, Err(AuthOpenError::File { path, .. }) if path.ends_with(KEY_FILE)), "{mode:o}");
    }
}

#[test]
fn a_damaged_signing_key_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join(KEY_FILE);
    std::fs::write(&key, b"not a key").expect("writes");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("changes");
    let (clock, _) = Clock::manual(common::START);
    assert!(matches!(open(&folder, Settings::for_tests(), clock, 1), Err(AuthOpenError::Key(_))));
    assert_eq!(std::fs::read(&key).expect("reads"), b"not a key");
}

/// Settings with the root secret in this file.
fn with_root(path: &Path) -> Settings {
    let mut settings = Settings::for_tests();
    settings.root_file = path.to_str().expect("text").to_owned();
    settings
}

#[actix_web::test]
async fn the_root_secret_may_be_elsewhere_and_without_it_nothing_is_opened_or_changed() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let (root, wrong) = (elsewhere.path().join("root.key"), elsewhere.path().join("wrong.key"));
    let house = House::with(with_root(&root));
    house.register("ada@example.com").await;
    assert!(root.exists() && !house.file("auth-root.key").exists());
    let key = std::fs::read(house.file(KEY_FILE)).expect("reads");

    let now = house.clock.now();
    let rotate = |root: &Path| rotate_keys(&with_root(root), house.folder.path(), now, &Random::seeded(5), true);
    assert!(matches!(rotate(&wrong), Err(AuthOpenError::Root(path)) if path == wrong));
    assert!(!wrong.exists(), "none is made where keys are");

    house.users.database().close();
    let refused = open(&house.folder, with_root(&wrong), house.clock.clone(), 2);
    assert!(matches!(refused, Err(AuthOpenError::OtherRoot(path)) if path == wrong));
    assert!(matches!(rotate(&wrong), Err(AuthOpenError::Key(_))), "it is another one");
    assert_eq!(std::fs::read(house.file(KEY_FILE)).expect("reads"), key);
    assert_eq!(std::fs::read_dir(house.folder.path()).expect("reads").flatten().filter(is_signing_key).count(), 1);

    let house = house.again_with(with_root(&root));
    assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 200);
    rotate_keys(&with_root(&root), house.folder.path(), now, &Random::seeded(5), true).expect("with the right one");
}

fn is_signing_key(entry: &std::fs::DirEntry) -> bool {
    entry.file_name().to_str().is_some_and(|name| name.starts_with("auth-signing") && name.ends_with(".key"))
}

#[test]
fn weak_hashing_parameters_are_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut weak = Settings::default();
    weak.argon2_memory_kib = 1024;
    let (clock, _) = Clock::manual(common::START);
    assert!(
        matches!(open(&folder, weak, clock, 1), Err(AuthOpenError::Settings(why)) if why.contains("argon2_memory_kib"))
    );
    assert_eq!(std::fs::read_dir(folder.path()).expect("reads").count(), 0);
}

#[test]
fn the_schema_goes_up_down_and_up_again() {
    let house = House::new();
    let versions = MIGRATIONS.versions().expect("versions");
    assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "versions are unique and in order: {versions:?}");
    house.users.database().close();
    MIGRATIONS.revert(&emporium_database::Url::file(house.file("auth.db"))).expect("goes down");
    drop(house.again());
}
