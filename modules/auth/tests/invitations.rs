//! Staff become users by invitation: a secret that an admin has sent or passes on, good once, for a week.
#![expect(clippy::expect_used, reason = "a test that cannot be set up must stop")]

mod common;

use std::time::Duration;

use actix_web::test::TestRequest;
use common::{House, PASSWORD, Reply, START};
use emporium_auth::{MailTransport, Settings};
use emporium_auth_api::{AuthError, FindUser};
use emporium_database::prelude::*;
use emporium_kernel::{Call, Role};
use futures_util::future::join_all;
use serde_json::{Value, json};

mod stored {
    diesel::table! {
        invitation (id) {
            id -> Text,
            email -> Text,
            roles -> Text,
        invited_by -> Text,
            token_hash -> Text,
            created_at -> BigInt,
            expires_at -> BigInt,
        }
    }
}

use stored::invitation;

const INVITATIONS: &str = "/v1/admin/invitations";
const SAM: &str = "sam@example.com";
const WEEK: u64 = 7 * 24 * 60 * 60;

/// A house with an admin. Mail, where it leaves, can be read.
async fn house(transport: MailTransport) -> House {
    let mut settings = Settings::for_tests();
    settings.mail.transport = transport;
    let house = House::with(settings);
    house.user("boss@example.com", &[Role::Admin]).await;
    house
}

/// The admin's access token.
async fn boss(house: &House) -> String {
    house.login("boss@example.com", PASSWORD).await.text("access_token")
}

async fn invite(house: &House, token: &str, email: &str, roles: Value) -> Reply {
    let bearer = ("Authorization", format!("Bearer {token}"));
    let body = json!({"email": email, "roles": roles});
    house.send(TestRequest::post().uri(INVITATIONS).insert_header(bearer).set_json(body)).await
}

/// Invites somebody as staff: the invitation's id and its token.
async fn invited(house: &House, email: &str) -> (String, String) {
    let made = invite(house, &boss(house).await, email, json!(["staff"])).await;
    assert_eq!(made.status, 201, "{made:?}");
    (made.text("id"), made.text("token"))
}

async fn withdraw(house: &House, id: &str) -> Reply {
    house.as_user("DELETE", &format!("{INVITATIONS}/{id}"), &boss(house).await).await
}

async fn accept(house: &House, token: &str, password: &str) -> Reply {
    let body = json!({"token": token, "name": "Sam", "password": password});
    house.post("/v1/auth/invitations/accept", body).await
}

/// The addresses of open invitations.
async fn open(house: &House) -> Vec<String> {
    emails(&house.as_user("GET", INVITATIONS, &boss(house).await).await)
}

fn emails(list: &Reply) -> Vec<String> {
    let rows = list.body["data"].as_array().expect("rows");
    rows.iter().map(|row| row["email"].as_str().expect("text").to_owned()).collect()
}

/// The token in the newest mail.
async fn mailed(house: &House) -> String {
    house.users.send_mail().await.expect("goes out");
    let list = house.as_user("GET", "/v1/admin/mail", &boss(house).await).await;
    let newest = &list.body["data"][0];
    assert_eq!((&newest["to"], &newest["subject"]), (&json!(SAM), &json!("You are invited")));
    let mut words = newest["text"].as_str().expect("text").split_whitespace().map(|word| word.trim_end_matches('.'));
    words.find(|word| word.len() == 43).expect("a token").to_owned()
}

/// Puts invitations into the database that were made at the beginning.
async fn fill(house: &House, count: u32) {
    let until = START.plus(Duration::from_secs(WEEK));
    let write = house.users.database().write::<_, AuthError, _>(move |db| {
        for n in 0..count {
            let row = (
                invitation::id.eq(format!("inv_{n:026}")),
                invitation::email.eq(format!("guest{n}@example.com")),
                invitation::roles.eq("staff"),
                invitation::invited_by.eq("usr_somebody"),
                invitation::token_hash.eq(format!("{n:043}")),
                invitation::created_at.eq(START.micros()),
                invitation::expires_at.eq(until.micros()),
            );
            diesel::insert_into(invitation::table).values(row).execute(db)?;
        }
        Ok(())
    });
    write.await.expect("writes");
}

async fn hashes(house: &House) -> Vec<String> {
    let hashes = invitation::table.select(invitation::token_hash);
    house.users.database().read::<_, AuthError, _>(move |db| Ok(hashes.load(db)?)).await.expect("reads")
}

