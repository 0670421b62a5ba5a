//! Builds of the same inputs have the same bytes, whatever their folders are.
//!
//! The test builds modules and an initramfs from another clone into another cache,
//! against the kernel of `cargo xtask build`. A second kernel, which takes minutes,
//! is compared by hand.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use xtask::cache::Cache;

use crate::lab::{TestClone, original, run, xtask};

/// Runs `cargo xtask build` on these folders, and returns the paths that it prints.
fn build(clone: &Path, cache: &Path, folders: &[&str]) -> Result<Vec<PathBuf>> {
    let args = [&["build"], folders].concat();
    let ended = run(xtask(clone, &args).env("KMODLAB_CACHE", cache))?;
    ended.expect(0, &[])?;
    let lines = ended.stdout.lines();
    Ok(lines
        .filter_map(|line| Some(PathBuf::from(line.split_once(' ')?.1.trim())))
        .collect())
}

#[test]
fn another_clone_and_another_cache_make_the_same_bytes() -> Result<()> {
    builds_are_equal(&["./modules/lessons/proc_counter"])
}

#[test]
#[ignore = "takes minutes; ci/nightly runs it, and CI one lesson"]
fn all_lessons_have_the_same_bytes() -> Result<()> {
    builds_are_equal(&[])
}

fn builds_are_equal(folders: &[&str]) -> Result<()> {
    let cache = Cache::from_env()?;
    let first = build(original(), cache.root(), folders)?;

    // The copies have new timestamps.
    let clone = TestClone::whole()?;
    let other_cache = clone.path("cache");
    std::fs::create_dir(&other_cache)?;
    for kept in ["toolchain", "sources", "kernels", "resolved", "downloads"] {
        std::os::unix::fs::symlink(cache.root().join(kept), other_cache.join(kept))?;
    }
    let second = build(&clone.path(""), &other_cache, folders)?;

    ensure!(
        first.len() == second.len() && first.len() >= 3,
        "{first:?} {second:?}"
    );
    for (first, second) in first.iter().zip(&second) {
        ensure!(
            first.file_name() == second.file_name(),
            "{first:?} {second:?}"
        );
        let read = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
        ensure!(
            read(first)? == read(second)?,
            "{first:?} and {second:?} differ"
        );
    }
    Ok(())
}
