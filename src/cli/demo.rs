//! `emporium demo`: a shop with a sample catalogue, stock and one account for each role, on throw-away data.

use std::collections::BTreeSet;
use std::net::ToSocketAddrs;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use emporium_auth::{Name, NewPassword, Users};
use emporium_auth_api::Email;
use emporium_kernel::{Call, Random, Role};
use emporium_shop::Shop;
use emporium_shop::csv::{ImportOptions, StockMode};
use serde::Serialize;

use super::{Context, refused};
use crate::server::{Addresses, Server};
use crate::settings::Overrides;
use crate::wiring::{Mode, Modules};

/// Options of `demo`.
#[derive(Args, Debug)]
pub struct Options {
    /// The address of the public API; loopback only.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,
    /// The address of health and metrics; loopback only.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    management: String,
}

/// The sample catalogue, written for this project.
const SAMPLE: &str = include_str!("sample.csv");

/// An account of the demonstration.
#[derive(Clone, Debug, Serialize)]
struct Account {
    email: String,
    password: String,
    roles: Vec<Role>,
}

/// What is told about the demonstration.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    addresses: Addresses,
    users: Vec<Account>,
}

/// Sets the shop up, says how to use it, and runs until it is told to stop.
pub async fn run(context: &Context, options: Options) -> anyhow::Result<u8> {
    refuse_strangers(&options)?;
    let folder = tempfile::Builder::new().prefix("emporium-demo-").tempdir()?;
    let overrides = Overrides {
        data: Some(folder.path().to_owned()),
        listen: Some(options.listen),
        management: Some(options.management),
        deposits: Some("instant".to_owned()),
        mail: Some("staff".to_owned()),
        log_level: Some("error".to_owned()),
        all_in_data: true,
        ..Overrides::default()
    };
    let settings = crate::settings::Settings::load(&context.common.config, &overrides)?;
    crate::telemetry::start(&settings.general.log)?;
    let modules = Arc::new(Modules::open(&settings, Mode::Own, &context.clock, &context.random)?);
    let users = make_accounts(&modules, &context.random).await?;
    stock_the_shelves(&modules, folder.path()).await?;
    let server = Server::bind(modules, &settings, context.clock.clone(), context.random.clone())?;
    let told = Told { addresses: server.addresses.clone(), users };
    context.out.show(&told, explain);
    server.run().await?;
    Ok(0)
}

/// Money comes from nowhere here, so nobody else may reach it.
fn refuse_strangers(options: &Options) -> anyhow::Result<()> {
    for address in [&options.listen, &options.management] {
        let mut resolved = address.to_socket_addrs().with_context(|| address.clone())?;
        if !resolved.all(|address| address.ip().is_loopback()) {
            bail!("demo listens on loopback addresses only; {address} is not one");
        }
    }
    Ok(())
}

async fn make_accounts(modules: &Modules, random: &Random) -> anyhow::Result<Vec<Account>> {
    let users = modules.find::<Users>().context("demo needs the module auth")?;
    let mut accounts = Vec::new();
    for role in [Role::Customer, Role::Supplier, Role::Staff, Role::Admin] {
        accounts.push(make_account(&users, role, random.token::<18>()).await?);
    }
    Ok(accounts)
}

async fn make_account(users: &Users, role: Role, password: String) -> anyhow::Result<Account> {
    let email = format!("{}@example.com", role.name());
    let parsed = Email::parse(&email).context("a demonstration address")?;
    let name = Name::parse(&format!("Demo {}", role.name()))?;
    let roles: BTreeSet<Role> = [role].into();
    let secret = NewPassword::parse(&password).map_err(refused)?;
    let user = users.create_user(&Call::internal("demo"), parsed, name, secret, roles).await.map_err(refused)?;
    Ok(Account { email, password, roles: user.roles })
}

async fn stock_the_shelves(modules: &Modules, folder: &std::path::Path) -> anyhow::Result<()> {
    let shop = modules.find::<Shop>().context("demo needs the module shop")?;
    let file = folder.join("sample.csv");
    std::fs::write(&file, SAMPLE)?;
    let options = ImportOptions {
        dry_run: false,
        stock: StockMode::Created,
        currency: shop.settings().currency,
        actor: "demo".to_owned(),
    };
    let report = emporium_shop::csv::import(&shop, &Call::internal("demo"), &file, options, |_| {}).await;
    report.map(drop).map_err(refused)
}

fn explain(told: &Told) -> String {
    let accounts = told.users.iter().map(|account| {
        let role = account.roles.first().map_or("", |role| role.name());
        format!("  {role:9} {:24} {}\n", account.email, account.password)
    });
    format!(
        "public API   {public}   (documentation: {public}/docs/)\nmanagement   {management}\n\nAccounts of this run:\n{accounts}\n\
         A purchase, to be pasted into another terminal:\n\n{purchase}\nEverything is forgotten when this ends (Ctrl-C).",
        public = told.addresses.public,
        management = told.addresses.management,
        accounts = accounts.collect::<String>(),
        purchase = purchase(told),
    )
}

/// Log in, put money into the wallet, look, buy, and look at the order.
fn purchase(told: &Told) -> String {
    let api = &told.addresses.public;
    let Some(buyer) = told.users.first() else { return String::new() };
    let (email, password) = (&buyer.email, &buyer.password);
    let json = "-H 'Content-Type: application/json'";
    let signed = "-H \"Authorization: Bearer $TOKEN\"";
    format!(
        r#"TOKEN=$(curl -s {api}/v1/auth/login {json} -d '{{"email":"{email}","password":"{password}"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -sw '\n' {api}/v1/wallet/deposits {signed} {json} -H "Idempotency-Key: deposit-$RANDOM$RANDOM" -d '{{"amount":{{"amount":10000,"currency":"USD"}}}}'
curl -sw '\n' '{api}/v1/products?q=mug'
curl -sw '\n' {api}/v1/orders {signed} {json} -H "Idempotency-Key: order-$RANDOM$RANDOM" -d '{{"items":[{{"sku":"MUG-BLUE","quantity":2}}],"payment":{{"method":"wallet"}}}}'
curl -sw '\n' {api}/v1/orders {signed}
"#
    )
}
