//! `cargo xtask cache` on folders that are not a cache, or not yet, and its output.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use xtask::cache::{Cache, CollectionRule, collect, keep_within};
use xtask::key::Inputs;

/// Runs `xtask ARG…` with a cache at `cache`.
fn xtask(cache: &Path, args: &[&str]) -> Result<Output> {
    Ok(command(cache, args).output()?)
}

fn command(cache: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(args)
        .env("KMODLAB_CACHE", cache)
        .env_remove("KMODLAB_CACHE_LIMIT");
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The commands, of which each refuses the same folders.
const COMMANDS: [&[&str]; 4] = [
    &["cache", "list"],
    &["cache", "list", "--json"],
    &["cache", "gc"],
    &["cache", "gc", "--dry-run"],
];

#[test]
fn a_cache_that_does_not_exist_yet_is_empty_and_is_not_made() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (missing, empty) = (folder.path().join("missing"), folder.path().join("empty"));
    std::fs::create_dir(&empty)?;
    for cache in [&missing, &empty] {
        for args in COMMANDS {
            let output = xtask(cache, args)?;
            assert!(output.status.success(), "{}", stderr(&output));
            assert!(stderr(&output).contains("there is no cache yet: "));
        }
    }
    assert!(!missing.exists());
    assert_eq!(std::fs::read_dir(&empty)?.count(), 0);
    Ok(())
}

#[test]
fn a_folder_that_is_not_a_cache_is_refused_and_stays() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let home = folder.path().join("home");
    let mine = home.join("modules/x-c-0123456789ab");
    std::fs::create_dir_all(&mine)?;
    // Half of a cache's folders, and a link for the other half.
    std::fs::create_dir(home.join("locks"))?;
    std::os::unix::fs::symlink(folder.path(), home.join("staging"))?;
    let file = folder.path().join("file");
    std::fs::write(&file, "")?;
    for cache in [&home, &file] {
        for args in COMMANDS {
            let output = xtask(cache, args)?;
            assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
            let message = stderr(&output);
            assert!(message.contains("is not a cache of kmodlab"), "{message}");
        }
    }
    assert!(mine.exists());
    assert_eq!(std::fs::read_dir(&home)?.count(), 3);
    Ok(())
}

#[test]
fn a_limit_that_is_not_a_size_is_refused_before_any_work() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for args in [&["test"][..], &["cache", "list"], &["doctor"]] {
        let mut command = command(&folder.path().join("cache"), args);
        let output = command.env("KMODLAB_CACHE_LIMIT", "20 apples").output()?;
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let message = stderr(&output);
        assert!(
            message.contains("KMODLAB_CACHE_LIMIT is \"20 apples\", which is not a size"),
            "{message}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
    Ok(())
}

#[test]
fn gc_removes_nothing_if_it_cannot_know_the_kernels_of_the_clone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let key = Inputs::new("x").key();
    let kernel = Cache::at(folder.path())?.entry("kernels", "6.12.117", &key, |staging| {
        Ok(std::fs::write(staging, "x")?)
    })?;
    let mut gc = command(folder.path(), &["cache", "gc", "--unused-for", "0"]);
    // No QEMU, and so no toolchain whose kernels the clone would use.
    let output = gc.env("PATH", folder.path()).output()?;
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(69), "{message}");
    assert!(message.contains("nothing was removed"), "{message}");
    assert!(kernel.path.exists());
    Ok(())
}

#[test]
fn json_has_each_result_with_its_size_and_its_use() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cache = Cache::at(folder.path())?;
    let make = |kind: &str, name: &str| {
        cache.entry(kind, name, &Inputs::new(name).key(), |staging| {
            Ok(std::fs::write(staging, vec![b'x'; 100_000])?)
        })
    };
    make("kernels", "6.12.117-kasan")?;
    for number in 0..20 {
        make("modules", &format!("lesson_{number}-rust"))?;
    }
    std::fs::write(folder.path().join("notes.txt"), "mine")?;
    let output = xtask(folder.path(), &["cache", "list", "--json"])?;
    let document: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(document["schema"], 1);
    let list = &document["caches"][0];
    assert_eq!(list["path"], folder.path().to_string_lossy().as_ref());
    assert_eq!(list["read_only"], false);
    assert_eq!(list["limit_bytes"], 20_u64 << 30);
    assert!(list["total_bytes"].as_u64() > Some(2_100_000));
    let entries = list["entries"].as_array().context("entries")?;
    let items = entries.iter().filter(|entry| entry["status"] == "entry");
    assert_eq!(items.count(), 21);
    let kernel = &entries[0];
    assert_eq!(kernel["what"], "Linux 6.12.117, profile kasan");
    assert_eq!(kernel["in_use"], true);
    assert!(kernel["bytes"].as_u64() > Some(100_000));
    assert!(kernel["last_used_seconds"].as_u64() > Some(1_700_000_000));
    let foreign = entries.iter().find(|entry| entry["status"] == "foreign");
    assert_eq!(foreign.context("a file")?["name"], "notes.txt");
    drop(cache);
    let output = xtask(folder.path(), &["cache", "list"])?;
    let text = String::from_utf8(output.stdout)?;
    assert!(text.contains(" of at most 20.00 GiB\n"), "{text}");
    assert!(text.contains("20 entries"), "{text}");
    assert!(
        text.contains("unknown                                   notes.txt"),
        "{text}"
    );
    Ok(())
}

#[test]
fn an_entry_in_use_by_another_process_stays() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    let made =
        Cache::at(root)?.entry("kernels", "6.12.117", &Inputs::new("x").key(), |staging| {
            Ok(std::fs::write(staging, "x")?)
        })?;
    let used = made.path;
    let mut user = Command::new("flock")
        .arg("--shared")
        .arg(&used)
        .args(["sh", "-c", "echo held; read end"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("flock(1) of util-linux")?;
    let mut line = String::new();
    BufReader::new(user.stdout.take().context("a pipe")?).read_line(&mut line)?;
    assert_eq!(line, "held\n");
    let rule = CollectionRule {
        keep: BTreeSet::new(),
        recent: Duration::ZERO,
        dry_run: false,
    };
    let collected = collect(root, &rule)?;
    assert_eq!(collected.in_use.len(), 1);
    assert!(collected.removed.is_empty() && used.exists());
    let later = SystemTime::now() + Duration::from_secs(7200);
    let note = keep_within(root, 0, later)?.context("a note")?;
    assert!(note.contains("the rest is in use"), "{note}");
    assert!(used.exists());
    let output = xtask(root, &["cache", "list"])?;
    let text = String::from_utf8(output.stdout)?;
    assert!(text.contains("in use          Linux 6.12.117"), "{text}");
    drop(user.stdin.take());
    user.wait()?;
    // A process that another test starts has a copy of the lock of a moment ago.
    while used.exists() {
        collect(root, &rule)?;
    }
    Ok(())
}
