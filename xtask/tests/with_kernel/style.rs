//! The coding style of the C twins, by the kernel's own script.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use xtask::kernel::source::{self, SourceRequest};
use xtask::lesson::{all, all_races};
use xtask::modules::Language;
use xtask::session::Session;

/// `checkpatch.pl` of the default kernel accepts each C twin.
///
/// One of its checks is left out: the one that wants ftrace instead of a message
/// that a function was reached. The lessons consist of such messages.
#[test]
fn every_twin_is_in_the_kernels_style() -> Result<()> {
    let session = Session::new(false, false, None)?;
    let kernel = source::obtain(
        &session,
        &SourceRequest {
            kernel: None,
            source: None,
        },
    )?;
    let twins: Vec<PathBuf> = [all(&session.workspace)?, all_races(&session.workspace)?]
        .concat()
        .iter()
        .filter(|lesson| lesson.is_in(Language::C))
        .map(|lesson| lesson.folder.join(Language::C.source(&lesson.name)))
        .collect();
    ensure!(twins.len() > 1, "no lesson has a C twin");
    let output = Command::new("perl")
        .arg(kernel.tree.join("scripts/checkpatch.pl"))
        .args([
            "--no-tree",
            "--no-summary",
            "--terse",
            "--strict",
            "--ignore=TRACING_LOGGING",
            "--file",
        ])
        .args(&twins)
        .output()
        .context("cannot run perl")?;
    ensure!(
        output.status.success() && output.stdout.is_empty(),
        "checkpatch.pl of Linux {}:\n{}{}",
        kernel.version,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
