//! The name of the program, for messages with commands that a person can type.

use std::sync::OnceLock;

/// Name of the installed program.
const INSTALLED: &str = "kmodlab";

/// Returns true if this is the installed program, and not that of `cargo xtask`.
pub fn is_installed() -> bool {
    name() == INSTALLED
}

/// Returns the words that start this program: `kmodlab` if it was installed, else `cargo xtask`.
pub fn name() -> &'static str {
    static NAME: OnceLock<&str> = OnceLock::new();
    NAME.get_or_init(|| {
        let program = std::env::current_exe().unwrap_or_default();
        match program.file_name() {
            Some(name) if name == INSTALLED => INSTALLED,
            _ => "cargo xtask",
        }
    })
}
