//! A shop with goods, stock, people and money, made once and copied for each part of the benchmark.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context;
use emporium_auth_api::UserId;
use serde_json::{Value, json};

use crate::people::{Mint, Person};
use crate::request::post;
use crate::server::{Binary, Server};
use crate::{batch, catalogue, growth};

/// People with money.
const PEOPLE: usize = 1_000;
/// Those of them who registered, and therefore can log in and receive money.
pub const REGISTERED: usize = 200;
/// The password of all of them.
pub const PASSWORD: &str = "correct horse battery";
/// What each has at the start, in cents: more than any run can spend.
const MONEY: i64 = 100_000_000_000;
/// Pieces of each SKU.
const PIECES: i64 = 500_000_000;
/// Rows of one adjustment of stock.
const ROWS: usize = 100;
const CONNECTIONS: usize = 32;
/// Hashing passwords lets only so many wait.
const REGISTERING: usize = 8;

/// The data folder of a stopped shop.
pub struct Seeded {
    folder: PathBuf,
    people: Vec<UserId>,
}

/// A running shop.
pub struct Shop {
    folder: PathBuf,
    /// Its process.
    pub server: Server,
    /// Signs its tokens.
    pub mint: Mint,
    /// Those with money, with fresh tokens; the first [`REGISTERED`] can log in.
    pub people: Arc<Vec<Person>>,
}

impl Seeded {
    /// Makes a shop in `folder` through its own API, and stops it.
    pub fn make(binary: &Binary, folder: &Path) -> anyhow::Result<Self> {
        Mint::lend(folder)?;
        let (server, mint) = (Server::start(binary, folder)?, Mint::new()?);
        stock(&server, &mint)?;
        let mut people = register(&server)?;
        people.extend((REGISTERED..PEOPLE).map(|_| mint.stranger()));
        let customers: Vec<Person> = people.iter().map(|id| mint.customer(id.clone())).collect::<Result<_, _>>()?;
        deposit(&server, &customers, MONEY)?;
        server.stop()?;
        Ok(Self { folder: folder.to_owned(), people })
    }

    /// Starts a copy of it in `folder`.
    pub fn open(&self, binary: &Binary, folder: &Path) -> anyhow::Result<Shop> {
        copy(&self.folder, folder)?;
        self.start(binary, folder, &[])
    }

    /// Starts a copy of it in `folder` that has so many more products and orders.
    pub fn open_grown(&self, binary: &Binary, folder: &Path, size: u32) -> anyhow::Result<Shop> {
        copy(&self.folder, folder)?;
        let people: Vec<String> = self.people.iter().map(ToString::to_string).collect();
        growth::grow(folder, &people, size)?;
        self.start(binary, folder, &growth::SETTINGS)
    }

    fn start(&self, binary: &Binary, folder: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Shop> {
        let server = Server::start_with(binary, folder, settings)?;
        let mint = Mint::new()?;
        let people: Vec<Person> = self.people.iter().map(|id| mint.customer(id.clone())).collect::<Result<_, _>>()?;
        Ok(Shop { folder: folder.to_owned(), server, mint, people: Arc::new(people) })
    }

    /// Where its data is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Shop {
    /// Stops it; whether the audits of its stock, money and orders find nothing wrong.
    pub fn close(self, binary: &Binary) -> anyhow::Result<bool> {
        self.server.stop()?;
        for book in ["stock", "wallet", "order"] {
            let audit = binary.command(&self.folder, &[book, "verify"]).stdout(Stdio::null()).status()?;
            if !audit.success() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The address of one of those who registered.
pub fn email(number: usize) -> String {
    format!("buyer-{number}@example.com")
}

/// Gives each of these people money.
pub fn deposit(server: &Server, people: &[Person], cents: i64) -> anyhow::Result<()> {
    let money = json!({"amount": {"amount": cents, "currency": "USD"}});
    let requests: Vec<_> = people.iter().map(|person| post("/v1/wallet/deposits", Some(person), &money)).collect();
    batch::seed(server.public, &requests, CONNECTIONS).context("money")?;
    Ok(())
}

/// Sets how many pieces there are of some SKUs.
pub fn count(server: &Server, staff: &Person, skus: &[String], pieces: i64) -> anyhow::Result<()> {
    let adjust = |skus: &[String]| {
        let row = |sku: &String| json!({"sku": sku, "set": pieces, "reason": "counted"});
        json!({"adjustments": skus.iter().map(row).collect::<Vec<Value>>()})
    };
    let rows = skus.chunks(ROWS).map(|part| post("/v1/admin/stock/adjustments", Some(staff), &adjust(part)));
    batch::seed(server.public, &rows.collect::<Vec<_>>(), 1).context("stock")?;
    Ok(())
}

fn stock(server: &Server, mint: &Mint) -> anyhow::Result<()> {
    let staff = mint.staff()?;
    let product = |number| post("/v1/admin/products", Some(&staff), &catalogue::product(number));
    let products: Vec<_> = (0..catalogue::PRODUCTS).map(product).collect();
    batch::seed(server.public, &products, CONNECTIONS).context("products")?;
    let skus: Vec<String> = (0..catalogue::PRODUCTS).map(catalogue::sku).collect();
    count(server, &staff, &skus, PIECES)
}

fn register(server: &Server) -> anyhow::Result<Vec<UserId>> {
    let ask = |number| {
        let who = json!({"email": email(number), "password": PASSWORD, "name": "Buyer"});
        post("/v1/auth/register", None, &who)
    };
    let requests: Vec<_> = (0..REGISTERED).map(ask).collect();
    let bodies = batch::seed(server.public, &requests, REGISTERING).context("users")?;
    let id = |body: &Vec<u8>| -> anyhow::Result<UserId> {
        let told: Value = serde_json::from_slice(body)?;
        Ok(serde_json::from_value(told.pointer("/user/id").context("no id")?.clone())?)
    };
    bodies.iter().map(id).collect()
}

/// Copies the files of a stopped shop; its folders are flat.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