#[actix_web::test]
async fn a_mailed_invitation_makes_one_user_with_its_roles() {
    let house = house(MailTransport::Staff).await;
    let made = invite(&house, &boss(&house).await, " Sam@Example.com", json!(["staff", "supplier"])).await;
    assert_eq!((made.status, made.text("email").as_str()), (201, SAM));
    assert_eq!(made.body["roles"], json!(["supplier", "staff"]));
    assert_eq!(made.text("created_at"), START.to_string());
    assert_eq!(made.text("expires_at"), START.plus(Duration::from_secs(WEEK)).to_string());
    assert!(made.body.get("token").is_none(), "it is for whoever is invited alone");
    let token = mailed(&house).await;
    let user = accept(&house, &token, PASSWORD).await;
    assert_eq!((user.status, &user.body["user"]["email"]), (201, &json!(SAM)));
    assert_eq!((&user.body["user"]["name"], &user.body["user"]["roles"]), (&json!("Sam"), &made.body["roles"]));
    let sam = house.login(SAM, PASSWORD).await.text("access_token");
    assert_eq!(house.as_user("GET", "/v1/admin/users", &sam).await.status, 200);
    assert_eq!(accept(&house, &token, PASSWORD).await.refusal().2, "invalid_invitation", "used");
    assert!(open(&house).await.is_empty());
}

#[actix_web::test]
async fn without_mail_the_token_is_shown_once_and_stored_as_a_hash() {
    let house = house(MailTransport::None).await;
    let boss = boss(&house).await;
    let made = invite(&house, &boss, SAM, json!(["customer", "admin"])).await;
    let token = made.text("token");
    assert_eq!((made.status, token.len()), (201, 43));
    assert_eq!(made.headers.get("cache-control").and_then(|value| value.to_str().ok()), Some("no-store"));
    let list = house.as_user("GET", INVITATIONS, &boss).await;
    assert_eq!((&list.body["data"][0]["id"], emails(&list)), (&made.body["id"], vec![SAM.to_owned()]));
    assert!(!list.body.to_string().contains("token"));
    let hashes = hashes(&house).await;
    assert!(hashes.len() == 1 && hashes[0].len() == 43 && hashes[0] != token);
    assert_eq!(accept(&house, &hashes[0], PASSWORD).await.status, 422, "who reads the table accepts nothing");
    assert_eq!(accept(&house, &token, PASSWORD).await.body["user"]["roles"], json!(["customer", "admin"]));
    for (roles, refusal) in [(json!([]), "empty"), (json!(["owner"]), "invalid_value")] {
        assert_eq!(invite(&house, &boss, "eve@example.com", roles).await.refusal().2, refusal);
    }
}

#[actix_web::test]
async fn whatever_a_token_lacks_it_gets_the_same_answer() {
    let house = house(MailTransport::None).await;
    let (tom, withdrawn) = invited(&house, "tom@example.com").await;
    assert_eq!(withdraw(&house, &tom).await.status, 204);
    assert_eq!(withdraw(&house, &tom).await.refusal().2, "unknown_invitation");
    let (_, replaced) = invited(&house, SAM).await;
    let (_, used) = invited(&house, SAM).await;
    assert_eq!(open(&house).await, [SAM], "one for an address");
    let first = accept(&house, &replaced, PASSWORD).await;
    assert_eq!((first.status, first.text("code").as_str()), (422, "invalid_invitation"));
    assert_eq!(accept(&house, &used, PASSWORD).await.status, 201);
    let (eve, expired) = invited(&house, "eve@example.com").await;
    house.pass(WEEK);
    for token in [withdrawn.as_str(), &replaced, &used, &expired, "made-up", ""] {
        let refused = accept(&house, token, PASSWORD).await;
        assert_eq!((refused.status, &refused.body), (422, &first.body));
    }
    assert!(open(&house).await.is_empty());
    assert_eq!(withdraw(&house, &eve).await.status, 404, "expired");
    let (_, again) = invited(&house, "eve@example.com").await;
    assert_eq!(accept(&house, &again, PASSWORD).await.status, 201);
}

