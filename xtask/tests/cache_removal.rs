//! The removal of entries from the cache, by request and by the limit of its size.
//!
//! No test here starts a process. A child that starts has copies of all locks of its parent for a
//! moment, even of those that other tests have just released, and the entries would seem in use.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use xtask::cache::{
    Cache, CacheItem, CollectionRule, Inventory, ItemStatus, Parts, SizeLimit, collect,
    collected_text, keep_within, listing,
};
use xtask::key::{Inputs, files_below};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Returns a rule that keeps nothing.
fn nothing() -> CollectionRule {
    CollectionRule {
        keep: BTreeSet::new(),
        recent: Duration::ZERO,
        dry_run: false,
    }
}

/// Makes a result with a file of this size in KiB, which was last used `age` ago.
fn result(root: &Path, kind: &str, name: &str, kib: usize, age: Duration) -> Result<PathBuf> {
    let made = Cache::at(root)?.entry(kind, name, &Inputs::new(name).key(), |staging| {
        std::fs::create_dir(staging)?;
        Ok(std::fs::write(staging.join("file"), vec![b'x'; kib << 10])?)
    })?;
    set_age(&made.path, age)?;
    Ok(made.path)
}

fn set_age(path: &Path, age: Duration) -> Result<()> {
    Ok(File::open(path)?.set_modified(SystemTime::now() - age)?)
}

fn manifest(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.manifest", path.display()))
}

fn names(items: &[CacheItem]) -> Vec<&str> {
    let what = items.iter().map(|item| item.what.as_str());
    what.collect()
}

#[test]
fn results_stay_that_a_clone_or_a_recent_run_uses() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    let clones = result(root, "kernels", "6.12.117", 64, 30 * DAY)?;
    let tree = result(root, "sources", "6.12.117", 64, 30 * DAY)?;
    symlink(&tree, clones.join("source"))?;
    let recent = result(root, "kernels", "7.3.4-debug", 64, DAY)?;
    let old = result(root, "sources", "6.7.9", 64, 30 * DAY)?;
    let module = result(root, "modules", "kthread_run-c", 64, 30 * DAY)?;
    let mut rule = CollectionRule {
        keep: BTreeSet::from([clones.clone()]),
        recent: 7 * DAY,
        dry_run: true,
    };
    let planned = collect(root, &rule)?;
    assert!(old.exists() && module.exists());
    rule.dry_run = false;
    let collected = collect(root, &rule)?;
    assert_eq!(planned.removed, collected.removed);
    assert_eq!(
        names(&collected.removed),
        ["source of Linux 6.7.9", "kthread_run in C"]
    );
    assert!(!old.exists() && !module.exists() && !manifest(&old).exists());
    assert!(clones.exists() && tree.exists() && recent.exists());
    assert!(manifest(&tree).exists());
    let text = collected_text(&collected, "removed", SystemTime::now());
    assert!(
        text.contains("30 days ago     source of Linux 6.7.9"),
        "{text}"
    );
    assert!(text.contains("removed 2 entries, 1"), "{text}");
    assert!(text.contains("; kept 3 entries, 2"), "{text}");
    assert_eq!(std::fs::read_dir(root.join("staging"))?.count(), 0);
    Ok(())
}

#[test]
fn a_result_stays_while_the_cache_that_found_it_is_open() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (root, key) = (folder.path(), Inputs::new("x").key());
    Cache::at(root)?;
    let removed = AtomicUsize::new(0);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<()> {
        let collector = scope.spawn(|| -> Result<()> {
            while !ended.load(Ordering::SeqCst) {
                let collected = collect(root, &nothing())?;
                assert!(collected.errors.is_empty(), "{:?}", collected.errors);
                removed.fetch_add(collected.removed.len(), Ordering::SeqCst);
            }
            Ok(())
        });
        let user = || -> Result<()> {
            while removed.load(Ordering::SeqCst) < 20 && !collector.is_finished() {
                let cache = Cache::at(root)?;
                let found = cache.entry("modules", "x", &key, |staging| {
                    std::fs::create_dir(staging)?;
                    Ok(std::fs::write(staging.join("file"), "whole")?)
                })?;
                for _ in 0..3 {
                    assert_eq!(std::fs::read(found.path.join("file"))?, b"whole");
                }
                assert!(cache.notes().lines().is_empty());
            }
            Ok(())
        };
        // A failed assertion ends the collector too.
        let used = std::panic::catch_unwind(std::panic::AssertUnwindSafe(user));
        ended.store(true, Ordering::SeqCst);
        collector.join().expect("no panic")?;
        used.expect("no panic")
    })
}

