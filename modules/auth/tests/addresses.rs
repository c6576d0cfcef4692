//! The postal addresses that a user keeps.
#![expect(clippy::expect_used, reason = "a test that cannot be set up must stop")]

mod common;

use actix_web::test::TestRequest;
use common::{House, Reply};
use futures_util::future::join_all;
use serde_json::{Value, json};

const ADDRESSES: &str = "/v1/me/addresses";

/// A user who is logged in.
struct Person<'a> {
    house: &'a House,
    token: String,
}

impl<'a> Person<'a> {
    async fn arrive(house: &'a House, email: &str) -> Self {
        let token = house.arrive(email).await.text("access_token");
        Self { house, token }
    }

    fn request(&self, method: &str, path: &str) -> TestRequest {
        let method = method.parse().expect("a method");
        let bearer = ("Authorization", format!("Bearer {}", self.token));
        TestRequest::default().method(method).uri(path).insert_header(bearer)
    }

    async fn get(&self, path: &str) -> Reply {
        self.house.send(self.request("GET", path)).await
    }

    async fn delete(&self, path: &str) -> Reply {
        self.house.send(self.request("DELETE", path)).await
    }

    async fn add(&self, address: Value) -> Reply {
        self.house.send(self.request("POST", ADDRESSES).set_json(address)).await
    }

    async fn add_once(&self, key: &str, address: Value) -> Reply {
        self.house.send(self.request("POST", ADDRESSES).insert_header(("Idempotency-Key", key)).set_json(address)).await
    }

    /// Changes an address of this version.
    async fn change(&self, path: &str, version: &str, change: Value) -> Reply {
        self.house.send(self.request("PATCH", path).insert_header(("If-Match", version)).set_json(change)).await
    }

    /// Adds an address for somebody of this name and says its path.
    async fn added(&self, name: &str, shipping: Option<bool>, billing: Option<bool>) -> String {
        self.house.pass(1);
        let mut address = with("name", json!(name));
        address["is_default_shipping"] = json!(shipping);
        address["is_default_billing"] = json!(billing);
        path_of(&self.add(address).await)
    }

    /// Name, version, and whether it is the default for goods and for bills; newest first.
    async fn kept(&self) -> Vec<(String, i64, bool, bool)> {
        let list = self.get(&format!("{ADDRESSES}?limit=100")).await;
        let rows = list.body["data"].as_array().expect("rows").iter();
        let flag = |row: &Value, name: &str| row[name].as_bool().expect("a flag");
        rows.map(|row| {
            let name = row["name"].as_str().expect("a name").to_owned();
            let version = row["version"].as_i64().expect("a version");
            (name, version, flag(row, "is_default_shipping"), flag(row, "is_default_billing"))
        })
        .collect()
    }
}

fn flat() -> Value {
    json!({"name": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "country": "GB"})
}

fn with(field: &str, value: Value) -> Value {
    let mut address = flat();
    address[field] = value;
    address
}

fn path_of(made: &Reply) -> String {
    assert_eq!(made.status, 201, "{}", made.body);
    format!("{ADDRESSES}/{}", made.text("id"))
}

fn header<'r>(reply: &'r Reply, name: &str) -> &'r str {
    reply.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn of(name: &str, version: i64, shipping: bool, billing: bool) -> (String, i64, bool, bool) {
    (name.to_owned(), version, shipping, billing)
}

