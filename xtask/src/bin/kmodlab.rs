//! `kmodlab`: the same program as `cargo xtask`, to be installed.

fn main() -> std::process::ExitCode {
    xtask::cli::main()
}
