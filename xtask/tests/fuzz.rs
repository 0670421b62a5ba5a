//! The fuzz targets of `xtask/fuzz` on the seeds that are in the tree: what
//! they promise holds there, and they still compile.

#[path = "../fuzz/checks/compare.rs"]
mod compare;
#[path = "../fuzz/checks/judge.rs"]
mod judge;
#[path = "../fuzz/checks/transcript.rs"]
mod transcript;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

fn seeds(target: &str, check: fn(&[u8])) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        check(&std::fs::read(entry?.path())?);
        seen += 1;
    }
    ensure!(seen > 0, "{} is empty", folder.display());
    Ok(())
}

#[test]
fn transcripts() -> Result<()> {
    seeds("transcript", transcript::check)
}

#[test]
fn verdicts() -> Result<()> {
    seeds("judge", judge::check)
}

#[test]
fn comparisons() -> Result<()> {
    seeds("compare", compare::check)
}