#[actix_web::test]
async fn a_user_keeps_addresses_changes_them_and_forgets_them() {
    let house = House::new();
    let ada = Person::arrive(&house, "ada@example.com").await;
    let full = json!({
        "name": " Ada Lovelace ", "company": "Analytical Engines", "phone": "+44 20 7946 0000", "country": "GB",
        "line1": "12 St James's Square", "line2": "2nd floor", "city": "London", "region": "Westminster",
        "postal_code": "SW1Y 4JH",
    });
    let made = ada.add(full).await;
    let path = path_of(&made);
    assert_eq!((header(&made, "location"), header(&made, "etag")), (path.as_str(), "\"1\""));
    assert!(made.text("id").starts_with("adr_"));
    assert_eq!((made.text("name"), made.text("postal_code")), ("Ada Lovelace".to_owned(), "SW1Y 4JH".to_owned()));

    house.pass(1);
    let other = ada.add(with("city", json!("Ockham"))).await;
    assert_eq!((&other.body["company"], &other.body["phone"]), (&Value::Null, &Value::Null));
    let list = ada.get(&format!("{ADDRESSES}?sort=-created_at&limit=1")).await;
    assert_eq!(list.body["data"], json!([other.body]), "newest first");
    let rest = ada.get(&format!("{ADDRESSES}?after={}", list.text("next_cursor"))).await;
    assert_eq!((&rest.body["data"], &rest.body["next_cursor"]), (&json!([made.body]), &Value::Null));

    house.pass(1);
    let changed = ada.change(&path, "\"1\"", json!({"city": "Surrey", "company": null, "line2": "3rd floor"})).await;
    let mut expected = made.body.clone();
    expected["city"] = json!("Surrey");
    expected["company"] = Value::Null;
    expected["line2"] = json!("3rd floor");
    expected["version"] = json!(2);
    expected["updated_at"] = changed.body["updated_at"].clone();
    assert_eq!((changed.status, header(&changed, "etag"), &changed.body), (200, "\"2\"", &expected));
    assert_ne!(changed.body["updated_at"], made.body["updated_at"]);
    let same = ada.change(&path, "\"2\"", json!({"city": "Surrey"})).await;
    assert_eq!((same.status, &same.body), (200, &expected), "what is so already changes nothing");
    let shown = ada.get(&path).await;
    assert_eq!((shown.status, header(&shown, "etag"), &shown.body), (200, "\"2\"", &expected));

    let gone = ada.delete(&path).await;
    assert_eq!((gone.status, gone.body.is_null()), (204, true));
    assert_eq!(ada.get(&path).await.refusal().2, "unknown_address");
    assert_eq!(ada.delete(&path).await.refusal().2, "unknown_address");
    assert_eq!(ada.get(ADDRESSES).await.body["data"], json!([other.body]));
}

#[actix_web::test]
async fn what_is_another_users_is_not_there() {
    let house = House::new();
    let (ada, eve) = (Person::arrive(&house, "ada@example.com").await, Person::arrive(&house, "eve@example.com").await);
    let made = ada.add(flat()).await;
    let foreign = path_of(&made);
    let missing = format!("{ADDRESSES}/adr_00000000000000000000000000");
    let city = || json!({"city": "Paris"});
    let pairs = [
        (eve.get(&foreign).await, eve.get(&missing).await),
        (eve.change(&foreign, "*", city()).await, eve.change(&missing, "*", city()).await),
        (eve.change(&foreign, "\"9\"", city()).await, eve.change(&missing, "\"9\"", city()).await),
        (eve.delete(&foreign).await, eve.delete(&missing).await),
    ];
    for (foreign, missing) in pairs {
        assert_eq!((foreign.status, foreign.text("code").as_str()), (404, "unknown_address"));
        assert_eq!((missing.status, &missing.body), (404, &foreign.body));
    }
    assert_eq!(eve.get(ADDRESSES).await.body["data"], json!([]));
    assert_eq!(ada.get(&foreign).await.body, made.body, "nothing was changed");
    assert_eq!(house.send(TestRequest::get().uri(ADDRESSES)).await.status, 401);
}

#[actix_web::test]
async fn the_first_address_is_the_default_unless_it_says_otherwise() {
    let house = House::new();
    let (ada, bob) = (Person::arrive(&house, "ada@example.com").await, Person::arrive(&house, "bob@example.com").await);
    ada.added("first", None, None).await;
    ada.added("second", None, None).await;
    assert_eq!(ada.kept().await, [of("second", 1, false, false), of("first", 1, true, true)]);
    let first = bob.added("first", Some(false), None).await;
    assert_eq!(bob.kept().await, [of("first", 1, false, true)]);
    assert_eq!(bob.delete(&first).await.status, 204);
    bob.added("again", None, None).await;
    assert_eq!(bob.kept().await, [of("again", 1, true, true)], "it is the first one again");
}

