//! The lessons of this clone: their texts are transcripts, and show the code
//! that there is; their C is in the kernel's style.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use xtask::kernel::source::{self, Wanted};
use xtask::lesson::{all, excerpts};
use xtask::modules::Language;
use xtask::session::Session;
use xtask::workspace::Workspace;

#[test]
fn every_lesson_is_a_transcript_and_shows_its_own_code() -> Result<()> {
    let workspace = Workspace::find()?;
    if !workspace.lessons().is_dir() {
        return Ok(());
    }
    for lesson in all(&workspace)? {
        let text = std::fs::read_to_string(lesson.folder.join("README.md"))
            .with_context(|| lesson.readme.display().to_string())?;
        let shown = excerpts::check(&text, &lesson.folder, &lesson.readme)?;
        assert!(
            shown > 0,
            "{}: no excerpt of the module; put `<!-- source: FILE -->` before its Rust blocks",
            lesson.readme.display()
        );
    }
    Ok(())
}

/// The kernel's own script looks at each twin, that of the kernel that is used
/// without `--kernel`. `cargo xtask build` has its source in the cache.
///
/// One of its checks is left out: it wants ftrace instead of a message that a
/// function was reached, and such messages are what the lessons are made of.
#[test]
fn every_twin_is_in_the_kernels_style() -> Result<()> {
    let session = Session::new(false, false, None)?;
    let kernel = source::obtain(
        &session,
        &Wanted {
            kernel: None,
            source: None,
        },
    )?;
    let mut seen = 0;
    for lesson in all(&session.workspace)? {
        if !lesson.is_in(Language::C) {
            continue;
        }
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
            .arg(lesson.folder.join(Language::C.source(&lesson.name)))
            .output()
            .context("cannot run perl")?;
        ensure!(
            output.status.success() && output.stdout.is_empty(),
            "checkpatch.pl of Linux {} on the C twin of {}:\n{}{}",
            kernel.version,
            lesson.name,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        seen += 1;
    }
    ensure!(seen > 0, "no lesson has a C twin");
    Ok(())
}
