//! Holds: each was written down as a transfer, and ended at most once, by the transfer that its state says.

use std::collections::HashMap;
use std::time::Duration;

use diesel::dsl::max;
use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_database::walk::{Span, Walk};
use emporium_kernel::{Audit, Timestamp};
use emporium_wallet_api::{HoldState, WalletError};

use super::PAGE;
use crate::Done;
use crate::hold::read_state;
use crate::schema::{hold, resolution, transfer};
use crate::stored::Word;
use crate::transfer::Kind;

/// How long after its time a hold may still be held: several rounds of the sweeper.
const GRACE: Duration = Duration::from_secs(120);

/// `hold_resolves_once`, `hold_has_its_transfer`, `hold_not_overdue`.
#[derive(Debug)]
pub(super) struct Holds {
    ids: Span<String>,
    now: Timestamp,
}

impl Holds {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { ids: Span::default(), now }
    }
}

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = hold)]
struct Row {
    id: String,
    amount: i64,
    state: String,
    expires_at: Option<i64>,
}

/// A transfer that makes or ends a hold.
#[derive(Debug)]
struct Step {
    id: String,
    kind: String,
    amount: i64,
}

impl Walk for Holds {
    type Error = WalletError;

    fn begin(&mut self, db: &mut Db) -> Done<()> {
        self.ids = Span::up_to(hold::table.select(max(hold::id)).first(db)?);
        Ok(())
    }

    fn page(&mut self, db: &mut Db, audit: &mut Audit) -> Done<bool> {
        let rows: Vec<Row> = hold::table
            .filter(hold::id.gt(&self.ids.after).and(hold::id.le(&self.ids.until)))
            .select(Row::columns())
            .order(hold::id)
            .limit(PAGE)
            .load(db)?;
        let more = self.ids.pass(&rows, PAGE, |row| row.id.clone());
        audit.looked_at(rows.len());
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let (made, mut ended, resolutions) = (made(db, &ids)?, ended(db, &ids)?, resolutions(db, &ids)?);
        for row in &rows {
            let state = read_state(&row.state)?;
            let ended = ended.remove(&row.id).unwrap_or_default();
            check_end(row, state, &ended, resolutions.get(&row.id), audit);
            let as_made = made.get(&row.id) == Some(&row.amount) || state == HoldState::Tombstone;
            audit.check(as_made, "hold_has_its_transfer", &row.id, || format!("{:?} was written", made.get(&row.id)));
            let over = row.expires_at.is_some_and(|at| Timestamp::from_micros(at).plus(GRACE) < self.now);
            audit.check(!over || state != HoldState::Held, "hold_not_overdue", &row.id, || {
                format!("held although its time was over at {:?}", row.expires_at.map(Timestamp::from_micros))
            });
        }
        Ok(more)
    }
}

fn check_end(row: &Row, state: HoldState, ended: &[Step], resolution: Option<&String>, audit: &mut Audit) {
    let kind = match state {
        HoldState::Captured => Some(Kind::Capture),
        HoldState::Voided => Some(Kind::Void),
        HoldState::Expired => Some(Kind::Expire),
        HoldState::Held | HoldState::Refused | HoldState::Tombstone => None,
    };
    let as_said = match (kind, ended) {
        (None, []) => resolution.is_none(),
        (Some(kind), [step]) => step.kind == kind.text() && step.amount == row.amount && resolution == Some(&step.id),
        _ => false,
    };
    audit.check(as_said, "hold_resolves_once", &row.id, || {
        format!("{} of {}, ended by {ended:?}, resolution {resolution:?}", row.state, row.amount)
    });
}

fn made(db: &mut Db, ids: &[&str]) -> Done<HashMap<String, i64>> {
    let made = transfer::id.eq_any(ids).and(transfer::kind.eq(Kind::Hold.text()));
    let found: Vec<(String, i64)> = transfer::table.filter(made).select((transfer::id, transfer::amount)).load(db)?;
    Ok(found.into_iter().collect())
}

fn ended(db: &mut Db, ids: &[&str]) -> Done<HashMap<String, Vec<Step>>> {
    let found: Vec<(Option<String>, String, String, i64)> = transfer::table
        .filter(transfer::pending_id.eq_any(ids))
        .select((transfer::pending_id, transfer::id, transfer::kind, transfer::amount))
        .load(db)?;
    let mut grouped: HashMap<String, Vec<Step>> = HashMap::new();
    for (pending, id, kind, amount) in found {
        grouped.entry(pending.unwrap_or_default()).or_default().push(Step { id, kind, amount });
    }
    Ok(grouped)
}

fn resolutions(db: &mut Db, ids: &[&str]) -> Done<HashMap<String, String>> {
    let found: Vec<(String, String)> = resolution::table
        .filter(resolution::pending_id.eq_any(ids))
        .select((resolution::pending_id, resolution::transfer_id))
        .load(db)?;
    Ok(found.into_iter().collect())
}
