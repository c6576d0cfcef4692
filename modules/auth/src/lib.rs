//! Users: who they are, how they prove it, and the tokens they get for it.

mod accounts;
mod address_proof;
mod addresses;
mod api_keys;
mod bootstrap;
mod claims;
mod codes;
mod enrolment;
mod erasure;
mod factor;
mod hashing;
mod http;
mod invitations;
mod listing;
mod logins;
mod mail;
mod password;
mod password_rules;
mod personal;
mod place;
mod proof;
mod rate;
mod recovery;
mod refresh_token;
mod root;
mod schema;
mod secret;
mod sessions;
mod settings;
mod signing;
mod throttle;
mod turns;
mod users;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use emporium_auth_api::{AskPersonal, Auth, AuthError, FindUser, Grant, KeyHash, KeyHolder, KeySet, Personal, User};
use emporium_database::{
    Database, Failure, Lane, Migrations, OpenError, ReadCache, Url, embedded, idempotency, outbox,
};
use emporium_kernel::{After, Call, Clock, Events, Random};

pub use accounts::{Name, UserChange, list_users};
pub use http::routes;
pub use listing::UserFilter;
pub use mail::{KeptMail, Waiting};
pub use password::NewPassword;
pub use settings::{MailSettings, MailTls, MailTransport, Settings};
pub use signing::{NewKey, rotate_keys};

use hashing::Hashing;
use mail::Post;
use password_rules::PasswordRules;
use rate::Rate;
use refresh_token::RefreshKeys;
use root::{Root, Seal};
use signing::SigningKeys;
use turns::Turns;

const ON_SQLITE: diesel_migrations::EmbeddedMigrations = embedded!("../../migrations/auth/sqlite");
const ON_MYSQL: diesel_migrations::EmbeddedMigrations = embedded!("../../migrations/auth/mysql");
/// The schema of auth.
pub const MIGRATIONS: Migrations = Migrations::new(&ON_SQLITE, &ON_MYSQL);

/// Users kept in memory for whoever looks them up, at most.
const KNOWN_USERS: usize = 10_000;

/// Sessions kept in memory for whoever asks whether they have ended, at most.
const KNOWN_GRANTS: usize = 20_000;

pub(crate) type Done<T> = Result<T, Failure<AuthError>>;

/// Why auth cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum AuthOpenError {
    /// A setting is refused.
    #[error("auth: {0}")]
    Settings(String),
    /// A secret file cannot be used.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds no signing key.
    #[error(
        "{0} is not a signing key, or is encrypted with another root secret; restore both, or remove it to have a new one \
         made and all users log in again"
    )]
    Key(PathBuf),
    /// The file does not hold the secret that all others come from.
    #[error("{0} is not there or does not hold 32 bytes; restore it from a copy")]
    Root(PathBuf),
    /// The database was written with another secret.
    #[error(
        "{0} is not the root secret that this database was written with: copy it from the process that wrote it, \
         or from before"
    )]
    OtherRoot(PathBuf),
    /// The bootstrap secret could not be stored.
    #[error("the bootstrap secret could not be stored: {0}")]
    Bootstrap(AuthError),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] OpenError),
}

impl AuthOpenError {
    /// What a failed use of a file is called.
    pub(crate) fn at(path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }
}

/// The users and their sessions.
pub struct Users {
    database: Database,
    settings: Settings,
    data_dir: PathBuf,
    keys: SigningKeys,
    refresh_keys: RefreshKeys,
    hashing: Hashing,
    password_rules: PasswordRules,
    /// Hashes the codes that are sent.
    code_key: hmac::Key,
    code_rate: Rate,
    mail_seal: Seal,
    factor_seal: Seal,
    post: Post,
    /// Hides the addresses whose failed logins are counted.
    account_key: hmac::Key,
    turns: Turns,
    login_rate: Rate,
    registration_rate: Rate,
    /// By id and by address.
    known: ReadCache<User>,
    /// By session: what was granted, and whether it has been taken back.
    revoked: ReadCache<(Grant, bool)>,
    clock: Clock,
    random: Random,
}

impl Users {
    /// Opens the database and the signing key in `data_dir`; makes what is not there, and a bootstrap secret while there
    /// is no admin.
    pub fn open(
        url: &Url,
        settings: Settings,
        data_dir: &Path,
        clock: Clock,
        random: Random,
    ) -> Result<Arc<Self>, AuthOpenError> {
        settings.check().map_err(AuthOpenError::Settings)?;
        let database = Database::open(url, MIGRATIONS)?;
        Self::of(database.clone(), settings, data_dir, clock, random).inspect_err(|_| database.close())
    }