#[test]
fn an_interrupted_removal_heals() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    let aside = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        root.join("staging").join(format!("modules-{name}"))
    };
    // Moved aside, and its manifest not yet removed.
    let moved = result(root, "modules", "a-c", 8, DAY)?;
    std::fs::rename(&moved, aside(&moved))?;
    // Half removed.
    let half = result(root, "modules", "b-c", 8, DAY)?;
    std::fs::remove_file(manifest(&half))?;
    std::fs::rename(&half, aside(&half))?;
    std::fs::remove_file(aside(&half).join("file"))?;
    // Half removed on another disk than that of `staging/`.
    let other = result(root, "modules", "c-c", 8, DAY)?;
    let removing = other.with_file_name(format!(
        ".removing-{}",
        other.file_name().unwrap_or_default().to_string_lossy()
    ));
    std::fs::rename(&other, &removing)?;
    assert!(Inventory::of(root)?.entries().next().is_none());
    let cache = Cache::at(root)?;
    assert!(cache.list("modules")?.is_empty());
    assert_eq!(std::fs::read_dir(root.join("staging"))?.count(), 0);
    collect(root, &nothing())?;
    assert_eq!(std::fs::read_dir(root.join("modules"))?.count(), 0);
    for name in ["a-c", "b-c", "c-c"] {
        assert!(result(root, "modules", name, 8, DAY)?.exists());
    }
    assert!(cache.notes().lines().is_empty());
    Ok(())
}

#[test]
fn files_of_others_and_links_stay() -> Result<()> {
    let (folder, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let root = folder.path();
    result(root, "modules", "x-c", 8, DAY)?;
    let linked = result(elsewhere.path(), "kernels", "6.12.117", 8, DAY)?;
    let tree = result(elsewhere.path(), "sources", "6.12.117", 8, DAY)?;
    // A folder of results on another disk, and one result on another disk.
    symlink(elsewhere.path().join("kernels"), root.join("kernels"))?;
    std::fs::create_dir(root.join("sources"))?;
    let link = root.join("sources/6.12.117-0123456789ab");
    symlink(&tree, &link)?;
    symlink("nowhere", root.join("modules/dangling-c-0123456789ab"))?;
    std::fs::create_dir(root.join("thesis"))?;
    let own = [
        "thesis/chapter",
        "notes.txt",
        "modules/notes.txt",
        "modules/notes.txt.manifest",
        "modules/x-0123456789AB",
        "modules/-0123456789ab",
        "logs.tar",
    ];
    for name in own {
        std::fs::write(root.join(name), "mine")?;
    }
    let pipe = root.join("modules/pipe-c-0123456789ab");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0)?;
    let inventory = Inventory::of(root)?;
    let foreign = inventory.items.iter();
    let foreign = foreign.filter(|item| item.status == ItemStatus::Foreign);
    let mut foreign: Vec<&str> = foreign.map(|item| item.name.as_str()).collect();
    foreign.sort_unstable();
    assert_eq!(
        foreign,
        [
            "kernels",
            "logs.tar",
            "modules/-0123456789ab",
            "modules/dangling-c-0123456789ab",
            "modules/notes.txt",
            "modules/notes.txt.manifest",
            "modules/pipe-c-0123456789ab",
            "modules/x-0123456789AB",
            "notes.txt",
            "sources/6.12.117-0123456789ab",
            "thesis",
        ]
    );
    let text = listing(&inventory, SizeLimit::Bytes(0), false, SystemTime::now());
    assert!(text.contains("never removed"), "{text}");
    assert!(
        text.contains(&format!("link to {}", tree.display())),
        "{text}"
    );
    let collected = collect(root, &nothing())?;
    assert_eq!(names(&collected.removed), ["x in C"]);
    keep_within(root, 0, SystemTime::now() + DAY)?;
    assert!(own.iter().all(|name| root.join(name).exists()));
    assert!(linked.join("file").exists() && tree.join("file").exists() && link.is_symlink());
    assert!(root.join("modules/dangling-c-0123456789ab").is_symlink());
    Ok(())
}

