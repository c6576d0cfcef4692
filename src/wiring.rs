//! The only file that knows here from elsewhere: opens what this process holds and hands each module its neighbours.

#[cfg(feature = "auth")]
mod auth;
#[cfg(feature = "inventory")]
mod inventory;
mod module;
mod neighbours;
#[cfg(feature = "shop")]
mod shop;
#[cfg(feature = "wallet")]
mod wallet;

#[cfg(not(any(feature = "auth", feature = "inventory", feature = "shop", feature = "wallet")))]
compile_error!("name at least one module in --features: auth, inventory, shop, wallet");

use std::any::Any;
use std::sync::Arc;

use actix_web::web;
use anyhow::{Context, ensure};
use emporium_database::Database;
use emporium_kernel::{Admission, Audit, Authenticator, Call, Clock, FurtherCookie, Random, Remote, Routes};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;

use crate::settings::{MODULES, Settings};
use neighbours::Neighbours;

#[cfg(feature = "auth")]
pub use auth::section as auth_section;
pub use module::{Chore, Kind, Module, refused};
pub use neighbours::service_key;

/// The modules that this build can hold; each calls only those before it.
const BUILT: &[Kind] = &[
    #[cfg(feature = "auth")]
    auth::KIND,
    #[cfg(feature = "wallet")]
    wallet::KIND,
    #[cfg(feature = "inventory")]
    inventory::KIND,
    #[cfg(feature = "shop")]
    shop::KIND,
];

/// How the databases are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Created, migrated and taken for this process alone.
    Own,
    /// As they are, beside a process that owns them.
    ReadOnly,
}

/// The modules of this process.
pub struct Modules {
    held: Vec<Box<dyn Module>>,
    /// Who may call which of them from other processes.
    gates: Vec<(&'static str, Arc<dyn Admission>)>,
    links: Vec<Remote>,
    authenticator: Arc<dyn Authenticator>,
    cookie: FurtherCookie,
}

impl Modules {
    /// Opens every module that the settings name.
    pub fn open(settings: &Settings, mode: Mode, clock: &Clock, random: &Random) -> anyhow::Result<Self> {
        check(settings)?;
        let neighbours = Neighbours::new(settings, mode, clock, random);
        let mut opener = Opener { settings, mode, clock, random, neighbours };
        let (mut held, mut gates) = (Vec::new(), Vec::new());
        for kind in held_by(settings) {
            held.push((kind.open)(&mut opener)?);
            gates.extend(neighbours::gate(settings, kind.name, clock)?.map(|gate| (kind.name, gate)));
        }
        let last = held_by(settings).last().context("this process holds no module")?;
        let users = opener.neighbours.users(last.name)?;
        let authenticator = Arc::new(emporium_auth_api::Verifier::new(users, clock.clone()));
        let cookie = FurtherCookie(settings.section::<Browsers>("auth")?.token_cookie.into());
        Ok(Self { held, gates, links: opener.neighbours.into_links(), authenticator, cookie })
    }

    /// A module by its type; `None` when this process does not hold it.
    pub fn find<M: Send + Sync + 'static>(&self) -> Option<Arc<M>> {
        self.iter().find_map(|module| (module as &dyn Any).downcast_ref::<Arc<M>>()).cloned()
    }

    /// All of them, those that others call first.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Module> {
        self.held.iter().map(|module| &**module)
    }

    /// The public routes of what is held.
    pub fn routes(&self) -> Routes {
        routes_of(self.iter().map(Module::kind))
    }

    /// Gives the handlers of the public routes what they need.
    pub fn provide(&self, app: &mut web::ServiceConfig) {
        app.app_data(web::Data::<dyn Authenticator>::from(self.authenticator.clone()));
        app.app_data(web::Data::new(self.cookie.clone()));
        self.iter().for_each(|module| module.provide(app));
    }

    /// Mounts the internal routes of those modules that somebody may call from elsewhere.
    pub fn serve(&self, app: &mut web::ServiceConfig) {
        for (name, gate) in &self.gates {
            let served = self.iter().filter(|module| module.kind().name == *name);
            served.for_each(|module| module.serve(app, gate.clone()));
        }
    }

    /// Whether other processes may call this one.
    pub fn is_called(&self) -> bool {
        !self.gates.is_empty()
    }

    /// The ways to the modules of other processes.
    pub fn links(&self) -> &[Remote] {
        &self.links
    }

    /// The databases of what is held, by module.
    pub fn databases(&self) -> impl Iterator<Item = (&'static str, &Database)> {
        self.iter().map(|module| (module.kind().name, module.database()))
    }

    /// For `name`, the proof of the books of each module that keeps some; its time begins when the iterator comes to it.
    pub fn proofs<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'static str, Proof<'a>)> {
        self.iter().filter_map(move |module| Some((module.kind().name, module.verify(Call::internal(name))?)))
    }

    /// Ends what would otherwise go on for ever, so that the listeners can stop.
    pub fn drain(&self) {
        self.iter().for_each(Module::drain);
    }

    /// Finishes what is queued and gives the databases free.
    pub fn close(&self) {
        self.databases().for_each(|(_, database)| database.close());
    }
}

/// A check of every invariant of a module's books.
pub type Proof<'a> = LocalBoxFuture<'a, anyhow::Result<Audit>>;

/// What every process needs of the section `[auth]`, whichever modules it holds.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Browsers {
    token_cookie: String,
}

/// What a module needs to be opened.
pub struct Opener<'a> {
    settings: &'a Settings,
    mode: Mode,
    clock: &'a Clock,
    random: &'a Random,
    neighbours: Neighbours<'a>,
}

impl Opener<'_> {
    fn database(&self, kind: &Kind) -> anyhow::Result<Database> {
        let url = self.settings.database(kind.name)?;
        let database = match self.mode {
            Mode::Own => Database::open(&url, kind.migrations),
            Mode::ReadOnly => Database::open_read_only(&url, kind.migrations),
        };
        database.with_context(|| format!("the database of {}", kind.name))
    }
}

/// Whether this build can hold a module.
pub fn is_built(module: &str) -> bool {
    BUILT.iter().any(|kind| kind.name == module)
}

fn held_by(settings: &Settings) -> impl DoubleEndedIterator<Item = &'static Kind> {
    BUILT.iter().filter(|kind| settings.holds(kind.name))
}

/// The public routes of every module of this build.
pub fn all_routes() -> Routes {
    routes_of(BUILT.iter())
}

/// Those that buyers use first come first.
fn routes_of<'a>(kinds: impl Iterator<Item = &'a Kind>) -> Routes {
    kinds.fold(Routes::new("none"), |routes, kind| (kind.routes)().and(routes))
}

/// Names every mistake in what is held and in its sections, without opening anything.
pub fn check(settings: &Settings) -> anyhow::Result<()> {
    for module in MODULES.iter().filter(|module| settings.holds(module)) {
        ensure!(
            is_built(module),
            "this build cannot hold {module}: it was made without the feature `{module}`; build it with --features \
             {module}, or leave {module} out of --modules and modules.held"
        );
        settings.database(module)?;
    }
    neighbours::check(settings)?;
    held_by(settings).try_for_each(|kind| (kind.check)(settings))
}

/// The migrations that opening would carry out, by held module; nothing is changed or made.
pub fn pending_migrations(settings: &Settings) -> anyhow::Result<Vec<(&'static str, Vec<String>)>> {
    let pending = |kind: &Kind| Ok((kind.name, kind.migrations.pending(&settings.database(kind.name)?)?));
    held_by(settings).map(pending).collect()
}
