//! `cargo xtask test` on a copy of the clone.
//!
//! The kernel is the one that `cargo xtask build` has made, and made if it is
//! not there. Another one is named by further options in the environment:
//!
//! ```sh
//! KMODLAB_TEST_ARGS="--kernel 6.7.9 --kernel-source /tmp/linux-6.7.9" cargo test --test kernel_ext
//! ```

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// Plays lessons of the copy `clone`; gives the status and all that was
/// printed.
pub fn play(clone: &Path, args: &[&str]) -> Result<(i32, String)> {
    let more = std::env::var("KMODLAB_TEST_ARGS").unwrap_or_default();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["test", "--no-install"])
        .args(args)
        .args(more.split_whitespace())
        .env("KMODLAB_WORKSPACE", clone)
        .stdin(Stdio::null())
        .output()?;
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let status = output.status.code().context("no status")?;
    Ok((status, stdout + &stderr))
}