    /// [`Users::open`] on a database that is open already.
    pub fn of(
        database: Database,
        settings: Settings,
        data_dir: &Path,
        clock: Clock,
        random: Random,
    ) -> Result<Arc<Self>, AuthOpenError> {
        settings.check().map_err(AuthOpenError::Settings)?;
        let refused = || AuthOpenError::Settings("argon2 does not take its parameters".to_owned());
        let hashing = Hashing::new(&settings, random.clone()).ok_or_else(refused)?;
        let password_rules = PasswordRules::of(&settings).map_err(AuthOpenError::Settings)?;
        let root_path = settings.root_path(data_dir);
        let root = if database.is_read_only() && !root_path.exists() {
            Root::unsaved(&random)
        } else {
            let root = Root::open(&root_path, &random)?;
            bootstrap::check_root(&database, &root, &root_path)?;
            root
        };
        let keys = SigningKeys::open(data_dir, &root, &random, database.is_read_only())?;
        let post = Post::of(&settings.mail).map_err(AuthOpenError::Settings)?;
        let (mail_seal, code_key) = (root.seal("auth/mail/1")?, root.derive("auth/code/1"));
        let factor_seal = root.seal("auth/totp/1")?;
        if !database.is_read_only() {
            bootstrap::remember_root(&database, &root, &root_path)?;
            keys.encrypt();
            bootstrap::prepare(&database, data_dir, clock.now(), &random)?;
            bootstrap::learn_costs(&database, &hashing)?;
        }
        let turns = Turns::new(hashing.at_once().min(throttle::AT_ONCE), settings.hashing_waiting);
        let (refresh_keys, data_dir) = (RefreshKeys::of(&root), data_dir.to_owned());
        let account_key = root.derive("auth/account/1");
        let no_memory = || AuthOpenError::Settings("the places of requests cannot be remembered".to_owned());
        let code_rate = Rate::of(recovery::TRIES_A_MINUTE).ok_or_else(no_memory)?;
        let login_rate = Rate::of(settings.logins_a_minute).ok_or_else(no_memory)?;
        let registration_rate = Rate::of(settings.registrations_a_minute).ok_or_else(no_memory)?;
        let (known, revoked) = (database.cache(KNOWN_USERS), database.cache(KNOWN_GRANTS));
        Ok(Arc::new(Self {
            database,
            settings,
            data_dir,
            keys,
            refresh_keys,
            hashing,
            password_rules,
            code_key,
            code_rate,
            mail_seal,
            factor_seal,
            post,
            account_key,
            turns,
            login_rate,
            registration_rate,
            known,
            revoked,
            clock,
            random,
        }))
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Forgets a bounded number of sessions and idempotency keys that are too old to matter.
    pub async fn sweep(&self) -> Result<(), AuthError> {
        let now = self.clock.now();
        let prune = move |db: &mut emporium_database::Db| {
            sessions::prune(db, now)?;
            throttle::prune(db, now)?;
            recovery::prune(db, now)?;
            invitations::prune(db, now)?;
            claims::prune(db, now)?;
            idempotency::prune(db, now)?;
            outbox::prune(db, now).map(drop)
        };
        // Only events with a number are forgotten, and nobody may be reading them.
        outbox::number_all::<AuthError>(&self.database).await?;
        self.database.write_in(Lane::Continuation, prune).await
    }

    /// Takes note of what stored passwords cost to check, so that an address that nobody has takes as long to refuse.
    pub async fn learn_costs(&self) -> Result<(), AuthError> {
        let stored = self.database.read(users::some_hashes).await?;
        self.hashing.learn(&stored);
        Ok(())
    }

    /// Reads the keys that sign tokens again, which somebody may have rotated, and removes those that nobody needs.
    pub fn refresh_keys(&self) {
        self.keys.prune(self.clock.now());
        self.keys.refresh();
    }

    pub(crate) fn key_set(&self) -> KeySet {
        self.keys.key_set(self.clock.now())
    }
}

#[async_trait]
impl Auth for Users {
    async fn keys(&self, _: &Call, (): ()) -> Result<KeySet, AuthError> {
        Ok(self.key_set())
    }

    async fn find_user(&self, _: &Call, who: FindUser) -> Result<User, AuthError> {
        self.user(who).await
    }

    async fn personal(&self, _: &Call, ask: AskPersonal) -> Result<Personal, AuthError> {
        self.personal(ask.user).await
    }

    async fn events(&self, _: &Call, ask: After) -> Result<Events, AuthError> {
        outbox::after(&self.database, ask).await
    }

    async fn check_key(&self, _: &Call, key: KeyHash) -> Result<KeyHolder, AuthError> {
        self.holder_of(key).await
    }

    async fn is_revoked(&self, _: &Call, grant: Grant) -> Result<bool, AuthError> {
        self.is_revoked(grant).await
    }
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Users({})", self.database.url())
    }
}
