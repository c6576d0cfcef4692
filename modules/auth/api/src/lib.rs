//! What auth offers to its neighbours: its public keys, and who a user is.

mod api_key;
mod verifier;

use emporium_kernel::{After, Events, Fault, Outage, Role, Timestamp, contract, id};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use api_key::{API_KEY_PREFIX, ApiKeyId, KeyHash, KeyHolder};
pub use verifier::{AUDIENCE, CLIENT_ID, Claims, ISSUER, MAX_LIFETIME_SECS, TOKEN_TYPE, Verifier};

id!(
    /// Names a user.
    UserId = "usr"
);
id!(
    /// Names a session: one login and the tokens that were rotated from it.
    SessionId = "ses"
);

/// The topic of the event that tells that a user was erased; its subject is the id.
pub const USER_ERASED: &str = "user.erased";

/// The domain of addresses that stand for erased users; nothing can ever be sent there (RFC 6761).
pub const ERASED_DOMAIN: &str = "erased.invalid";

/// An e-mail address in lower case: one `@`, a domain with a dot or a host name, at most 254 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Reads an address; surrounding white space and capitals do not count.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let (local, domain) = text.rsplit_once('@')?;
        let printable =
            text.chars().all(|c| !c.is_control() && !c.is_whitespace() && !emporium_kernel::is_invisible(c));
        let domain_ok = !domain.is_empty()
            && domain.split('.').all(|label| {
                !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-') && !label.starts_with('-')
            });
        let fits = (3..=254).contains(&text.len()) && (1..=64).contains(&local.len()) && !local.contains('@');
        // Erased users have addresses there, which nobody may take from them.
        let kept = domain == ERASED_DOMAIN;
        (printable && domain_ok && fits && !kept).then_some(Self(text))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text)
            .ok_or_else(|| emporium_kernel::invalid("invalid_email", "write an address as in ada@example.com"))
    }
}

impl JsonSchema for Email {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Email".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "email", "maxLength": 254})
    }
}

/// A key that access tokens are signed with, as a JSON Web Key (RFC 7517, RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublicKey {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// `EdDSA`.
    pub alg: String,
    /// `sig`.
    pub r#use: String,
    /// Names the key in a token's header.
    pub kid: String,
    /// The public key, base64url.
    pub x: String,
}

/// The keys that are accepted now (RFC 7517 section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeySet {
    /// The keys.
    pub keys: Vec<PublicKey>,
}

/// Asks who a user is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindUser {
    /// By address.
    Email(Email),
    /// By id.
    Id(UserId),
}

/// A user as neighbours see one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// Names the user.
    pub id: UserId,
    /// Address.
    pub email: String,
    /// What the user wants to be called.
    pub name: String,
    /// Roles, in the order customer, supplier, staff, admin.
    pub roles: Vec<Role>,
    /// Whether the user can no longer log in.
    pub disabled: bool,
    /// Since when.
    pub created_at: Timestamp,
}

impl User {
    /// Whether nothing but the id is left.
    pub fn is_erased(&self) -> bool {
        self.email.rsplit_once('@').is_some_and(|(_, domain)| domain == ERASED_DOMAIN)
    }
}

/// Asks for everything that is known of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskPersonal {
    /// Who.
    pub user: UserId,
}

/// Everything that a module knows of a user, for the user to read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Personal {
    /// By kind, as in `profile` and `addresses`.
    pub data: serde_json::Value,
}

/// What an access token stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Whose it is.
    pub user: UserId,
    /// The session it belongs to.
    pub session: SessionId,
    /// The user's version when it was issued.
    pub version: i64,
}

