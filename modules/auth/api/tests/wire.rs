//! The wire form of the contract: a change here is a change for every process that calls it.

use emporium_auth_api::{AuthError, Email, FindUser, Grant, KeySet, PublicKey, SessionId, User, UserId};
use emporium_kernel::{Role, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Written as `wire`, read back the same, and read with a field more that a newer neighbour might send. What is one of
/// several kinds has one field by its nature.
fn wire<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, wire: Value) {
    assert_eq!(serde_json::to_value(value).ok().as_ref(), Some(&wire));
    assert_eq!(serde_json::from_value::<T>(wire.clone()).ok().as_ref(), Some(value));
    let mut newer = wire;
    if let Some(members) = newer.as_object_mut().filter(|members| members.len() > 1) {
        members.insert("added_later".to_owned(), json!(1));
        assert_eq!(serde_json::from_value::<T>(newer).ok().as_ref(), Some(value));
    }
}

#[test]
fn questions_and_answers_keep_their_form() {
    let id = UserId::derived(&["ada"]);
    wire(&FindUser::Email(Email::parse("ada@example.com").expect("an address")), json!({"email": "ada@example.com"}));
    wire(&FindUser::Id(id.clone()), json!({"id": id}));
    let session = SessionId::derived(&["ada"]);
    let grant = Grant { user: id.clone(), session: session.clone(), version: 3 };
    wire(&grant, json!({"user": id, "session": session, "version": 3}));
    let user = User {
        id: id.clone(),
        email: "ada@example.com".to_owned(),
        name: "Ada".to_owned(),
        roles: vec![Role::Customer, Role::Staff],
        disabled: false,
        created_at: Timestamp::from_micros(1_769_846_400_000_001),
    };
    let written = json!({
        "id": id, "email": "ada@example.com", "name": "Ada", "roles": ["customer", "staff"], "disabled": false,
        "created_at": "2026-01-31T08:00:00.000001Z",
    });
    wire(&user, written);
    let text = |text: &str| text.to_owned();
    let key = PublicKey {
        kty: text("OKP"),
        crv: text("Ed25519"),
        alg: text("EdDSA"),
        r#use: text("sig"),
        kid: text("k1"),
        x: text("AA"),
    };
    let written = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "k1", "x": "AA"});
    wire(&KeySet { keys: vec![key] }, json!({"keys": [written]}));
}

#[test]
fn refusals_keep_their_codes() {
    let codes = [
        (AuthError::UnknownUser, "unknown_user"),
        (AuthError::UnknownSession, "unknown_session"),
        (AuthError::EmailTaken, "email_taken"),
        (AuthError::LastAdmin, "last_admin"),
        (AuthError::InvalidCode, "invalid_code"),
        (AuthError::NoMail, "no_mail"),
        (AuthError::InvalidCredentials, "invalid_credentials"),
        (AuthError::InvalidRefreshToken, "invalid_refresh_token"),
        (AuthError::InvalidBootstrapSecret, "invalid_bootstrap_secret"),
    ];
    codes.into_iter().for_each(|(error, code)| wire(&error, json!({"code": code})));
    let wait = AuthError::TooManyAttempts { retry_after_secs: 9 };
    wire(&wait, json!({"code": "too_many_attempts", "retry_after_secs": 9}));
    wire(&AuthError::WeakPassword { reason: "why".to_owned() }, json!({"code": "weak_password", "reason": "why"}));
}
