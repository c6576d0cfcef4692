//! A module of this process, whichever it is: what the process does with each of them.

use std::any::Any;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use emporium_database::{Database, Migrations};
use emporium_kernel::{Admission, Audit, Call, Fault, Problem, Routes};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::Opener;
use crate::settings::Settings;

/// A module that this build can hold, before it is opened.
pub struct Kind {
    /// Its name in `modules.held`, in paths and in names of databases.
    pub name: &'static str,
    /// Its public routes.
    pub routes: fn() -> Routes,
    /// The schema of its database.
    pub migrations: Migrations,
    /// Reads its section of the settings and names a mistake in it.
    pub check: fn(&Settings) -> anyhow::Result<()>,
    /// Opens it, with what it needs of its neighbours, and makes it known to those that are opened after it.
    pub open: fn(&mut Opener<'_>) -> anyhow::Result<Box<dyn Module>>,
}

/// A module that this process holds.
pub trait Module: Any + Send + Sync {
    /// What is known of it from the beginning.
    fn kind(&self) -> &'static Kind;

    /// Its database.
    fn database(&self) -> &Database;

    /// Gives its handlers what they need.
    fn provide(&self, app: &mut web::ServiceConfig);

    /// Mounts the routes of its contract, for those that `admission` lets in.
    fn serve(&self, app: &mut web::ServiceConfig, admission: Arc<dyn Admission>);

    /// Takes over what an earlier process left unfinished.
    fn take_over(&self) -> LocalBoxFuture<'_, anyhow::Result<()>> {
        ready(Ok(())).boxed_local()
    }

    /// What it does beside answering.
    fn chores(&self) -> Vec<Chore>;

    /// Ends what would otherwise go on for ever, so that the listeners can stop.
    fn drain(&self) {}

    /// Checks every invariant of its books; `None` when it keeps none.
    fn verify(&self, _: Call) -> Option<LocalBoxFuture<'_, anyhow::Result<Audit>>> {
        None
    }
}

/// A round of work that is done again and again.
pub struct Chore {
    /// How often.
    pub every: Duration,
    /// Whether only one of the instances that share the database does it.
    pub alone: bool,
    /// The work; a bounded part of it.
    pub round: Box<dyn Fn() -> LocalBoxFuture<'static, anyhow::Result<()>>>,
}

impl Chore {
    /// What every instance does.
    pub fn each<W, E>(every: Duration, round: impl Fn() -> W + 'static) -> Self
    where
        W: Future<Output = Result<(), E>> + 'static,
        E: Into<anyhow::Error> + 'static,
    {
        let round = Box::new(move || round().map(|done| done.map_err(Into::into)).boxed_local());
        Self { every, alone: false, round }
    }

    /// What one instance does for all.
    pub fn alone<W, E>(every: Duration, round: impl Fn() -> W + 'static) -> Self
    where
        W: Future<Output = Result<(), E>> + 'static,
        E: Into<anyhow::Error> + 'static,
    {
        Self { alone: true, ..Self::each(every, round) }
    }
}

/// A module's refusal as the error of a process.
pub fn refused<E: Fault>(error: E) -> anyhow::Error {
    anyhow::Error::new(Problem::from(error))
}

/// The section of a module as the shipped file documents it.
#[cfg(test)]
pub fn documented(module: &str) -> serde_json::Value {
    let settings = Settings::load(&[], &crate::settings::Overrides::default()).expect("the defaults are valid");
    super::check(&settings).expect("every section is valid");
    settings.shown().expect("shows")[module].clone()
}