#[actix_web::test]
async fn admins_alone_invite_see_and_withdraw() {
    let house = house(MailTransport::None).await;
    let (id, _) = invited(&house, SAM).await;
    let path = format!("{INVITATIONS}/{id}");
    for (email, role) in [("stan@example.com", Role::Staff), ("sue@example.com", Role::Supplier)] {
        house.user(email, &[role]).await;
        let token = house.login(email, PASSWORD).await.text("access_token");
        assert_eq!(invite(&house, &token, "eve@example.com", json!(["customer"])).await.status, 403);
        assert_eq!(house.as_user("GET", INVITATIONS, &token).await.status, 403);
        assert_eq!(house.as_user("DELETE", &path, &token).await.status, 403);
    }
    assert_eq!(house.send(TestRequest::get().uri(INVITATIONS)).await.status, 401);
    house.pass(1);
    invited(&house, "tom@example.com").await;
    let boss = boss(&house).await;
    let newest = house.as_user("GET", &format!("{INVITATIONS}?sort=-created_at&limit=1"), &boss).await;
    assert_eq!(emails(&newest), ["tom@example.com"]);
    let next = format!("{INVITATIONS}?limit=1&after={}", newest.text("next_cursor"));
    let next = house.as_user("GET", &next, &boss).await;
    assert_eq!((emails(&next), &next.body["next_cursor"]), (vec![SAM.to_owned()], &Value::Null));
}

#[actix_web::test]
async fn of_ten_who_accept_at_once_one_becomes_a_user() {
    let house = house(MailTransport::None).await;
    let (_, token) = invited(&house, SAM).await;
    let all = join_all((0..10).map(|_| accept(&house, &token, PASSWORD))).await;
    assert_eq!(all.iter().filter(|reply| reply.status == 201).count(), 1);
    assert_eq!(all.iter().filter(|reply| reply.refusal().2 == "invalid_invitation").count(), 9);
    let users = house.as_user("GET", "/v1/admin/users?email=sam", &boss(&house).await).await;
    assert_eq!(emails(&users), [SAM]);
}

#[actix_web::test]
async fn a_weak_password_leaves_the_invitation_good() {
    let house = house(MailTransport::None).await;
    let (_, token) = invited(&house, SAM).await;
    for weak in ["short", SAM, "password123"] {
        let refused = accept(&house, &token, weak).await;
        assert_eq!((refused.status, refused.refusal().1.as_str()), (422, "password"), "{weak}");
    }
    assert_eq!(accept(&house, &token, PASSWORD).await.status, 201);
}

#[actix_web::test]
async fn an_address_that_somebody_has_is_refused() {
    let house = house(MailTransport::None).await;
    house.register("ada@example.com").await;
    let taken = invite(&house, &boss(&house).await, "ada@example.com", json!(["staff"])).await;
    assert_eq!((taken.status, taken.text("code").as_str()), (409, "email_taken"));
    let (_, token) = invited(&house, SAM).await;
    assert_eq!(house.register(SAM).await.status, 201);
    let late = accept(&house, &token, PASSWORD).await;
    assert_eq!((late.status, late.text("code").as_str()), (409, "email_taken"));
    assert_eq!(open(&house).await, [SAM], "it is left as it was");
}

#[actix_web::test]
async fn a_thousand_are_open_at_most_and_expired_ones_are_forgotten_a_month_later() {
    let house = house(MailTransport::None).await;
    fill(&house, 1_000).await;
    let full = invite(&house, &boss(&house).await, SAM, json!(["staff"])).await;
    assert_eq!((full.status, full.text("code").as_str()), (409, "too_many_invitations"));
    assert_eq!(full.body["limit"], 1_000);
    invited(&house, "guest7@example.com").await;
    house.pass(WEEK);
    invited(&house, SAM).await;
    house.pass(30 * 24 * 60 * 60 + 1);
    for left in [501, 1, 1] {
        house.users.sweep().await.expect("sweeps");
        assert_eq!(hashes(&house).await.len(), left);
    }
}

#[actix_web::test]
async fn an_invitation_is_good_as_long_as_its_maker_is_an_admin() {
    let house = House::new();
    house.user("root@example.com", &[Role::Admin]).await;
    let eve = house.user("eve@example.com", &[Role::Admin]).await;
    let token = house.login("eve@example.com", PASSWORD).await.text("access_token");
    let made = invite(&house, &token, "guest@example.com", json!(["admin"])).await;
    assert_eq!(made.text("invited_by"), eve.id.to_string());
    let call = Call::internal("test");
    house.users.set_roles(&call, FindUser::Id(eve.id), [Role::Staff].into()).await.expect("sets");
    assert_eq!(accept(&house, &made.text("token"), PASSWORD).await.refusal().2, "invalid_invitation");
}
