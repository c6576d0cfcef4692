//! `emporium health`: asks a running process whether it is ready. Needs no shell and no curl in a container.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::Context;
use crate::settings::Overrides;

/// Options of `health`.
#[derive(Args, Debug)]
pub struct Options {
    /// The management address; the configured one when not said.
    #[arg(long, value_name = "ADDR")]
    management: Option<String>,
}

const PATIENCE: Duration = Duration::from_secs(3);

/// 0 when it is ready, 1 when it is not.
pub fn run(context: &Context, options: &Options) -> anyhow::Result<u8> {
    let settings = context.settings(Overrides::default())?;
    let address = options.management.clone().unwrap_or(settings.general.management.listen);
    let ready = ask(&address);
    let reason = ready.as_ref().err().map(|error| format!("{error:#}"));
    let ready = ready.unwrap_or(false);
    context.out.show(&json!({"ready": ready, "reason": reason}), |_| {
        let verdict = if ready { "ready" } else { "not ready" };
        reason.map_or_else(|| verdict.to_owned(), |reason| format!("{verdict}: {reason}"))
    });
    Ok(u8::from(!ready))
}

fn ask(address: &str) -> anyhow::Result<bool> {
    let resolved = address.to_socket_addrs().with_context(|| address.to_owned())?.next().context("no address")?;
    let mut stream = TcpStream::connect_timeout(&resolved, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /actuator/health/readiness HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(head.ends_with(b"200"))
}
