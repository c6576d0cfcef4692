//! The audit log of a module: who did what to whom, written with the change itself, each entry chained to the one before
//! it by its hash.

use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel::dsl::{max, min};
use emporium_kernel::{Audit, Call, Fault, Random, Timestamp};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::prelude::*;
use crate::schema::{audit_entry, audit_head};
use crate::walk::{Walk, to_the_end};
use crate::{Database, Db, Failure};

/// The only row of the head.
const HEAD: i32 = 1;
/// Entries that are read at once.
const PAGE: i64 = 1_000;
/// Who acts when no user does: the command line, or the shop itself.
const SYSTEM: &str = "system";

/// Something to be written down.
#[derive(Clone, Debug)]
pub struct Entry {
    id: String,
    at: Timestamp,
    actor: String,
    action: &'static str,
    subject: String,
    detail: String,
    request: String,
}

impl Entry {
    /// What the caller of `call` does: `action`, as in `user.changed`, to `subject`. The detail names no person, since
    /// nothing is ever taken out of the log.
    pub fn of(
        call: &Call,
        action: &'static str,
        subject: &str,
        detail: &Value,
        now: Timestamp,
        random: &Random,
    ) -> Self {
        // What an API key does is the key's doing, whose maker the log names as well.
        let actor = call.caller.as_ref().map_or(SYSTEM, |caller| match caller.scopes {
            Some(_) => caller.session.as_str(),
            None => caller.id.as_str(),
        });
        Self {
            id: random.token::<16>(),
            at: now,
            actor: actor.to_owned(),
            action,
            subject: subject.to_owned(),
            detail: detail.to_string(),
            request: call.request.to_string(),
        }
    }

    /// The same, done by somebody who is no caller yet.
    #[must_use]
    pub fn by(mut self, actor: &str) -> Self {
        actor.clone_into(&mut self.actor);
        self
    }

    /// The same, done to something whose name was not known before.
    #[must_use]
    pub fn to(mut self, subject: &str) -> Self {
        subject.clone_into(&mut self.subject);
        self
    }

    fn hash(&self, before: &str, seq: i64) -> String {
        let Self { id, at, actor, action, subject, detail, request } = self;
        chained(before, &[&seq.to_string(), id, &at.micros().to_string(), actor, action, subject, detail, request])
    }
}

