//! The wire form of the contract: a change here is a change for every process that calls it.

use emporium_auth_api::{
    ApiKeyId, AskPersonal, AuthError, Email, FindUser, Grant, KeyHash, KeyHolder, KeySet, Personal, PublicKey,
    SessionId, User, UserId,
};
use emporium_kernel::{Role, Scope, Timestamp};
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
        (AuthError::SecondFactorRequired, "second_factor_required"),
        (AuthError::InvalidSecondFactor, "invalid_second_factor"),
        (AuthError::SecondFactorExists, "second_factor_exists"),
        (AuthError::NoSecondFactor, "no_second_factor"),
        (AuthError::UnknownAddress, "unknown_address"),
        (AuthError::IdempotencyKeyReused, "idempotency_key_reused"),
        (AuthError::UnknownKey, "unknown_key"),
        (AuthError::UnknownInvitation, "unknown_invitation"),
        (AuthError::InvalidInvitation, "invalid_invitation"),
        (AuthError::InvalidCode, "invalid_code"),
        (AuthError::NoMail, "no_mail"),
        (AuthError::InvalidCredentials, "invalid_credentials"),
        (AuthError::InvalidRefreshToken, "invalid_refresh_token"),
        (AuthError::InvalidBootstrapSecret, "invalid_bootstrap_secret"),
    ];
    codes.into_iter().for_each(|(error, code)| wire(&error, json!({"code": code})));
    let wait = AuthError::TooManyAttempts { retry_after_secs: 9 };
    wire(&wait, json!({"code": "too_many_attempts", "retry_after_secs": 9}));
    wire(&AuthError::TooManyAddresses { limit: 50 }, json!({"code": "too_many_addresses", "limit": 50}));
    let stale = AuthError::StaleVersion { current_version: "\"2\"".to_owned() };
    wire(&stale, json!({"code": "stale_version", "current_version": "\"2\""}));
    wire(&AuthError::TooManyKeys { limit: 100 }, json!({"code": "too_many_keys", "limit": 100}));
    wire(&AuthError::TooManyInvitations { limit: 1_000 }, json!({"code": "too_many_invitations", "limit": 1_000}));
    wire(&AuthError::WeakPassword { reason: "why".to_owned() }, json!({"code": "weak_password", "reason": "why"}));
}

#[test]
fn personal_data_keeps_its_form() {
    let user = UserId::derived(&["ada"]);
    wire(&AskPersonal { user: user.clone() }, json!({"user": user}));
    wire(&Personal { data: json!({"profile": {}}) }, json!({"data": {"profile": {}}}));
}

#[test]
fn api_keys_keep_their_form() {
    let hash = KeyHash { hash: "h".to_owned() };
    wire(&hash, json!({"hash": "h"}));
    let (key, user) = (ApiKeyId::derived(&["k"]), UserId::derived(&["ada"]));
    let scopes = ["orders:read", "stock:write"].iter().filter_map(|scope| Scope::parse(scope)).collect();
    let written = json!({"key": key, "user": user, "roles": ["staff"], "scopes": ["orders:read", "stock:write"]});
    wire(&KeyHolder { key, user, roles: [Role::Staff].into(), scopes }, written);
}
