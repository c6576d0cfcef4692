//! What every module stands on: the contract macro and the call context, problems, identifiers, money, time,
//! chance, pagination, and the typed edge of HTTP. It knows no business word and no database.

mod accept;
mod access;
mod answer;
mod arguments;
mod audit;
mod bearer;
mod breaker;
mod call;
mod clock;
mod contract;
mod event;
mod failpoint;
mod id;
mod idempotency;
mod json;
pub mod metric;
mod money;
pub mod openapi;
mod page;
mod problem;
mod query;
mod random;
mod remote;
mod room;
mod route;
mod scope;
pub mod secret_file;
mod text;
mod thread;
mod verdict;

pub use access::{
    Admin, Anyone, Authenticator, Confirmed, Freshness, Public, Seller, SignedIn, Staff, Standing, Unauthenticated,
};
pub use answer::{Answer, ETag, IfMatch, Stored};
pub use arguments::Arguments;
pub use audit::{Audit, Finding};
pub use bearer::{FurtherCookie, TOKEN_COOKIE, from_own_page};
pub use breaker::Breaker;
pub use call::{Call, Caller, RequestId, Role, current_request_id, in_request, spawn_in_request};
pub use clock::{Clock, ManualClock, Timestamp};
pub use contract::{Admission, Inadmissible, Internal, observe};
pub use event::{After, Event, Events};
pub use failpoint::{failpoint, loses_commits};
pub use id::{base32_id, derived_from, derived_id, is_id};
pub use idempotency::{Idempotency, Idempotent, Keyed};
pub use json::{EMPTY_BODY, Json, MAX_BODY_BYTES};
pub use money::{Currency, Money, Overflow, PositiveMoney, Quantity};
pub use page::{Cursor, Limit, MOST_COUNTED, Newest, NewestFirst, Page, ServedPage, Window};
pub use problem::{Fault, FieldError, Outage, Problem};
pub use query::{Path, PathPair, Query};
pub use random::Random;
pub use remote::{Credential, Directory, Remote, RemoteSettings};
pub use route::{Describe, DescribeAnswer, Operation, Routes};
pub use scope::Scope;
pub use text::{Line, Prose, TextError, invalid, is_invisible};
pub use thread::{Cores, roam, stand_back};
pub use verdict::Verdict;

/// What the `contract!` and `id!` macros need from here, so that their users need not depend on it themselves.
#[doc(hidden)]
pub mod __private {
    pub use actix_web;
    pub use async_trait::async_trait;
    pub use schemars;
    pub use serde;
}
