//! The command line: `emporium serve` and everything an operator needs beside it.
//!
//! Exit codes: 0 done; 1 done, with remarks or findings to read; 2 refused or failed.

mod api;
mod audit;
#[cfg(feature = "auth")]
mod auth;
mod backup;
mod configuration;
#[cfg(all(feature = "auth", feature = "inventory", feature = "shop", feature = "wallet"))]
mod demo;
mod doctor;
mod health;
mod migrate;
#[cfg(feature = "shop")]
mod order;
mod output;
#[cfg(feature = "shop")]
mod product;
#[cfg(any(feature = "inventory", feature = "shop"))]
mod progress;
mod serve;
#[cfg(feature = "inventory")]
mod stock;
#[cfg(feature = "auth")]
mod user;
#[cfg(any(feature = "inventory", feature = "shop", feature = "wallet"))]
mod verify;
#[cfg(feature = "wallet")]
mod wallet;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, CommandFactory, Parser, Subcommand};
use emporium_kernel::{Clock, Random};

use crate::settings::{Overrides, Settings};
use crate::wiring::{Mode, Modules, refused};
use output::Output;

/// A shop in one binary: catalogue, orders, stock, wallet and users.
#[derive(Parser)]
#[command(name = "emporium", version, about, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
struct Common {
    /// A configuration file; later ones go over earlier ones.
    #[arg(long, global = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// The folder with databases and keys.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON for machines.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run the shop.
    Serve(serve::Options),
    /// Run a shop with a sample catalogue and accounts on throw-away data.
    #[cfg(all(feature = "auth", feature = "inventory", feature = "shop", feature = "wallet"))]
    Demo(demo::Options),
    /// Create the databases and bring them up to date.
    Migrate(migrate::Options),
    /// Check configuration, files and databases, and say what to mend.
    Doctor,
    /// Check or show the configuration, and the key of this process.
    #[command(subcommand)]
    Config(configuration::Command),
    /// Manage the keys that sign access tokens.
    #[cfg(feature = "auth")]
    #[command(subcommand)]
    Auth(auth::Command),
    /// Make and manage users.
    #[cfg(feature = "auth")]
    #[command(subcommand)]
    User(user::Command),
    /// Import and export products.
    #[cfg(feature = "shop")]
    #[command(subcommand)]
    Product(product::Command),
    /// Look at and change stock.
    #[cfg(feature = "inventory")]
    #[command(subcommand, visible_alias = "inventory")]
    Stock(stock::Command),
    /// Look at and change wallets.
    #[cfg(feature = "wallet")]
    #[command(subcommand)]
    Wallet(wallet::Command),
    /// Look at orders, finish stuck ones, check all of them.
    #[cfg(feature = "shop")]
    #[command(subcommand)]
    Order(order::Command),
    /// Read the audit logs, or prove that nobody altered them.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Print the OpenAPI document.
    Openapi,
    /// Print the public routes.
    Routes,
    /// Ask a running process whether it is ready, for container checks.
    Health(health::Options),
    /// Copy all databases to a folder, while the shop runs.
    Backup(backup::Options),
    /// Print a completion script.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
}

/// What a command works with.
struct Context {
    common: Common,
    out: Output,
    clock: Clock,
    random: Random,
}

impl Context {
    /// The settings, with the command's own options over them.
    fn settings(&self, overrides: Overrides) -> anyhow::Result<Settings> {
        let data = self.common.data.clone().or(overrides.data.clone());
        Settings::load(&self.common.config, &Overrides { data, ..overrides })
    }

    /// The modules, opened for a command that prints: only warnings are logged. What is not there is made, as `serve`
    /// does.
    fn open(&self, mode: Mode) -> anyhow::Result<Opened> {
        let settings = self.settings(Overrides { log_level: Some("warn".to_owned()), ..Overrides::default() })?;
        crate::telemetry::start(&settings.general.log)?;
        if mode == Mode::ReadOnly && settings.lacks_a_database()? {
            Modules::open(&settings, Mode::Own, &self.clock, &self.random)?.close();
        }
        let modules = Modules::open(&settings, mode, &self.clock, &self.random)?;
        Ok(Opened { modules: Arc::new(modules) })
    }
}

/// The modules of a command; closed when it ends.
struct Opened {
    modules: Arc<Modules>,
}

impl Opened {
    /// A module that the command needs.
    fn module<M: Send + Sync + 'static>(&self, name: &str) -> anyhow::Result<Arc<M>> {
        self.modules.find().ok_or_else(|| anyhow::anyhow!("this configuration does not hold {name}"))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.modules.close();
    }
}

/// Parses, runs, and turns the result into an exit code.
pub fn run() -> ExitCode {
    let Cli { common, command } = Cli::parse();
    let out = Output::new(common.json);
    let context = Context { common, out, clock: Clock::system(), random: Random::system() };
    let result = actix_web::rt::System::new().block_on(dispatch(context, command));
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            out.error(&error);
            ExitCode::from(2)
        }
    }
}

async fn dispatch(context: Context, command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Serve(options) => serve::run(&context, options).await,
        #[cfg(all(feature = "auth", feature = "inventory", feature = "shop", feature = "wallet"))]
        Command::Demo(options) => demo::run(&context, options).await,
        Command::Migrate(options) => migrate::run(&context, &options),
        Command::Doctor => doctor::run(&context).await,
        Command::Config(command) => configuration::run(&context, &command),
        #[cfg(feature = "auth")]
        Command::Auth(command) => auth::run(&context, &command),
        #[cfg(feature = "auth")]
        Command::User(command) => user::run(&context, command).await,
        #[cfg(feature = "shop")]
        Command::Product(command) => product::run(&context, command).await,
        #[cfg(feature = "inventory")]
        Command::Stock(command) => stock::run(&context, command).await,
        #[cfg(feature = "wallet")]
        Command::Wallet(command) => wallet::run(&context, command).await,
        #[cfg(feature = "shop")]
        Command::Order(command) => order::run(&context, command).await,
        Command::Audit(command) => audit::run(&context, command).await,
        Command::Openapi => api::openapi(&context),
        Command::Routes => api::routes(&context),
        Command::Health(options) => health::run(&context, &options),
        Command::Backup(options) => backup::run(&context, &options),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "emporium", &mut std::io::stdout());
            Ok(0)
        }
    }
}
