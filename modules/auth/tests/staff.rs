//! What staff see of users and what admins decide.
#![expect(clippy::expect_used, reason = "a test that cannot be set up must stop")]

mod common;

use actix_web::test::TestRequest;
use common::{House, PASSWORD, Reply};
use emporium_kernel::Role;
use serde_json::{Value, json};

const USERS: &str = "/v1/admin/users";

async fn enter(house: &House, email: &str, roles: &[Role]) -> String {
    house.user(email, roles).await;
    house.login(email, PASSWORD).await.text("access_token")
}

async fn patch(house: &House, token: &str, path: &str, change: Value) -> Reply {
    let bearer = ("Authorization", format!("Bearer {token}"));
    house.send(TestRequest::patch().uri(path).insert_header(bearer).set_json(change)).await
}

fn emails(list: &Reply) -> Vec<&str> {
    list.body["data"].as_array().expect("rows").iter().map(|row| row["email"].as_str().expect("text")).collect()
}

#[actix_web::test]
async fn staff_find_users_and_customers_find_nobody() {
    let house = House::new();
    let boss = enter(&house, "boss@example.com", &[Role::Admin]).await;
    let staff = enter(&house, "sam@example.com", &[Role::Staff]).await;
    for (n, name) in ["ada", "bob", "abe"].into_iter().enumerate() {
        house.pass(1 + n as u64);
        house.register(&format!("{name}@example.com")).await;
    }
    let all = house.as_user("GET", &format!("{USERS}?sort=-created_at&limit=2"), &staff).await;
    assert_eq!(emails(&all), ["abe@example.com", "bob@example.com"]);
    let next = all.text("next_cursor");
    let more = house.as_user("GET", &format!("{USERS}?limit=2&after={next}&role=customer"), &staff).await;
    assert_eq!(emails(&more), ["ada@example.com"]);
    assert_eq!(emails(&house.as_user("GET", &format!("{USERS}?email=AB"), &staff).await), ["abe@example.com"]);
    assert_eq!(emails(&house.as_user("GET", &format!("{USERS}?role=admin"), &staff).await), ["boss@example.com"]);
    assert!(emails(&house.as_user("GET", &format!("{USERS}?disabled=true"), &staff).await).is_empty());
    let ada = house.login("ada@example.com", PASSWORD).await.text("access_token");
    assert_eq!(house.as_user("GET", USERS, &ada).await.status, 403);
    let id = more.body["data"][0]["id"].as_str().expect("an id");
    let one = house.as_user("GET", &format!("{USERS}/{id}"), &staff).await;
    assert_eq!((one.status, &one.body), (200, &more.body["data"][0]));
    let path = format!("{USERS}/{id}");
    assert_eq!(patch(&house, &staff, &path, json!({"roles": ["admin"]})).await.status, 403, "staff make no admins");
    assert_eq!(house.as_user("GET", &format!("{path}/sessions"), &staff).await.status, 403);
    assert_eq!(house.as_user("GET", &format!("{USERS}/usr_00000000000000000000000000"), &boss).await.status, 404);
}

#[actix_web::test]
async fn an_admin_decides_who_may_do_what_and_ends_sessions() {
    let house = House::new();
    let boss = enter(&house, "boss@example.com", &[Role::Admin]).await;
    let login = house.arrive("ada@example.com").await;
    let list = house.as_user("GET", &format!("{USERS}?role=customer"), &boss).await;
    let path = format!("{USERS}/{}", list.body["data"][0]["id"].as_str().expect("an id"));

    let promoted = patch(&house, &boss, &path, json!({"roles": ["customer", "staff"], "name": "Countess"})).await;
    assert_eq!((promoted.status, &promoted.body["roles"]), (200, &json!(["customer", "staff"])));
    assert_eq!(promoted.body["name"], "Countess");
    let fresh = house.refresh(&login.text("refresh_token")).await;
    assert_eq!(house.as_user("GET", USERS, &fresh.text("access_token")).await.status, 200);

    let sessions = house.as_user("GET", &format!("{path}/sessions"), &boss).await;
    let session = sessions.body["data"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(house.as_user("DELETE", &format!("{path}/sessions/{session}"), &boss).await.status, 204);
    house.pass(1);
    assert_eq!(house.as_user("DELETE", &format!("{path}/sessions/{session}"), &boss).await.status, 404);
    assert_eq!(house.as_user("GET", USERS, &fresh.text("access_token")).await.status, 401, "at once");

    house.login("ada@example.com", PASSWORD).await;
    assert_eq!(house.as_user("DELETE", &format!("{path}/sessions"), &boss).await.status, 204);
    assert_eq!(house.as_user("GET", &format!("{path}/sessions"), &boss).await.body["data"], json!([]));

    assert_eq!(patch(&house, &boss, &path, json!({"disabled": true})).await.body["disabled"], true);
    assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 401);
    assert_eq!(patch(&house, &boss, &path, json!({"disabled": false})).await.body["disabled"], false);
    assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 200);
    for bad in
        [json!({"roles": []}), json!({"roles": ["owner"]}), json!({"email": "x@example.com"}), json!({"id": "x"})]
    {
        assert_eq!(patch(&house, &boss, &path, bad.clone()).await.status, 422, "{bad}");
    }
}

#[actix_web::test]
async fn the_last_admin_stays_one() {
    let house = House::new();
    let boss = enter(&house, "boss@example.com", &[Role::Admin]).await;
    let list = house.as_user("GET", USERS, &boss).await;
    let own = format!("{USERS}/{}", list.body["data"][0]["id"].as_str().expect("an id"));
    for change in [json!({"roles": ["staff"]}), json!({"disabled": true})] {
        assert_eq!(patch(&house, &boss, &own, change).await.refusal().2, "last_admin");
    }
    assert_eq!(house.as_user("GET", USERS, &boss).await.status, 200, "nothing was changed");
    house.user("other@example.com", &[Role::Admin]).await;
    assert_eq!(patch(&house, &boss, &own, json!({"roles": ["staff"]})).await.status, 200);
}