#[actix_web::test]
async fn a_default_is_taken_from_the_address_that_had_it() {
    let house = House::new();
    let (ada, bob) = (Person::arrive(&house, "ada@example.com").await, Person::arrive(&house, "bob@example.com").await);
    bob.added("bob", None, None).await;
    let first = ada.added("first", None, None).await;
    let second = ada.added("second", Some(true), None).await;
    assert_eq!(ada.kept().await, [of("second", 1, true, false), of("first", 2, false, true)]);
    let stale = ada.change(&first, "\"1\"", json!({"is_default_shipping": true})).await;
    assert_eq!(stale.status, 412, "it was changed with the other one");

    assert_eq!(ada.change(&second, "\"1\"", json!({"is_default_billing": true})).await.status, 200);
    assert_eq!(ada.kept().await, [of("second", 2, true, true), of("first", 3, false, false)]);
    assert_eq!(ada.change(&first, "\"3\"", json!({"is_default_shipping": true})).await.status, 200);
    assert_eq!(ada.kept().await, [of("second", 3, false, true), of("first", 4, true, false)]);

    assert_eq!(ada.change(&first, "*", json!({"is_default_shipping": false})).await.status, 200);
    assert_eq!(ada.delete(&second).await.status, 204);
    assert_eq!(ada.kept().await, [of("first", 5, false, false)], "nothing follows by itself");
    assert_eq!(bob.kept().await, [of("bob", 1, true, true)], "another user's stay");
}

#[actix_web::test]
async fn of_many_defaults_at_once_one_remains() {
    let house = House::new();
    let ada = Person::arrive(&house, "ada@example.com").await;
    let made = join_all((0..20).map(|_| ada.add(with("is_default_shipping", json!(true))))).await;
    let changes = made.iter().map(path_of).map(|path| {
        let ada = &ada;
        async move { ada.change(&path, "*", json!({"is_default_billing": true})).await.status }
    });
    assert_eq!(join_all(changes).await, [200_u16; 20]);
    let kept = ada.kept().await;
    assert_eq!(kept.iter().filter(|address| address.2).count(), 1, "{kept:?}");
    assert_eq!(kept.iter().filter(|address| address.3).count(), 1, "{kept:?}");
}

#[actix_web::test]
async fn fields_that_cannot_be_are_refused_by_name() {
    let house = House::new();
    let ada = Person::arrive(&house, "ada@example.com").await;
    let made = ada.add(flat()).await;
    let path = path_of(&made);
    let long = |characters: usize| json!("x".repeat(characters));
    let cases = [
        ("name", json!("  "), "blank"),
        ("name", long(101), "too_long"),
        ("name", json!(null), "invalid_value"),
        ("company", long(101), "too_long"),
        ("company", json!(""), "blank"),
        ("line1", json!("12 \u{202e}erauqS"), "forbidden_character"),
        ("line1", long(201), "too_long"),
        ("line2", json!("one\ntwo"), "forbidden_character"),
        ("line2", long(201), "too_long"),
        ("city", json!(5), "invalid_value"),
        ("city", long(101), "too_long"),
        ("region", long(101), "too_long"),
        ("postal_code", long(21), "too_long"),
        ("country", json!("gb"), "unknown_country"),
        ("country", json!("UK"), "unknown_country"),
        ("country", json!("GBR"), "unknown_country"),
        ("country", json!(null), "invalid_value"),
        ("phone", long(33), "too_long"),
        ("is_default_shipping", json!("yes"), "invalid_value"),
        ("is_default_billing", json!(1), "invalid_value"),
        ("version", json!(7), "unknown_field"),
        ("user_id", json!("usr_00000000000000000000000000"), "unknown_field"),
    ];
    for (field, value, code) in cases {
        let expected = (422, field.to_owned(), code.to_owned());
        assert_eq!(ada.add(with(field, value.clone())).await.refusal(), expected, "{value}");
        let changed = ada.change(&path, "*", json!({ field: value })).await;
        assert_eq!(changed.refusal(), expected, "a change");
    }
    for field in ["name", "line1", "city", "country"] {
        let mut without = flat();
        without.as_object_mut().expect("an object").remove(field);
        assert_eq!(ada.add(without).await.refusal(), (422, field.to_owned(), "required".to_owned()));
    }
    let unsaid = ada.change(&path, "*", json!({"is_default_billing": null})).await;
    assert_eq!(unsaid.refusal(), (422, "is_default_billing".to_owned(), "invalid_value".to_owned()));
    assert_eq!(ada.get(ADDRESSES).await.body["data"], json!([made.body]), "nothing was kept or changed");
}

