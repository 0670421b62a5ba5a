//! A damaged cache mends itself: it is never a lesson's failure, and a seed keeps its bytes.
//!
//! The unit tests of `cache` have every damage of every file. Here, each kind of result that is
//! quickly made is damaged in one way.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use xtask::cache::Cache;

use crate::lab::{TestClone, run};

/// A clone, and a cache of its own with links to the kernels and tools of the shared one.
struct PrivateCache {
    clone: TestClone,
}

/// The line that reports a damaged result.
const NOTE: &str = "the cache was damaged, and this part is made anew: ";

impl PrivateCache {
    fn new() -> Result<Self> {
        let clone = TestClone::whole()?;
        // Builds into the shared cache.
        clone.run(&["build"])?.expect(0, &[])?;
        let shared = Cache::from_env()?;
        let own = clone.path("cache");
        std::fs::create_dir(&own)?;
        for linked in ["kernels", "sources", "toolchain"] {
            std::os::unix::fs::symlink(shared.root().join(linked), own.join(linked))?;
        }
        for copied in ["agent", "resolved"] {
            let copy = own.join(copied);
            std::fs::create_dir(&copy)?;
            for file in std::fs::read_dir(shared.root().join(copied))? {
                let file = file?;
                std::fs::copy(file.path(), copy.join(file.file_name()))?;
            }
        }
        Ok(Self { clone })
    }

    /// Runs a seed, and returns the notes about damage and the guest's output.
    fn seed(&self) -> Result<(Vec<String>, Vec<u8>)> {
        let cache = self.clone.path("cache");
        let args = ["test", "kthread_run", "--lang", "c", "--seed", "7"];
        let output = run(self.clone.xtask(&args).env("KMODLAB_CACHE", &cache))?;
        output.expect(0, &["1 passed"])?;
        let notes = output.stderr.lines().filter(|line| line.starts_with(NOTE));
        let log = self.entries("logs", "kthread_run-c-")?.pop();
        let log = log.context("the lesson has no log")?;
        Ok((notes.map(str::to_owned).collect(), std::fs::read(log)?))
    }

    /// Returns the paths of the results of a kind whose names contain `name`.
    fn entries(&self, kind: &str, name: &str) -> Result<Vec<PathBuf>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(self.clone.path("cache").join(kind))? {
            let path = entry?.path();
            let entry = path.file_name().unwrap_or_default().to_string_lossy();
            if entry.contains(name) && !entry.ends_with(".manifest") {
                entries.push(path);
            }
        }
        Ok(entries)
    }
}

/// Returns the first lines in which two logs differ.
fn differing(before: &[u8], after: &[u8]) -> String {
    let [before, after] = [before, after].map(String::from_utf8_lossy);
    let lines = before.lines().zip(after.lines());
    let first = lines.into_iter().find(|(before, after)| before != after);
    format!("{first:?}")
}

type Damage = fn(&Path) -> std::io::Result<()>;

fn cut(file: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).open(file)?;
    file.set_len(file.metadata()?.len() / 2)
}

fn empty(file: &Path) -> std::io::Result<()> {
    std::fs::write(file, "")
}

fn change_a_byte(file: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(file)?;
    let middle = file.metadata()?.len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle)?;
    file.write_all_at(&[!byte[0]], middle)
}

fn delete(path: &Path) -> std::io::Result<()> {
    match path.is_dir() {
        true => std::fs::remove_dir_all(path),
        false => std::fs::remove_file(path),
    }
}

