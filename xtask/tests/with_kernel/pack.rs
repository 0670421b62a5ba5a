//! A pack: made from the cache of this host, unpacked into an empty one, and used without a network.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::lab::{TestProject, XtaskOutput, original, run, xtask};

/// Returns a command as one without a network, and with the cache at `cache`.
fn offline(command: &Command, cache: &Path) -> Command {
    // A user other than root may make a network of its own only with users of its own.
    let mut offline = Command::new("unshare");
    offline.args(["--map-root-user", "--net"]);
    offline.arg(command.get_program()).args(command.get_args());
    offline.current_dir(command.get_current_dir().unwrap_or(Path::new(".")));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => offline.env(name, value),
            None => offline.env_remove(name),
        };
    }
    offline.env("KMODLAB_CACHE", cache);
    offline
}

fn run_offline(cache: &Path, args: &[&str]) -> Result<XtaskOutput> {
    run(&mut offline(&xtask(original(), args), cache))
}

#[test]
fn a_pack_runs_lessons_and_builds_modules_without_a_network() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [pack, cache] = ["class.pack", "cache"].map(|name| folder.path().join(name));
    let pack = pack.to_str().context("a path that is text")?;
    run(&mut xtask(original(), &["pack", pack]))?.expect(0, &["entries, Linux "])?;
    let size = std::fs::metadata(pack)?.len();
    ensure!(size < 250_000_000, "the pack has {size} bytes");

    let unpacked = run_offline(&cache, &["unpack", pack])?;
    unpacked.expect(
        0,
        &["entries are new in", "to begin: cargo xtask test hello"],
    )?;
    let again = run_offline(&cache, &["unpack", pack])?;
    again.expect(0, &["0 entries are new in", "were there"])?;

    // Everything is there.
    let tested = run_offline(&cache, &["test", "kthread_run"])?;
    tested.expect(0, &["2 passed, 0 failed"])?;
    for work in ["compiling", "booting", "packing"] {
        ensure!(!tested.stderr.contains(work), "{work}\n{}", tested.stderr);
    }

    // Another kernel needs the whole source, and what the pack has stays.
    let other = run_offline(
        &cache,
        &["test", "kthread_run", "--option", "PANIC_TIMEOUT=7"],
    )?;
    other.expect(69, &["a build needs the kernel's whole source"])?;
    run_offline(&cache, &["test", "kthread_run"])?.expect(0, &["2 passed"])?;

    // Compilers and headers are there too, and which options the compiler takes: kbuild tests none.
    builds_projects(&cache, &["mixed"])?;
    let mut builds = 0;
    for log in std::fs::read_dir(cache.join("logs"))? {
        let path = log?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        ensure!(!name.ends_with("tested_options"), "{name}");
        if name.starts_with("modules-") {
            let log = std::fs::read_to_string(&path)?;
            let tested = log
                .lines()
                .find(|line| line.starts_with("tests an option: "));
            ensure!(tested.is_none(), "{name}: {tested:?}");
            builds += 1;
        }
    }
    ensure!(builds > 0, "no log of a build");
    Ok(())
}

#[test]
#[ignore = "takes a minute; ci/nightly runs it, and CI one with C and Rust"]
fn a_pack_builds_modules_of_each_language() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [pack, cache] = ["class.pack", "cache"].map(|name| folder.path().join(name));
    let pack = pack.to_str().context("a path that is text")?;
    run(&mut xtask(original(), &["pack", pack]))?.expect(0, &[])?;
    run_offline(&cache, &["unpack", pack])?.expect(0, &[])?;
    builds_projects(&cache, &["two_files", "plain_rust"])
}

/// Tests modules from elsewhere with the cache that a pack filled.
fn builds_projects(cache: &Path, names: &[&str]) -> Result<()> {
    for name in names {
        let project = TestProject::of(name)?;
        let path = project.path.to_str().context("a path that is text")?;
        let tested = project.command(&["test", path]);
        run(&mut offline(&tested, cache))?.expect(0, &["passed, 0 failed"])?;
    }
    Ok(())
}
