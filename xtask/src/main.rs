//! `cargo xtask`: the command line.

use std::process::ExitCode;

use xtask::failure;
use xtask::process::{GUARD, TERMINAL_GUARD, guard, terminal_guard};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let first = args.next().unwrap_or_default();
    let ended = match first.to_str() {
        Some(GUARD) => guard(args),
        Some(TERMINAL_GUARD) => terminal_guard(args),
        _ => Ok(ExitCode::SUCCESS),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        failure::exit_code(&error)
    })
}
