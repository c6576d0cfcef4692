//! `emporium serve`: runs the shop.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Context;
use crate::server::Server;
use crate::settings::{Overrides, Settings};
use crate::wiring::{Mode, Modules};

/// Options of `serve`.
#[derive(Args, Debug)]
pub struct Options {
    /// The modules to hold, separated by commas; all of this build when not said.
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    modules: Option<Vec<String>>,
    /// The address of the public API.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// The address of health, metrics and internal calls.
    #[arg(long, value_name = "ADDR")]
    management: Option<String>,
}

/// Opens everything, says where it answers, and runs until it is told to stop.
pub async fn run(context: &Context, options: Options) -> anyhow::Result<u8> {
    let Options { modules, listen, management } = options;
    let settings = context.settings(Overrides { modules, listen, management, ..Overrides::default() })?;
    crate::telemetry::start(&settings.general.log)?;
    let server = open(context, &settings)?;
    context.out.show(&server.addresses, |a| format!("public API   {}\nmanagement   {}", a.public, a.management));
    explain_first_admin(context, &settings);
    server.run().await?;
    Ok(0)
}

fn open(context: &Context, settings: &Settings) -> anyhow::Result<Server> {
    let modules = Arc::new(Modules::open(settings, Mode::Own, &context.clock, &context.random)?);
    Server::bind(modules, settings, context.clock.clone(), context.random.clone())
}

/// Without an admin nobody can run the shop: the file that makes one is named, never its content.
fn explain_first_admin(context: &Context, settings: &Settings) {
    let secret: PathBuf = settings.general.data.join("bootstrap-secret");
    if !context.out.is_json() && secret.exists() {
        let path = secret.display();
        context.out.line(&format!("no admin yet: send the secret in {path} to POST /v1/auth/bootstrap"));
    }
}
