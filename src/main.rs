//! emporium: a shop in one binary.

mod cli;
mod server;
mod settings;
mod telemetry;
mod wiring;

fn main() -> std::process::ExitCode {
    cli::run()
}
