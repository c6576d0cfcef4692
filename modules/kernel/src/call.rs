//! The context of a call: who asks, under which request id, until when.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Random, Scope, Timestamp, base32_id};

/// What a user may do, beyond being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Buys.
    Customer,
    /// Keeps own products and their stock.
    Supplier,
    /// Runs the shop.
    Staff,
    /// Runs the shop and decides who else does.
    Admin,
}

impl Role {
    /// The name on the wire and in databases.
    pub fn name(self) -> &'static str {
        match self {
            Role::Customer => "customer",
            Role::Supplier => "supplier",
            Role::Staff => "staff",
            Role::Admin => "admin",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Role::Customer, Role::Supplier, Role::Staff, Role::Admin].into_iter().find(|r| r.name() == name)
    }
}

/// The user on whose behalf a call is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// User id.
    pub id: String,
    /// Roles at the time the token was issued.
    pub roles: BTreeSet<Role>,
    /// Session the token belongs to; for an API key, its id.
    pub session: String,
    /// What an API key may do; `None` for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<BTreeSet<Scope>>,
}

impl Caller {
    /// Whether the caller has one of the roles.
    pub fn is_any(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.roles.contains(role))
    }

    /// Whether the caller may use every staff route.
    pub fn is_staff(&self) -> bool {
        self.is_any(&[Role::Staff, Role::Admin])
    }
}

/// Names one request in answers, logs and calls to neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A new one.
    pub fn new(now: Timestamp, random: &Random) -> Self {
        Self(format!("req_{}", base32_id(now, random)).into())
    }

    /// Accepts one from outside when it is 8 to 64 letters, digits, `-`, `_` or `.`.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (8..=64).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        (fits && plain).then(|| Self(text.into()))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The context every contract method takes first.
#[derive(Clone, Debug)]
pub struct Call {
    /// The request this belongs to.
    pub request: RequestId,
    /// The user it is for; `None` for guests and for our own workers.
    pub caller: Option<Arc<Caller>>,
    /// W3C `traceparent`, when the request came with one.
    pub traceparent: Option<Arc<str>>,
    /// The address of the client, on the process that it reached; neighbours are not told.
    pub peer: Option<IpAddr>,
    deadline: Instant,
}

impl Call {
    /// How long a request may take when nobody says otherwise.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// A call that may take `patience` from now.
    pub fn new(request: RequestId, patience: Duration) -> Self {
        #[expect(clippy::disallowed_methods, reason = "deadlines are monotonic and never leave the process")]
        let now = Instant::now();
        Self { request, caller: None, traceparent: None, peer: None, deadline: now + patience }
    }

    /// A call of our own, not caused by a request.
    pub fn internal(name: &str) -> Self {
        Self::new(RequestId(format!("job_{name}").into()), Self::PATIENCE)
    }

    /// A call for the request that this task works for, or one of our own where there is none.
    pub fn current(name: &str) -> Self {
        current_request_id().map_or_else(|| Self::internal(name), |request| Self::new(request, Self::PATIENCE))
    }

    /// The same call with time of its own: for the parts of work that takes longer than a request may.
    #[must_use]
    pub fn afresh(&self) -> Self {
        let Self { caller, traceparent, peer, .. } = self.clone();
        Self { caller, traceparent, peer, ..Self::new(self.request.clone(), Self::PATIENCE) }
    }

    /// The same call for this user.
    #[must_use]
    pub fn by(mut self, caller: Arc<Caller>) -> Self {
        self.caller = Some(caller);
        self
    }

    /// The same call with at most `patience` left.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        let other = Self::new(self.request.clone(), patience);
        self.deadline = self.deadline.min(other.deadline);
        self
    }

    /// What is left of its time; zero when it is over.
    pub fn remaining(&self) -> Duration {
        #[expect(clippy::disallowed_methods, reason = "deadlines are monotonic and never leave the process")]
        let now = Instant::now();
        self.deadline.saturating_duration_since(now)
    }

    /// Whether its time is over.
    pub fn is_over(&self) -> bool {
        self.remaining().is_zero()
    }
}

tokio::task_local! {
    static REQUEST: RequestId;
}

/// Runs `work` as part of a request, so that problems made in it carry its id.
pub async fn in_request<F: Future>(request: RequestId, work: F) -> F::Output {
    REQUEST.scope(request, work).await
}

/// Runs `work` in a task of its own that belongs to the same request as this one: it goes on when nobody waits for it.
pub fn spawn_in_request<F>(work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    match current_request_id() {
        Some(request) => tokio::spawn(in_request(request, work)),
        None => tokio::spawn(work),
    }
}

/// The request that this task works for.
pub fn current_request_id() -> Option<RequestId> {
    REQUEST.try_with(Clone::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_only_shrink() {
        let call = Call::internal("test").within(Duration::from_millis(50));
        assert!(call.remaining() <= Duration::from_millis(50));
        assert!(call.clone().within(Duration::from_secs(60)).remaining() <= Duration::from_millis(50));
        assert!(call.within(Duration::ZERO).is_over());
    }

    #[test]
    fn request_ids_from_outside_are_plain_text() {
        assert!(RequestId::parse("abc-123.DEF_9").is_some());
        for bad in ["short", "with space here", "line\nbreak-here", &"x".repeat(65)] {
            assert!(RequestId::parse(bad).is_none(), "{bad:?}");
        }
    }
}
