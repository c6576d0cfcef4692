//! The wallet: a ledger in double entry. Transfers never change, holds resolve at most once, each account is four
//! counters and a chain of entries, and no user's account goes below zero.

mod account;
mod adjustment;
mod deposit;
mod freeze;
mod history;
mod hold;
mod http;
mod payment;
mod personal;
mod request;
mod resolve;
mod schema;
mod settings;
mod stored;
mod transfer;
mod verify;
mod withdrawal;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use emporium_auth_api::{Auth, AuthError, FindUser, User, UserId};
use emporium_database::audit::Entry;
use emporium_database::idempotency::Seen;
use emporium_database::{
    Database, Db, Failure, Lane, Migrations, OpenError, StorageError, Url, idempotency, outbox, savepoint,
};
use emporium_kernel::{
    Audit, Call, Clock, Currency, Fault, Idempotency, Outage, PositiveMoney, Problem, Random, Stored, Timestamp,
};
use emporium_wallet_api::{
    AskHolds, AskPersonal, Capture, Hold, HoldState, HoldStatus, OfHold, Personal, TransferId, Wallet, WalletError,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub use adjustment::{Adjust, Adjusted, Direction};
pub use deposit::{DepositId, DepositStatus};
pub use history::{Transaction, TransactionKind, Way};
pub use http::routes;
pub use settings::{Deposits, Settings};
pub use withdrawal::{WithdrawalId, WithdrawalStatus};

use account::Account;
use hold::{Outcome, Wanted};
use resolve::Step;
use transfer::Reason;

const ON_SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/wallet/sqlite");
const ON_MYSQL: EmbeddedMigrations = embed_migrations!("../../migrations/wallet/mysql");

/// The tables of the ledger.
pub const MIGRATIONS: Migrations = Migrations::new(&ON_SQLITE, &ON_MYSQL);

/// Rows that one round of the sweeper ends of each kind at most.
const SWEPT_AT_ONCE: i64 = 500;
/// Holds that one transaction expires at most: it locks as many accounts.
const EXPIRED_AT_ONCE: i64 = 50;
const EXPIRED_IN_A_ROUND: usize = EXPIRED_AT_ONCE as usize;
/// Fewer than this says that a round found all there was.
const SWEPT_IN_A_ROUND: usize = 500;
/// Rounds of one sweep; what is left over waits for the next.
const ROUNDS: usize = 50;

pub(crate) type Done<T> = Result<T, Failure<WalletError>>;

/// The ledger and what it needs.
pub struct Ledger {
    database: Database,
    settings: Settings,
    users: Arc<dyn Auth>,
    clock: Clock,
    random: Random,
}

/// What a user has in one currency, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Balance {
    /// Which currency.
    pub currency: Currency,
    /// Everything that was credited less everything that was debited.
    pub balance: i64,
    /// The part of it that is set aside for orders and withdrawals.
    pub held: i64,
    /// What can be spent: balance less held.
    pub available: i64,
    /// Whether new debits are stopped.
    #[serde(skip)]
    pub frozen: bool,
}

impl Ledger {
    /// Opens the database, which is created and migrated as needed.
    pub fn open(
        url: &Url,
        settings: Settings,
        users: Arc<dyn Auth>,
        clock: Clock,
        random: Random,
    ) -> Result<Arc<Self>, OpenError> {
        Ok(Self::of(Database::open(url, MIGRATIONS)?, settings, users, clock, random))
    }

    /// The ledger in a database that is open already.
    pub fn of(database: Database, settings: Settings, users: Arc<dyn Auth>, clock: Clock, random: Random) -> Arc<Self> {
        if settings.deposits == Deposits::Instant {
            tracing::warn!("deposits are credited at once, without any payment; this is for demonstrations only");
        }
        Arc::new(Self { database, settings, users, clock, random })
    }

    /// Its database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// What a user has, by currency; nothing for a user who never had any money.
    pub async fn balances(&self, user: &str) -> Result<Vec<Balance>, WalletError> {
        let user = user.to_owned();
        self.database.read(move |db| balances(db, &user)).await
    }

    /// A bounded sweep of what time brings: holds that nobody captured, tombstones and keys that nobody needs any more.
    pub async fn sweep(&self) -> Result<(), WalletError> {
        let now = self.clock.now();
        for _ in 0..ROUNDS {
            let expire = move |db: &mut Db| expire(db, now);
            let expired = self.database.write_step("expire_holds", Lane::Continuation, expire).await?;
            let forgotten = self.database.write_in(Lane::Continuation, move |db| forget(db, now)).await?;
            if expired < EXPIRED_IN_A_ROUND && forgotten < SWEPT_IN_A_ROUND {
                break;
            }
        }
        Ok(())
    }

    /// The user with this id; 404 when there is none.
    pub(crate) async fn user(&self, call: &Call, id: &UserId) -> Result<User, WalletError> {
        self.find_user(call, FindUser::Id(id.clone())).await?.ok_or(WalletError::NotFound)
    }

    /// Who a user is, as auth knows it; `None` when there is no such user.
    pub async fn find_user(&self, call: &Call, ask: FindUser) -> Result<Option<User>, WalletError> {
        match self.users.find_user(call, ask).await {
            Ok(user) => Ok(Some(user)),
            Err(AuthError::UnknownUser) => Ok(None),
            Err(error) => Err(error.outage().unwrap_or(Outage::Internal).into()),
        }
    }

    /// Carries out `effect` once for a key, in one transaction with it.
    pub(crate) async fn once<T: Serialize>(
        &self,
        key: Idempotency,
        status: u16,
        effect: impl Fn(&mut Db) -> Done<T> + Send + 'static,
    ) -> Result<Stored, WalletError> {
        let now = self.clock.now();
        self.database.write(move |db| idempotency::once(db, &key, now, status, &effect)).await
    }