/// A kind of entry, a part of its name, a file in it (the entry itself if empty), and what happens to that.
type DamagedEntry = (&'static str, &'static str, &'static str, Damage);

#[test]
fn a_snapshot_is_made_anew_and_a_seed_keeps_its_bytes() -> Result<()> {
    entries_are_made_anew(&[("guests", "kthread_run-c-", "memory", change_a_byte)])
}

#[test]
#[ignore = "takes minutes; ci/nightly runs it, and CI one damage"]
fn entries_are_made_anew_after_any_damage() -> Result<()> {
    entries_are_made_anew(&[
        ("modules", "kthread_run-c-", "kthread_run.ko", cut),
        ("initramfs", "base-", "", cut),
        ("initramfs", "base-", "", change_a_byte),
        (
            "modules",
            "kthread_run-c-",
            "stripped/kthread_run.ko",
            empty,
        ),
        ("modules", "kthread_run-c-", "stripped", delete),
        ("guests", "kthread_run-c-", "memory", empty),
        ("guests", "kthread_run-c-", "state", cut),
        ("guests", "kthread_run-c-", "log", cut),
        ("guests", "kthread_run-c-", "agent", delete),
        ("guests", "", "memory", delete),
    ])
}

fn entries_are_made_anew(cases: &[DamagedEntry]) -> Result<()> {
    let lab = PrivateCache::new()?;
    let (_, before) = lab.seed()?;
    for &(kind, name, file, damage) in cases {
        let entries = lab.entries(kind, name)?;
        ensure!(!entries.is_empty(), "there is no {kind}/{name}");
        for entry in &entries {
            let file = match file {
                "" => entry.clone(),
                file => entry.join(file),
            };
            damage(&file).with_context(|| file.display().to_string())?;
        }
        let (mut notes, after) = lab.seed()?;
        // A snapshot that this run did not use is checked by another.
        notes.sort();
        notes.dedup();
        ensure!(
            !notes.is_empty() && notes.len() <= entries.len(),
            "{kind}/{name} {file}: {notes:?}"
        );
        let differs = || format!("{kind}/{name} {file}: {}", differing(&before, &after));
        ensure!(after == before, "{}", differs());
        let (notes, after) = lab.seed()?;
        ensure!(notes.is_empty() && after == before, "{kind}: {notes:?}");
    }
    Ok(())
}

#[test]
#[ignore = "takes minutes; ci/nightly runs it"]
fn damaged_answers_and_manifests_are_found_again() -> Result<()> {
    let lab = PrivateCache::new()?;
    let (_, before) = lab.seed()?;
    for file in lab.entries("resolved", ".json")? {
        cut(&file)?;
    }
    for kind in ["initramfs", "modules", "guests"] {
        for entry in lab.entries(kind, "")? {
            cut(Path::new(&format!("{}.manifest", entry.display())))?;
        }
    }
    for _ in 0..2 {
        let (notes, after) = lab.seed()?;
        ensure!(notes.is_empty(), "{notes:?}");
        ensure!(after == before, "{}", differing(&before, &after));
    }
    Ok(())
}

#[test]
#[ignore = "takes minutes; ci/nightly runs it"]
fn gc_keeps_what_the_clone_uses() -> Result<()> {
    let lab = PrivateCache::new()?;
    let cache = lab.clone.path("cache");
    let xtask = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let command = command.args(args).env("KMODLAB_CACHE", &cache);
        run(command.current_dir(lab.clone.path("modules")))
    };
    lab.seed()?;
    let module = "kthread_run-c-";
    let stale = lab.entries("modules", module)?;
    let source = lab.clone.lesson("kthread_run").join("c/kthread_run.c");
    let text = std::fs::read_to_string(&source)? + "/* A new version. */\n";
    std::fs::write(&source, text)?;
    let (_, before) = lab.seed()?;
    let notes = cache.join("modules/notes.txt");
    std::fs::write(&notes, "mine")?;
    let all = lab.entries("modules", "")?.len();
    xtask(&["cache", "gc"])?.expect(0, &["removed 0 entries"])?;
    let planned = xtask(&["cache", "gc", "--unused-for", "0", "--dry-run"])?;
    planned.expect(0, &["would remove", "kthread_run in C"])?;
    ensure!(lab.entries("modules", "")?.len() == all);
    let removed = xtask(&["cache", "gc", "--unused-for", "0"])?;
    let words = planned.stdout.replace("would remove", "removed");
    ensure!(removed.stdout == words, "{}\n{words}", removed.stdout);
    let kept = lab.entries("modules", module)?;
    ensure!(kept.len() == 1 && !stale.contains(&kept[0]), "{kept:?}");
    // Kernels and sources are links to another cache here.
    xtask(&["cache", "list"])?.expect(0, &["link to", "kernels", "sources", "notes.txt"])?;
    ensure!(notes.exists() && !lab.entries("initramfs", "base-")?.is_empty());
    ensure!(!lab.entries("kernels", "")?.is_empty());
    let (notes, after) = lab.seed()?;
    ensure!(notes.is_empty() && after == before, "{notes:?}");
    ensure!(lab.entries("modules", module)? == kept);
    Ok(())
}