#[test]
fn a_result_that_cannot_be_removed_does_not_stop_the_others() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    let stuck = result(root, "modules", "a-c", 8, DAY)?;
    let good = result(root, "modules", "b-c", 8, DAY)?;
    // A link to nowhere, where the lock's file should be.
    let name = stuck.file_name().unwrap_or_default().to_string_lossy();
    let lock = root.join("locks").join(format!("modules-{name}"));
    std::fs::remove_file(&lock)?;
    symlink("/nowhere/lock", &lock)?;
    let collected = collect(root, &nothing())?;
    assert!(stuck.exists() && !good.exists());
    let errors = collected.errors.join("\n");
    assert!(errors.contains("cannot open the lock"), "{errors}");
    Ok(())
}

#[test]
fn the_limit_removes_the_least_recently_used() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    let oldest = result(root, "kernels", "6.7.9", 1024, 4 * DAY)?;
    let old = result(root, "sources", "6.7.9", 1024, 3 * DAY)?;
    let young = result(root, "sources", "6.12.117", 1024, 2 * DAY)?;
    let now = SystemTime::now();
    let total = Inventory::of(root)?.total();
    assert_eq!(keep_within(root, total + (64 << 10), now)?, None);
    // The size is remembered: nothing is looked at until a result is made.
    std::fs::write(old.join("file"), vec![b'x'; 2 << 20])?;
    assert_eq!(keep_within(root, total + (64 << 10), now)?, None);
    let new = result(root, "modules", "x-c", 1024, Duration::ZERO)?;
    let note = keep_within(root, 5 << 19, now)?.context("a note")?;
    assert!(note.contains("is limited to 2.50 MiB"), "{note}");
    assert!(
        note.contains(": removed the 2 entries least recently used, 2."),
        "{note}"
    );
    assert!(!oldest.exists() && !old.exists() && young.exists() && new.exists());
    // The last hour's stay, and one line reports so.
    let note = keep_within(root, 1 << 10, now)?.context("a note")?;
    assert!(note.contains("removed the 1 entry least"), "{note}");
    assert!(note.contains("or was used within the last hour"), "{note}");
    assert!(!young.exists() && new.exists());
    assert_eq!(keep_within(root, 1 << 10, now)?, None);
    let note = keep_within(root, 1 << 10, now + 2 * HOUR)?.context("a note")?;
    assert!(note.contains("removed the 1 entry"), "{note}");
    assert!(!new.exists());
    Ok(())
}

#[test]
fn a_cache_that_is_only_read_stays_as_it_is() -> Result<()> {
    let (teachers, own) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let kernel = result(teachers.path(), "kernels", "6.12.117", 8, 30 * DAY)?;
    let files = files_below(teachers.path())?;
    let student = Cache::over(teachers.path(), own.path())?;
    let key = Inputs::new("6.12.117").key();
    assert!(
        student
            .find("kernels", "6.12.117", &key, Parts::All)?
            .is_some()
    );
    collect(student.root(), &nothing())?;
    keep_within(student.root(), 0, SystemTime::now())?;
    assert_eq!(files_below(teachers.path())?, files);
    assert!(kernel.metadata()?.modified()? < SystemTime::now() - DAY);
    // The teacher's own collection leaves what a student uses.
    assert_eq!(collect(teachers.path(), &nothing())?.in_use.len(), 1);
    drop(student);
    assert_eq!(collect(teachers.path(), &nothing())?.removed.len(), 1);
    Ok(())
}

#[test]
fn the_least_recently_used_entries_are_removed_unless_they_are_in_use() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (cache, key) = (Cache::at(folder.path())?, Inputs::new("test").key());
    let made = |cache: &Cache, name: &str| -> Result<PathBuf> {
        let made = cache.entry("guests", name, &key, |staging| {
            Ok(std::fs::create_dir(staging)?)
        })?;
        Ok(made.path)
    };
    let earlier = |name| made(&Cache::at(folder.path())?, name);
    let hour = Duration::from_secs(3600);
    let (old, older, young) = (earlier("old")?, earlier("older")?, earlier("young")?);
    let other = Cache::at(folder.path())?;
    let used = made(&other, "used")?;
    File::open(&old)?.set_modified(SystemTime::now() - 2 * hour)?;
    for path in [&older, &used] {
        File::open(path)?.set_modified(SystemTime::now() - 3 * hour)?;
    }
    let new = made(&cache, "new")?;
    cache.used(&new, 3, hour)?;
    assert!(old.exists() && !older.exists() && young.exists() && used.exists());
    cache.used(&new, 1, hour)?;
    assert!(!old.exists() && young.exists() && used.exists());
    drop(other);
    cache.used(&new, 1, hour)?;
    assert!(!used.exists() && young.exists());
    Ok(())
}
