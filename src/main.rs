//! emporium: a shop in one binary.

mod cli;
mod credentials;
mod server;
mod settings;
mod telemetry;
mod wiring;

/// A statement takes and gives back many small blocks, in Rust and in SQLite; this does it in half the time of the C
/// library's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
