//! What a user may know and forget: everything that is kept, and all that names a person.

mod common;

use actix_web::test::TestRequest;
use common::{House, PASSWORD, Reply};
use emporium_auth_api::{AskPersonal, Auth, FindUser, UserId};
use emporium_kernel::{After, Call, Role};
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";

async fn send(house: &House, request: TestRequest, token: &str, body: Value) -> Reply {
    house.send(request.insert_header(("Authorization", format!("Bearer {token}"))).set_json(body)).await
}

async fn erase(house: &House, token: &str, password: &str) -> Reply {
    send(house, TestRequest::post().uri("/v1/me/erase"), token, json!({"current_password": password})).await
}

#[actix_web::test]
async fn a_user_changes_the_own_name_and_nothing_else_there() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let rename = |body: Value| send(&house, TestRequest::patch().uri("/v1/me"), &token, body);
    let renamed = rename(json!({"name": "Countess Ada"})).await;
    assert_eq!((renamed.status, renamed.text("name")), (200, "Countess Ada".to_owned()));
    assert_eq!(house.me(&token).await.text("name"), "Countess Ada");
    assert_eq!(rename(json!({"roles": ["admin"]})).await.refusal().2, "unknown_field");
    assert_eq!(rename(json!({"name": " "})).await.refusal(), (422, "name".to_owned(), "blank".to_owned()));
}

#[actix_web::test]
async fn an_erased_user_leaves_an_id_that_names_nobody() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let id = house.me(&token).await.text("id");
    let home = json!({"name": "Ada", "line1": "1 Tea Street", "city": "London", "country": "GB"});
    assert_eq!(send(&house, TestRequest::post().uri("/v1/me/addresses"), &token, home).await.status, 201);
    let wrong = erase(&house, &token, "wrong").await;
    assert_eq!(wrong.refusal(), (422, "current_password".to_owned(), "wrong_password".to_owned()));
    assert_eq!(erase(&house, &token, PASSWORD).await.status, 204);

    assert_eq!(house.me(&token).await.status, 401);
    assert_eq!(house.login(ADA, PASSWORD).await.status, 401);
    let user = house.users.user(FindUser::Id(UserId::parse(&id).expect("an id"))).await.expect("the id stays");
    assert_eq!(
        (user.name.as_str(), user.email, user.roles, user.disabled),
        ("erased", format!("{id}@erased.invalid"), vec![], true)
    );
    assert_eq!(house.login(&user_address(&id), PASSWORD).await.status, 422, "it is nobody's address");
    let events =
        house.users.events(&Call::internal("test"), After { number: 0, limit: 10 }).await.expect("reads").events;
    assert_eq!((events[0].topic.as_str(), events[0].subject.as_str()), ("user.erased", id.as_str()));
    let ask = AskPersonal { user: UserId::parse(&id).expect("an id") };
    let left = Auth::personal(&*house.users, &Call::internal("test"), ask).await.expect("reads").data;
    assert_eq!((&left["addresses"], &left["login_places"]), (&json!([]), &json!([])));
    assert_eq!(house.register(ADA).await.status, 201, "the address is free");
}

fn user_address(id: &str) -> String {
    format!("{id}@erased.invalid")
}

#[actix_web::test]
async fn the_last_admin_cannot_be_erased() {
    let house = House::new();
    house.user(ADA, &[Role::Admin]).await;
    let token = house.login(ADA, PASSWORD).await.text("access_token");
    let refused = erase(&house, &token, PASSWORD).await;
    assert_eq!((refused.status, refused.text("code")), (409, "last_admin".to_owned()));
    assert_eq!(house.me(&token).await.status, 200, "nothing was changed");
    house.user("eve@example.com", &[Role::Admin]).await;
    assert_eq!(erase(&house, &token, PASSWORD).await.status, 204);
}

#[actix_web::test]
async fn what_auth_knows_of_a_user_is_told_without_secrets() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let home = json!({"name": "Ada", "line1": "1 Tea Street", "city": "London", "country": "GB"});
    send(&house, TestRequest::post().uri("/v1/me/addresses"), &token, home).await;
    let user = UserId::parse(&house.me(&token).await.text("id")).expect("an id");
    let call = Call::internal("test");
    let data = Auth::personal(&*house.users, &call, AskPersonal { user }).await.expect("reads").data;
    assert_eq!((&data["profile"]["email"], &data["addresses"][0]["line1"]), (&json!(ADA), &json!("1 Tea Street")));
    assert_eq!(data["sessions"].as_array().map(Vec::len), Some(1));
    let text = data.to_string();
    assert!(!text.contains("argon2") && !text.contains("hash"), "{text}");
}

#[actix_web::test]
async fn an_erased_user_is_nobody_to_be_changed() {
    let house = House::new();
    house.user("root@example.com", &[Role::Admin]).await;
    let token = house.arrive(ADA).await.text("access_token");
    let id = house.me(&token).await.text("id");
    assert_eq!(erase(&house, &token, PASSWORD).await.status, 204);
    let root = house.login("root@example.com", PASSWORD).await.text("access_token");
    let path = format!("/v1/admin/users/{id}");
    let back =
        send(&house, TestRequest::patch().uri(&path), &root, json!({"disabled": false, "roles": ["admin"]})).await;
    assert_eq!((back.status, back.text("code")), (404, "unknown_user".to_owned()));
    assert_eq!(house.as_user("DELETE", &format!("{path}/totp"), &root).await.status, 404);
}
