//! The same inputs give the same bytes, in whichever folders they are.
//!
//! This builds modules and an initramfs again, in another cache and from
//! another clone, against the kernel that `cargo xtask build` has made. That
//! kernel itself is compared by hand, since it takes minutes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use xtask::cache::Cache;

/// What `cargo xtask build` prints: the path of each thing that it made.
fn build(clone: &Path, cache: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["build", "--no-install"])
        .env("KMODLAB_WORKSPACE", clone)
        .env("KMODLAB_CACHE", cache)
        .stdin(Stdio::null())
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| Some(PathBuf::from(line.split_once(' ')?.1.trim())))
        .collect())
}

#[test]
fn another_clone_and_another_cache_make_the_same_bytes() -> Result<()> {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cache = Cache::from_env()?;
    let first = build(&clone, cache.root())?;

    let elsewhere = tempfile::tempdir()?;
    let other_clone = elsewhere.path().join("a-clone-with-another-name");
    std::fs::create_dir(&other_clone)?;
    for part in ["kernel-config", "modules", "initramfs"] {
        // Time stamps become new.
        let copied = Command::new("cp")
            .arg("-r")
            .arg(clone.join(part))
            .arg(&other_clone)
            .status()?;
        ensure!(copied.success(), "cp failed");
    }
    let other_cache = elsewhere.path().join("cache");
    std::fs::create_dir(&other_cache)?;
    for kept in ["toolchain", "sources", "kernels", "resolved", "downloads"] {
        std::os::unix::fs::symlink(cache.root().join(kept), other_cache.join(kept))?;
    }
    let second = build(&other_clone, &other_cache)?;

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
