//! The yardstick for reads: an actix handler that answers one JSON value and does nothing else.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;
use serde_json::Value;

use crate::process::Process;

/// As many as the server under test has on the two cores that the targets are for.
const WORKERS: usize = 2;

/// Answers the JSON value in `file` to everybody until it is killed; prints its address first.
pub fn serve(file: &Path) -> anyhow::Result<()> {
    let value: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(std::io::stdout().lock(), "{}", listener.local_addr()?)?;
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            let app = App::new().app_data(web::Data::new(value.clone()));
            app.route("/", web::get().to(|value: web::Data<Value>| async move { HttpResponse::Ok().json(&**value) }))
        });
        server.workers(WORKERS).listen(listener)?.run().await
    })?;
    Ok(())
}

/// Starts it in a process of its own, answering `body`.
pub fn start(folder: &Path, body: &[u8]) -> anyhow::Result<(Process, SocketAddr)> {
    let file = folder.join("bare.json");
    std::fs::write(&file, body)?;
    let mut process = Process::start(Command::new(std::env::current_exe()?).arg("bare").arg(&file))?;
    let line = process.line()?;
    Ok((process, line.trim().parse().context("the bare handler did not start")?))
}