/// The hash of an entry: of the one before it and of each of its fields, with their lengths, so that none can be moved
/// into the next.
fn chained(before: &str, fields: &[&str]) -> String {
    let mut hash = Sha256::new();
    for field in [before].iter().chain(fields) {
        hash.update(u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(field.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

/// Writes an entry, in the transaction of what it records; doing it again changes nothing. To be called last: until the
/// transaction ends, no other one writes an entry.
pub fn write<E>(db: &mut Db, entry: &Entry) -> Result<(), Failure<E>> {
    if was_written(db, entry)? {
        return Ok(());
    }
    let head = audit_head::table.filter(audit_head::id.eq(HEAD));
    if diesel::update(head).set(audit_head::seq.eq(audit_head::seq + 1)).execute(db)? == 0 {
        let first = (audit_head::id.eq(HEAD), audit_head::seq.eq(1), audit_head::hash.eq(""));
        diesel::insert_into(audit_head::table).values(first).execute(db)?;
    }
    let (seq, before): (i64, String) =
        audit_head::table.find(HEAD).select((audit_head::seq, audit_head::hash)).first(db)?;
    let hash = entry.hash(&before, seq);
    let row = (
        audit_entry::seq.eq(seq),
        audit_entry::id.eq(&entry.id),
        audit_entry::at.eq(entry.at.micros()),
        audit_entry::actor.eq(&entry.actor),
        audit_entry::action.eq(entry.action),
        audit_entry::subject.eq(&entry.subject),
        audit_entry::detail.eq(&entry.detail),
        audit_entry::request.eq(&entry.request),
        audit_entry::hash.eq(&hash),
    );
    diesel::insert_into(audit_entry::table).values(row).execute(db)?;
    diesel::update(audit_head::table.filter(audit_head::id.eq(HEAD))).set(audit_head::hash.eq(&hash)).execute(db)?;
    Ok(())
}

/// Whether an entry was written: then what it records was done, and only the answer to its commit was lost.
pub fn was_written<E>(db: &mut Db, entry: &Entry) -> Result<bool, Failure<E>> {
    let there: i64 = audit_entry::table.filter(audit_entry::id.eq(&entry.id)).count().get_result(db)?;
    Ok(there > 0)
}

/// An entry as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Its place.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who: a user id, the id of an API key, or `system`.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To whom or what.
    pub subject: String,
    /// More of it.
    pub detail: Value,
    /// In which request.
    pub request: String,
}

type Row = (i64, String, i64, String, String, String, String, String, String);

fn page<E>(db: &mut Db, after: i64, limit: i64) -> Result<Vec<Row>, Failure<E>> {
    let columns = (
        audit_entry::seq,
        audit_entry::id,
        audit_entry::at,
        audit_entry::actor,
        audit_entry::action,
        audit_entry::subject,
        audit_entry::detail,
        audit_entry::request,
        audit_entry::hash,
    );
    let later = audit_entry::table.filter(audit_entry::seq.gt(after));
    Ok(later.select(columns).order(audit_entry::seq).limit(limit).load(db)?)
}

/// Entries after a place, at most 1,000.
pub async fn entries<E: Fault>(database: &Database, after: i64, limit: u16) -> Result<Vec<Written>, E> {
    let rows = database.read(move |db| page::<E>(db, after, i64::from(limit).min(PAGE))).await?;
    let written = |(seq, _, at, actor, action, subject, detail, request, _): Row| Written {
        seq,
        at: Timestamp::from_micros(at),
        actor,
        action,
        subject,
        detail: serde_json::from_str(&detail).unwrap_or(Value::String(detail)),
        request,
    };
    Ok(rows.into_iter().map(written).collect())
}

/// What a check of the chain found.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// How many entries, and the first that is wrong.
    pub audit: Audit,
    /// The hash of the last entry that was looked at; empty when there is none.
    pub head: String,
}

/// Checks the chain as it is when this begins; the finding names the first entry that was altered, taken out
/// or put in, or the last one, where only the head is wrong.
pub async fn verify<E: Fault>(database: &Database) -> Result<Verified, E> {
    let (chain, audit) = to_the_end(database, Chain::<E>::default(), Audit::default()).await?;
    Ok(Verified { audit, head: chain.head })
}

/// The chain, looked at entry by entry to where it ended when that began.
#[derive(Debug)]
pub struct Chain<E> {
    end: End,
    /// The entry that was looked at last, and its hash.
    seq: i64,
    head: String,
    of: PhantomData<fn() -> E>,
}

impl<E> Default for Chain<E> {
    fn default() -> Self {
        Self { end: End::default(), seq: 0, head: String::new(), of: PhantomData }
    }
}

impl<E: Fault> Walk for Chain<E> {
    type Error = E;

    fn begin(&mut self, db: &mut Db) -> Result<(), Failure<E>> {
        self.end = end(db)?;
        Ok(())
    }

    fn page(&mut self, db: &mut Db, audit: &mut Audit) -> Result<bool, Failure<E>> {
        let left = self.end.head.0.min(self.end.entries) - self.seq;
        if left <= 0 {
            self.compare(audit);
            return Ok(false);
        }
        let rows = page(db, self.seq, PAGE.min(left))?;
        if rows.is_empty() {
            audit.find("audit_chain", format!("entry {}", self.seq + 1), "it was taken out; none follows");
            return Ok(false);
        }
        for row in rows {
            if let Err(why) = follows(&row, self.seq, &self.head) {
                audit.find("audit_chain", format!("entry {}", self.seq + 1), why);
                return Ok(false);
            }
            audit.looked_at(1);
            (self.seq, self.head) = (row.0, row.8);
        }
        Ok(true)
    }
}

impl<E> Chain<E> {
    /// Whether it ended where its head said.
    fn compare(&self, audit: &mut Audit) {
        let End { head: (last, hash), entries, first } = &self.end;
        if let Some(first) = first.filter(|first| *first < 1) {
            audit.find("audit_chain", format!("entry {first}"), "it was put in before the first");
        } else if entries != last {
            let why = format!("the last entry is {entries}, and the head of the log says {last}");
            audit.find("audit_chain", format!("entry {}", entries.min(last) + 1), why);
        } else if self.head != *hash {
            audit.find("audit_chain", format!("entry {last}"), "the head of the log has another hash");
        }
    }
}

/// Where the log ends, in one state of it.
#[derive(Debug, Default)]
struct End {
    /// As its head says: the last entry and its hash.
    head: (i64, String),
    /// The last entry there is.
    entries: i64,
    /// The first one, which is 1 where there is any.
    first: Option<i64>,
}

fn end<E>(db: &mut Db) -> Result<End, Failure<E>> {
    let head: Option<(i64, String)> =
        audit_head::table.find(HEAD).select((audit_head::seq, audit_head::hash)).first(db).optional()?;
    let entries: Option<i64> = audit_entry::table.select(max(audit_entry::seq)).first(db)?;
    let first: Option<i64> = audit_entry::table.select(min(audit_entry::seq)).first(db)?;
    Ok(End { head: head.unwrap_or_default(), entries: entries.unwrap_or(0), first })
}

fn follows(row: &Row, seq: i64, before: &str) -> Result<(), String> {
    let (at_seq, id, at, actor, action, subject, detail, request, hash) = row;
    if *at_seq != seq + 1 {
        return Err(format!("it was taken out; the next is {at_seq}"));
    }
    let (seq, at) = (at_seq.to_string(), at.to_string());
    let fields = [&seq, id, &at, actor, action, subject, detail, request].map(String::as_str);
    if chained(before, &fields) == *hash { Ok(()) } else { Err("it was altered".to_owned()) }
}