/// Why auth refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum AuthError {
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// The user has no such session, or it has ended.
    #[error("there is no such session")]
    UnknownSession,
    /// Somebody has that address.
    #[error("this e-mail address is taken")]
    EmailTaken,
    /// Address and password do not belong together, or the user is disabled; which of these is not told.
    #[error("e-mail address or password is wrong")]
    InvalidCredentials,
    /// The user has a second factor, and the login came without it.
    #[error("this account asks for a code as well: from the authenticator, or one of the recovery codes")]
    SecondFactorRequired,
    /// That code is wrong, too old, or was used.
    #[error("this code is not valid now; wait for the next one")]
    InvalidSecondFactor,
    /// There is a second factor already.
    #[error("there is a second factor already; end that one first")]
    SecondFactorExists,
    /// There is no second factor that could be confirmed, changed or ended.
    #[error("there is no such second factor")]
    NoSecondFactor,
    /// The user has no such address.
    #[error("there is no such address")]
    UnknownAddress,
    /// So many addresses are enough.
    #[error("a user has at most {limit} addresses; remove one first")]
    TooManyAddresses {
        /// How many.
        limit: u32,
    },
    /// It was changed since it was read.
    #[error("it was changed since you read it; read it again")]
    StaleVersion {
        /// The version there is now, as an ETag.
        current_version: String,
    },
    /// The key came before with another request.
    #[error("this Idempotency-Key was used for another request; make a new one")]
    IdempotencyKeyReused,
    /// There is no such invitation, or it is open no more.
    #[error("there is no such invitation")]
    UnknownInvitation,
    /// The invitation is unknown, used, withdrawn, replaced or too old; which of these is not told.
    #[error("this invitation is not valid; ask for a new one")]
    InvalidInvitation,
    /// So many open invitations are enough.
    #[error("{limit} invitations are open; withdraw one first")]
    TooManyInvitations {
        /// How many.
        limit: u32,
    },
    /// There is no such API key, it was revoked, or its time is over.
    #[error("there is no such API key")]
    UnknownKey,
    /// So many keys are enough.
    #[error("a user has at most {limit} API keys; revoke one first")]
    TooManyKeys {
        /// How many.
        limit: u32,
    },
    /// The refresh token is unknown, used up, or its session has ended.
    #[error("this refresh token is not valid; log in again")]
    InvalidRefreshToken,
    /// The bootstrap secret is wrong or used up, or there is an admin already.
    #[error("this bootstrap secret is not valid")]
    InvalidBootstrapSecret,
    /// Too many wrong tries, or too many requests from one place.
    #[error("too many tries; come back in {retry_after_secs} seconds")]
    TooManyAttempts {
        /// When to come back.
        retry_after_secs: u32,
    },
    /// The code is wrong, used, too old, or was guessed at too often.
    #[error("this code is not valid; ask for a new one")]
    InvalidCode,
    /// Nobody can be written to.
    #[error("this shop sends no mail; ask its staff")]
    NoMail,
    /// Without this user nobody could decide any more who runs the shop.
    #[error("this is the last admin; make another one first")]
    LastAdmin,
    /// The password is too easy to guess.
    #[error("this password is refused: {reason}")]
    WeakPassword {
        /// Why, and what to do.
        reason: String,
    },
    /// The machinery failed.
    #[error(transparent)]
    #[serde(untagged)]
    Outage(#[from] Outage),
}

impl Fault for AuthError {
    fn status(&self) -> actix_web::http::StatusCode {
        use actix_web::http::StatusCode;
        match self {
            AuthError::UnknownUser
            | AuthError::UnknownSession
            | AuthError::UnknownInvitation
            | AuthError::UnknownAddress
            | AuthError::UnknownKey => StatusCode::NOT_FOUND,
            AuthError::EmailTaken
            | AuthError::LastAdmin
            | AuthError::SecondFactorExists
            | AuthError::NoSecondFactor
            | AuthError::TooManyInvitations { .. }
            | AuthError::TooManyAddresses { .. }
            | AuthError::TooManyKeys { .. } => StatusCode::CONFLICT,
            AuthError::TooManyAttempts { .. } => StatusCode::TOO_MANY_REQUESTS,
            AuthError::InvalidCredentials
            | AuthError::SecondFactorRequired
            | AuthError::InvalidSecondFactor
            | AuthError::InvalidRefreshToken => StatusCode::UNAUTHORIZED,
            AuthError::InvalidBootstrapSecret => StatusCode::FORBIDDEN,
            AuthError::WeakPassword { .. }
            | AuthError::InvalidCode
            | AuthError::InvalidInvitation
            | AuthError::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            AuthError::StaleVersion { .. } => StatusCode::PRECONDITION_FAILED,
            AuthError::NoMail => StatusCode::SERVICE_UNAVAILABLE,
            AuthError::Outage(outage) => outage.status(),
        }
    }

    fn outage(&self) -> Option<Outage> {
        match self {
            AuthError::Outage(outage) => Some(*outage),
            _ => None,
        }
    }

    fn retry_after_secs(&self) -> Option<u32> {
        match self {
            AuthError::TooManyAttempts { retry_after_secs } => Some(*retry_after_secs),
            other => other.outage().and_then(Outage::retry_after_secs),
        }
    }
}

contract! {
    /// Who users are and which keys sign their tokens.
    pub trait Auth at "/internal/auth" failing AuthError {
        /// The public keys that verify access tokens now.
        async fn keys(&self, ()) -> KeySet, repeatable;
        /// Who a user is.
        async fn find_user(&self, FindUser) -> User, repeatable;
        /// Whether what was granted has been taken back: the session ended, or the user was disabled or got another
        /// password or other roles.
        async fn is_revoked(&self, Grant) -> bool, repeatable;
        /// Everything that auth knows of a user.
        async fn personal(&self, AskPersonal) -> Personal, repeatable;
        /// What happened to users, after a number: `user.erased`, whose subject is the id.
        async fn events(&self, After) -> Events, repeatable;
        /// Who stands behind an API key that is good now.
        async fn check_key(&self, KeyHash) -> KeyHolder, repeatable;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_without_regard_to_capitals() {
        assert_eq!(Email::parse(" Ada@Example.COM ").map(|e| e.to_string()).as_deref(), Some("ada@example.com"));
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a b@example.com",
            "ada@exa mple",
            "a@b@c",
            "ada@-x",
            "ada@x..y",
            "a\u{ad}da@example.com",
            "usr_1@erased.invalid",
        ] {
            assert_eq!(Email::parse(bad), None, "{bad}");
        }
    }
}