    /// What the key's first request was answered: a repetition gets it even when a neighbour says something else now.
    pub(crate) async fn answered_before(&self, key: Idempotency) -> Result<Option<Stored>, WalletError> {
        let seen = self.database.read(move |db| idempotency::seen::<WalletError>(db, &key)).await?;
        Ok(match seen {
            Seen::Answered(stored) => Some(stored),
            Seen::Never | Seen::Reused | Seen::Target(_) => None,
        })
    }

    /// The amount, unless it is more than one operation may move.
    pub fn within_cap(&self, amount: PositiveMoney) -> Result<PositiveMoney, Problem> {
        let cap = self.settings.max_amount_minor;
        if amount.get().amount() <= cap {
            return Ok(amount);
        }
        Err(Problem::invalid_field("amount", "amount_out_of_range", format!("use 1 to {cap} minor units")))
    }

    /// What the caller does, for the audit log.
    pub(crate) fn entry(&self, call: &Call, action: &'static str, subject: &str, detail: &Value) -> Entry {
        Entry::of(call, action, subject, detail, self.clock.now(), &self.random)
    }

    /// A transfer of `actor` now.
    pub(crate) fn step(&self, actor: String) -> Step {
        let at = self.clock.now();
        Step { transfer: TransferId::new(at, &self.random).to_string(), actor, at }
    }

    fn step_of(&self, call: &Call) -> Step {
        self.step(call.caller.as_ref().map_or_else(|| "store".to_owned(), |caller| caller.id.clone()))
    }
}

fn balances(db: &mut Db, user: &str) -> Done<Vec<Balance>> {
    let wallets = account::of_user(db, user)?;
    let balance = |(account, standing): (Account, account::Standing)| Balance {
        currency: account.currency,
        balance: standing.balance(),
        held: standing.debits_pending,
        available: standing.available(),
        frozen: standing.is_frozen(),
    };
    Ok(wallets.into_iter().map(balance).collect())
}

/// Ends the holds whose time is over. One that cannot be ended is left for `verify` to explain, so that the others go on.
///
/// How many were ended.
fn expire(db: &mut Db, now: Timestamp) -> Done<usize> {
    let mut expired = 0;
    let mut overdue = hold::overdue(db, HoldState::Held, now, EXPIRED_AT_ONCE)?;
    // As payments lock them.
    overdue.sort_by(|a, b| (&a.account_id, &a.id).cmp(&(&b.account_id, &b.id)));
    for row in overdue {
        let transfer = TransferId::derived_from(&row.id, &["expire"]).to_string();
        let step = Step { transfer, actor: "sweeper".to_owned(), at: now };
        match savepoint(db, |db| resolve::expire(db, &row, &step)) {
            Ok(ended) => expired += usize::from(ended),
            Err(Failure::Storage(error @ StorageError::Corrupt(_))) => {
                tracing::error!(hold = row.id, %error, "a hold could not be expired");
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(expired)
}

/// Forgets what nobody needs any more; how many of the kind of which there was most.
fn forget(db: &mut Db, now: Timestamp) -> Done<usize> {
    let tombstones = hold::overdue(db, HoldState::Tombstone, now, SWEPT_AT_ONCE)?;
    for row in &tombstones {
        hold::forget(db, row, now)?;
    }
    Ok(tombstones.len().max(idempotency::prune(db, now)?).max(outbox::prune(db, now)?))
}

#[async_trait]
impl Wallet for Ledger {
    async fn hold(&self, call: &Call, ask: Hold) -> Result<HoldStatus, WalletError> {
        let (step, id) = (self.step_of(call), ask.id.clone());
        self.database.admit(move |db| Ok(hold::find(db, &id)?.is_some())).await?;
        let placed: Outcome =
            self.database.write_step("hold", Lane::Continuation, move |db| place(db, &ask, &step)).await?;
        placed
    }

    async fn capture(&self, call: &Call, ask: Capture) -> Result<HoldStatus, WalletError> {
        let step = self.step_of(call);
        let work = move |db: &mut Db| resolve::capture(db, &ask.hold, &ask.payees, &step);
        self.database.write_step("capture", Lane::Continuation, work).await
    }

    async fn void(&self, call: &Call, ask: OfHold) -> Result<HoldStatus, WalletError> {
        let step = self.step_of(call);
        self.database.write_step("void", Lane::Continuation, move |db| resolve::void(db, &ask.hold, &step)).await
    }

    async fn holds(&self, _: &Call, ask: AskHolds) -> Result<Vec<HoldStatus>, WalletError> {
        self.database.read(move |db| hold::of_orders(db, &ask.ids)).await
    }

    async fn personal(&self, _: &Call, ask: AskPersonal) -> Result<Personal, WalletError> {
        self.personal(ask).await
    }

    async fn verify(&self, _: &Call, (): ()) -> Result<Audit, WalletError> {
        verify::verify(&self.database, self.clock.now()).await
    }
}

fn place(db: &mut Db, ask: &Hold, step: &Step) -> Done<Outcome> {
    let amount = ask.amount.get();
    let wanted = Wanted {
        id: &ask.id,
        from: &Account::of_user(&ask.buyer, amount.currency()),
        to: None,
        amount,
        reason: Reason::Order,
        reference: &ask.order,
        expires_in: Some(Duration::from_secs(ask.expires_in_secs.into())),
        actor: &step.actor,
        at: step.at,
    };
    hold::ask(db, &wanted)
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({:?})", self.database)
    }
}
