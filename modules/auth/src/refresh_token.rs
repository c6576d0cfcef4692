//! Refresh tokens: `session.secret.seal`. The secret is 256 bits; the seal proves that we made the token, so that an old
//! one is told from an invented one without keeping every token that ever was.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emporium_auth_api::SessionId;
use emporium_kernel::Random;

use crate::root::Root;
use crate::secret;

const MAX_BYTES: usize = 200;

/// A refresh token; only its hash is stored.
pub(crate) struct RefreshToken {
    session: SessionId,
    text: String,
}

impl RefreshToken {
    /// Reads one; `None` when it has not the form of one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (session, rest) = text.split_once('.')?;
        let (secret, seal) = rest.split_once('.')?;
        let fits = text.len() <= MAX_BYTES && !secret.is_empty() && !seal.is_empty();
        let session = SessionId::parse(session).filter(|_| fits)?;
        Some(Self { session, text: text.to_owned() })
    }

    /// The session it belongs to, or claims to.
    pub(crate) fn session(&self) -> &SessionId {
        &self.session
    }

    /// How it is stored.
    pub(crate) fn hash(&self) -> String {
        secret::hash(&self.text)
    }

    /// What the client keeps.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Makes refresh tokens.
pub(crate) struct RefreshKeys {
    successor: hmac::Key,
    seal: hmac::Key,
}

impl RefreshKeys {
    pub(crate) fn of(root: &Root) -> Self {
        Self { successor: root.derive("auth/refresh-successor/1"), seal: root.derive("auth/refresh-seal/1") }
    }

    /// The first token of a session.
    pub(crate) fn first(&self, session: SessionId, random: &Random) -> RefreshToken {
        self.seal(session, &random.bytes::<32>())
    }

    /// The token that follows `used`: always the same one, so that a lost answer can be given again.
    pub(crate) fn successor(&self, used: &RefreshToken) -> RefreshToken {
        let secret = hmac::sign(&self.successor, used.text.as_bytes());
        self.seal(used.session.clone(), secret.as_ref())
    }

    /// Whether we made the token, whenever that was.
    pub(crate) fn made(&self, token: &RefreshToken) -> bool {
        let sealed = token.text.rsplit_once('.').and_then(|(body, seal)| {
            let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
            hmac::verify(&self.seal, body.as_bytes(), &seal).ok()
        });
        sealed.is_some()
    }

    fn seal(&self, session: SessionId, secret: &[u8]) -> RefreshToken {
        let body = format!("{session}.{}", URL_SAFE_NO_PAD.encode(secret));
        let seal = URL_SAFE_NO_PAD.encode(hmac::sign(&self.seal, body.as_bytes()));
        RefreshToken { session, text: format!("{body}.{seal}") }
    }
}

#[cfg(test)]
mod tests {
    use emporium_kernel::Timestamp;

    use super::*;

    fn keys(secret: &[u8]) -> RefreshKeys {
        let key = |purpose: &str| hmac::Key::new(hmac::HMAC_SHA256, &[secret, purpose.as_bytes()].concat());
        RefreshKeys { successor: key("successor"), seal: key("seal") }
    }

    #[test]
    fn a_token_has_one_successor_and_only_our_own_are_known_as_ours() {
        let (ours, random) = (keys(b"ours"), Random::seeded(1));
        let first = ours.first(SessionId::new(Timestamp::from_micros(0), &random), &random);
        let next = ours.successor(&first);
        assert_eq!(ours.successor(&first).text, next.text);
        assert_ne!(ours.successor(&next).text, next.text);
        assert_eq!(next.session, first.session);
        assert!(ours.made(&first) && ours.made(&next) && !keys(b"others").made(&first));
        let invented = format!("{}.{}.{}", first.session, "A".repeat(43), "A".repeat(43));
        assert!(!ours.made(&RefreshToken::parse(&invented).expect("has the form")));
    }

    #[test]
    fn text_of_another_form_is_no_token() {
        let id = SessionId::new(Timestamp::from_micros(0), &Random::seeded(1));
        for bad in
            ["", ".", "..", "a.b.c", &format!("{id}.a"), &format!("{id}..a"), &format!("{id}.a.{}", "b".repeat(200))]
        {
            assert!(RefreshToken::parse(bad).is_none(), "{bad}");
        }
    }
}
