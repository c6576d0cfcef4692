//! Users in memory: who was erased, and what is known of whom.

use std::sync::Mutex;

use emporium_auth_api::{
    AskPersonal, Auth, AuthError, FindUser, Grant, KeyHash, KeyHolder, KeySet, Personal, User, UserId,
};
use emporium_kernel::{After, Call, Event, Events, Timestamp};
use serde_json::json;

#[derive(Default)]
pub struct FakeUsers {
    events: Mutex<Vec<Event>>,
}

impl FakeUsers {
    /// Tells that a user was erased.
    pub fn erase(&self, user: &str) {
        let mut events = self.events.lock().expect("events");
        let number = i64::try_from(events.len() + 1).expect("few");
        let (topic, subject) = ("user.erased".to_owned(), user.to_owned());
        events.push(Event { number, topic, subject, body: json!({}), at: Timestamp::from_micros(0) });
    }
}

#[async_trait::async_trait]
impl Auth for FakeUsers {
    async fn keys(&self, _: &Call, (): ()) -> Result<KeySet, AuthError> {
        Ok(KeySet::default())
    }

    async fn find_user(&self, _: &Call, _: FindUser) -> Result<User, AuthError> {
        Err(AuthError::UnknownUser)
    }

    async fn is_revoked(&self, _: &Call, _: Grant) -> Result<bool, AuthError> {
        Ok(false)
    }

    async fn check_key(&self, _: &Call, _: KeyHash) -> Result<KeyHolder, AuthError> {
        Err(AuthError::UnknownKey)
    }

    async fn personal(&self, _: &Call, ask: AskPersonal) -> Result<Personal, AuthError> {
        Ok(Personal { data: json!({"profile": {"id": ask.user}}) })
    }

    async fn events(&self, _: &Call, ask: After) -> Result<Events, AuthError> {
        let events = self.events.lock().expect("events");
        let after = events.iter().filter(|event| event.number > ask.number).take(ask.limit.into());
        Ok(Events { events: after.cloned().collect() })
    }
}

/// The id of whoever sends this token.
pub fn user_id(token: &str) -> UserId {
    UserId::parse(&super::user(token)).expect("an id")
}
