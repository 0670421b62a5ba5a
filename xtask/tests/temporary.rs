//! Temporary folders of several processes that share `TMPDIR`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

/// Stands in for an xtask: makes a folder, prints its path, and ends with its input.
#[test]
#[ignore = "started by the other test"]
fn owner() -> Result<()> {
    let folder = xtask::temporary::guest_folder()?;
    println!("folder {}", folder.path().display());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

/// Starts an owner whose folder is in `parent`; returns it and the folder.
fn start(parent: &Path) -> Result<(Child, PathBuf)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--exact", "owner", "--ignored", "--nocapture"])
        .env("TMPDIR", parent)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // libtest prints an error when nobody reads its output any more.
        .stderr(Stdio::null())
        .spawn()?;
    let output = child.stdout.take().context("its output")?;
    for line in BufReader::new(output).lines() {
        if let Some((_, folder)) = line?.split_once("folder ") {
            return Ok((child, PathBuf::from(folder)));
        }
    }
    anyhow::bail!("the owner has ended")
}

#[test]
fn a_folder_is_swept_when_its_owner_was_killed_and_no_sooner() -> Result<()> {
    let parent = tempfile::tempdir()?;
    let foreign = parent.path().join("kmodlab-without-a-lock");
    std::fs::create_dir(&foreign)?;
    let (mut killed, first) = start(parent.path())?;
    let (mut ended, second) = start(parent.path())?;
    assert!(first.is_dir() && second.is_dir());
    killed.kill()?;
    killed.wait()?;
    assert!(first.is_dir(), "nobody removes what a killed owner had");
    let (mut last, third) = start(parent.path())?;
    assert!(!first.exists(), "the next one does");
    assert!(second.is_dir() && third.is_dir() && foreign.is_dir());
    drop(ended.stdin.take());
    ended.wait()?;
    assert!(!second.exists() && third.is_dir());
    last.kill()?;
    last.wait()?;
    Ok(())
}