#[actix_web::test]
async fn a_user_keeps_fifty_addresses_and_no_more() {
    let house = House::new();
    let (ada, eve) = (Person::arrive(&house, "ada@example.com").await, Person::arrive(&house, "eve@example.com").await);
    let made = join_all((0..60).map(|_| ada.add(flat()))).await;
    assert_eq!(made.iter().filter(|reply| reply.status == 201).count(), 50);
    for refused in made.iter().filter(|reply| reply.status != 201) {
        assert_eq!((refused.refusal().2.as_str(), &refused.body["limit"]), ("too_many_addresses", &json!(50)));
        assert_eq!(refused.status, 409);
    }
    let kept = ada.kept().await;
    assert_eq!((kept.len(), kept.iter().filter(|address| address.2 && address.3).count()), (50, 1));
    assert_eq!(eve.add(flat()).await.status, 201, "each user has as many");
    let first = made.iter().find(|reply| reply.status == 201).expect("one that was kept");
    assert_eq!(ada.delete(&path_of(first)).await.status, 204);
    assert_eq!(ada.add(flat()).await.status, 201);
    assert_eq!(ada.add(flat()).await.status, 409);
}

#[actix_web::test]
async fn a_key_that_comes_again_keeps_one_address() {
    let house = House::new();
    let (ada, eve) = (Person::arrive(&house, "ada@example.com").await, Person::arrive(&house, "eve@example.com").await);
    let first = ada.add_once("k1", flat()).await;
    let again = ada.add_once("k1", flat()).await;
    assert_eq!((first.status, header(&first, "idempotent-replayed")), (201, ""));
    assert_eq!((again.status, header(&again, "idempotent-replayed")), (201, "true"));
    assert_eq!((&again.body, header(&again, "location")), (&first.body, header(&first, "location")));
    let other = ada.add_once("k1", with("city", json!("Ockham"))).await;
    assert_eq!((other.status, other.text("code").as_str()), (422, "idempotency_key_reused"));
    let foreign = eve.add_once("k1", flat()).await;
    assert_eq!((foreign.status, header(&foreign, "idempotent-replayed")), (201, ""), "a key of somebody else");
    assert_ne!(foreign.text("id"), first.text("id"));
    assert_eq!(ada.add_once("k2", flat()).await.status, 201, "another key keeps another one");
    assert_eq!(ada.kept().await.len(), 2);

    let path = path_of(&first);
    assert_eq!(ada.change(&path, "*", json!({"city": "Surrey"})).await.status, 200);
    let now = ada.add_once("k1", flat()).await;
    assert_eq!((now.text("city").as_str(), header(&now, "etag")), ("Surrey", "\"2\""), "as it is now");
    assert_eq!(ada.delete(&path).await.status, 204);
    assert_eq!(ada.add_once("k1", flat()).await.refusal().2, "unknown_address");
    assert_eq!(ada.kept().await.len(), 1);
}

#[actix_web::test]
async fn a_change_is_based_on_the_version_that_was_read() {
    let house = House::new();
    let ada = Person::arrive(&house, "ada@example.com").await;
    let path = path_of(&ada.add(flat()).await);
    let change = || json!({"city": "Paris"});
    let blind = house.send(ada.request("PATCH", &path).set_json(change())).await;
    assert_eq!((blind.status, blind.text("code").as_str()), (428, "if_match_required"));
    assert_eq!(ada.change(&path, "1", change()).await.refusal().2, "invalid_if_match");
    assert_eq!(ada.change(&path, "\"1\"", change()).await.status, 200);
    let stale = ada.change(&path, "\"1\"", json!({"city": "Rome"})).await;
    assert_eq!((stale.status, stale.text("code").as_str()), (412, "stale_version"));
    assert_eq!(stale.text("current_version"), "\"2\"");
    let any = ada.change(&path, "*", json!({"phone": "+33 1 23 45 67 89"})).await;
    assert_eq!((any.status, any.text("city").as_str(), header(&any, "etag")), (200, "Paris", "\"3\""));
}
