//! The contracts that modules of this process call: near where the process holds the other module, far elsewhere.

use std::any::Any;
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use emporium_auth_api::Auth;
use emporium_kernel::{Admission, Clock, Random, Remote, RemoteSettings};

use crate::credentials::{Gate, ServiceKey};
use crate::settings::Settings;
use crate::wiring::Mode;

/// Who calls whom, and for what.
const CALLS: [(&str, &str, &str); 5] = [
    ("inventory", "auth", "to know who asks"),
    ("wallet", "auth", "to find who is paid"),
    ("shop", "auth", "to know who asks"),
    ("shop", "inventory", "to reserve stock"),
    ("shop", "wallet", "to be paid"),
];

/// What has been opened so far, and the way to the rest.
pub struct Neighbours<'a> {
    /// The contracts of modules that are here: an `Arc<dyn Contract>` each.
    near: Vec<Box<dyn Any>>,
    links: Vec<Remote>,
    key: OnceCell<Arc<ServiceKey>>,
    mode: Mode,
    settings: &'a Settings,
    clock: &'a Clock,
    random: &'a Random,
}

impl<'a> Neighbours<'a> {
    /// Nothing is open yet.
    pub fn new(settings: &'a Settings, mode: Mode, clock: &'a Clock, random: &'a Random) -> Self {
        Self { near: Vec::new(), links: Vec::new(), key: OnceCell::new(), mode, settings, clock, random }
    }

    /// Makes the contract of an open module known to those that are opened after it.
    pub fn offer<C: ?Sized + 'static>(&mut self, contract: Arc<C>) {
        self.near.push(Box::new(contract));
    }

    /// The contract of `peer` for the module `caller`: the one that was offered here, or else the `far` one.
    pub fn find<C: ?Sized + 'static>(
        &mut self,
        caller: &'static str,
        peer: &'static str,
        far: impl FnOnce(Remote) -> Arc<C>,
    ) -> anyhow::Result<Arc<C>> {
        match self.near.iter().find_map(|contract| contract.downcast_ref::<Arc<C>>()) {
            Some(near) => Ok(near.clone()),
            None => Ok(far(self.link(caller, peer)?)),
        }
    }

    /// Users, whom every module needs to know who asks.
    pub fn users(&mut self, caller: &'static str) -> anyhow::Result<Arc<dyn Auth>> {
        self.find::<dyn Auth>(caller, "auth", |link| Arc::new(emporium_auth_api::Client(link)))
    }

    /// The way to a module of another process: one for each, so all that call it share its limits.
    fn link(&mut self, caller: &'static str, peer: &'static str) -> anyhow::Result<Remote> {
        if let Some(link) = self.links.iter().find(|link| link.peer() == peer) {
            return Ok(link.clone());
        }
        let services = &self.settings.general.services;
        let limits = RemoteSettings {
            timeout: Duration::from_millis(services.timeout_millis),
            in_flight: services.calls_at_once,
            ..RemoteSettings::default()
        };
        let signer = self.key()?.signer(caller, self.clock.clone(), self.random.clone());
        let link = Remote::new(peer, self.settings.peer(peer)?, signer, limits)?;
        self.links.push(link.clone());
        Ok(link)
    }

    fn key(&self) -> anyhow::Result<Arc<ServiceKey>> {
        if let Some(key) = self.key.get() {
            return Ok(key.clone());
        }
        let key = match self.mode {
            Mode::Own => service_key(self.settings, self.random)?,
            Mode::ReadOnly if is_named(self.settings) || self.settings.service_key_file().exists() => {
                ServiceKey::open(&self.settings.service_key_file())?
            }
            Mode::ReadOnly => ServiceKey::passing(self.random)?,
        };
        Ok(self.key.get_or_init(|| Arc::new(key)).clone())
    }

    /// The ways to modules of other processes, when all modules of this one are open.
    pub fn into_links(self) -> Vec<Remote> {
        self.links
    }
}

/// The key of this process; made and stored when there is none yet in the data folder.
pub fn service_key(settings: &Settings, random: &Random) -> anyhow::Result<ServiceKey> {
    let path = settings.service_key_file();
    if is_named(settings) { ServiceKey::open(&path) } else { ServiceKey::open_or_make(&path, random) }
}

/// Whether the file of the key is named; then it is expected to be there.
fn is_named(settings: &Settings) -> bool {
    !settings.general.services.key_file.is_empty()
}

/// Who may call `module` from another process; `None` when nobody is trusted.
pub fn gate(settings: &Settings, module: &'static str, clock: &Clock) -> anyhow::Result<Option<Arc<dyn Admission>>> {
    let calls = |caller: &str| CALLS.iter().any(|(from, to, _)| *from == caller && *to == module);
    let trusted = settings.general.services.trusted_keys()?;
    if !trusted.iter().any(|(caller, _)| calls(caller)) {
        return Ok(None);
    }
    let gate = Gate::new(module, trusted.into_iter().map(|(caller, key)| (calls(&caller), caller, key)), clock);
    Ok(Some(Arc::new(gate)))
}

/// Refuses a process that lacks a module which another one calls and does not know where it is, before anything is
/// opened.
pub fn check(settings: &Settings) -> anyhow::Result<()> {
    for (caller, peer, purpose) in CALLS {
        if !settings.holds(caller) || settings.holds(peer) {
            continue;
        }
        anyhow::ensure!(
            settings.has_peer(peer),
            "{caller} needs {peer} {purpose}: name it in --modules or modules.held too, or say in modules.{peer}.url \
             where it is"
        );
    }
    settings.check_services()
}
