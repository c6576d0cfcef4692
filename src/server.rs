//! The two listeners of a process and everything that runs beside them.

mod bounds;
mod client;
mod edge;
mod front;
mod management;
mod page;
mod workers;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use emporium_kernel::{Clock, Cores, Random};
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::settings::Settings;
use crate::telemetry::RequestSpan;
use crate::wiring::Modules;

pub use front::{document, routes};

/// Where a running process answers.
#[derive(Clone, Debug, Serialize)]
pub struct Addresses {
    /// The public API.
    pub public: String,
    /// Health, metrics and internal calls.
    pub management: String,
}

/// A process that is ready to run.
pub struct Server {
    /// Where it will answer.
    pub addresses: Addresses,
    public: TcpListener,
    management: TcpListener,
    stop: Signals,
    modules: Arc<Modules>,
    settings: Settings,
    clock: Clock,
    random: Random,
}

/// Whether the process takes new work.
#[derive(Clone, Debug, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it is about to end.
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Connections that may wait to be accepted. Each one too many is let wait a whole second by the client's system.
const WAITING_CONNECTIONS: i32 = 4_096;

/// Lets as many files and connections be open as the system lets this user have; what a shell gives is often a thousand.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let of = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    if of(limit.current) < of(limit.maximum)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, "no more than {} files and connections can be open", of(limit.current));
    }
}

/// The standard library lets 128 wait, fewer than come at once at the beginning of a sale.
fn listen(address: &str) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    socket2::SockRef::from(&listener).listen(WAITING_CONNECTIONS)?;
    Ok(listener)
}

impl Server {
    /// Takes the two addresses.
    pub fn bind(modules: Arc<Modules>, settings: &Settings, clock: Clock, random: Random) -> anyhow::Result<Self> {
        raise_open_files();
        let bind = |address: &str| listen(address).with_context(|| format!("cannot listen on {address}"));
        let public = bind(&settings.general.listen)?;
        let management = bind(&settings.general.management.listen)?;
        let url = |listener: &TcpListener| listener.local_addr().map(|address| format!("http://{address}"));
        let addresses = Addresses { public: url(&public)?, management: url(&management)? };
        let stop = Signals::listen()?;
        Ok(Self { addresses, public, management, stop, modules, settings: settings.clone(), clock, random })
    }

    /// Answers until SIGTERM or SIGINT, then answers what is in flight. Orders that are still on their way by then are
    /// taken up again at the next start.
    pub async fn run(self) -> anyhow::Result<()> {
        let draining = Draining::default();
        let background = workers::start(&self.modules, &draining).await?;
        let public = self.public_listener(&draining)?;
        let management = self.management_listener(&draining)?;
        let handles = [public.handle(), management.handle()];
        actix_web::rt::spawn(drain_on_signal(self.stop, draining.clone(), self.modules.clone(), handles));
        let (public, management) = futures_util::future::join(public, management).await;
        draining.begin();
        background.stop().await;
        self.modules.close();
        Ok(public.and(management)?)
    }

    fn public_listener(&self, draining: &Draining) -> anyhow::Result<actix_web::dev::Server> {
        let metrics = edge::metrics()?;
        let proxies = self.settings.general.proxies.as_slice().into();
        let edge = edge::Edge { clock: self.clock.clone(), random: self.random.clone(), proxies };
        let (modules, draining) = (self.modules.clone(), draining.clone());
        let routes = self.modules.routes().and(front::routes(self.settings.general.docs.enabled));
        let docs = front::Docs::of(&routes);
        let pinned = self.settings.general.pin_workers;
        let cores = pinned.then(|| Cores::one_each(self.workers())).flatten();
        let server = HttpServer::new(move || {
            cores.iter().for_each(Cores::take);
            App::new()
                .app_data(web::Data::new(edge.clone()))
                .app_data(web::Data::from(modules.clone()))
                .app_data(web::Data::new(draining.clone()))
                .wrap(tracing_actix_web::TracingLogger::<RequestSpan>::new())
                .wrap(metrics.clone())
                .wrap(from_fn(edge::layer))
                .app_data(web::Data::new(docs.clone()))
                .configure(|app| modules.provide(app))
                .configure(|app| routes.mount(app))
                .default_service(web::to(edge::not_found))
        });
        let patience = Duration::from_secs(self.settings.general.keep_alive_secs.into());
        let server = server.keep_alive(patience).client_request_timeout(patience);
        let server = server.workers(self.workers()).disable_signals().shutdown_timeout(DRAIN_SECS);
        Ok(server.listen(self.public.try_clone()?)?.run())
    }

    fn workers(&self) -> usize {
        match self.settings.general.workers {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            workers => workers,
        }
    }

    fn management_listener(&self, draining: &Draining) -> anyhow::Result<actix_web::dev::Server> {
        let (modules, draining) = (self.modules.clone(), draining.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::from(modules.clone()))
                .app_data(web::Data::new(draining.clone()))
                .configure(management::mount)
                .configure(|app| modules.serve(app))
                .default_service(web::to(edge::not_found))
        });
        let workers = if self.modules.is_called() { self.workers() } else { 1 };
        let server = server
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(KEEP_ALIVE)
            .workers(workers)
            .disable_signals()
            .shutdown_timeout(5);
        Ok(server.listen(self.management.try_clone()?)?.run())
    }
}

/// What tells the process to stop. Listened for before anybody is told where it answers.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }
}

async fn drain_on_signal(mut stop: Signals, draining: Draining, modules: Arc<Modules>, handles: [ServerHandle; 2]) {
    tokio::select! {
        _ = stop.terminate.recv() => {}
        _ = stop.interrupt.recv() => {}
    }
    tracing::info!(
        "stopping: requests in flight are answered; orders still on their way are finished at the next start"
    );
    draining.begin();
    modules.drain();
    let [public, management] = handles;
    public.stop(true).await;
    management.stop(true).await;
}

/// How long a connection of another process may be idle: longer than they keep one, so that none is closed on which a call
/// is just being sent.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a request in flight may still take when the process stops, in seconds.
const DRAIN_SECS: u64 = 10;
