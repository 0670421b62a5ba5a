mod shared;

use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::time::{Duration, SystemTime};

use anyhow::anyhow;

use super::*;
use crate::key::Inputs;

pub(super) fn cache() -> Result<(tempfile::TempDir, Cache, Key)> {
    let folder = tempfile::tempdir()?;
    let cache = Cache::at(folder.path())?;
    Ok((folder, cache, Inputs::new("test").key()))
}

#[test]
fn a_folder_that_make_cannot_build_in_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for name in ["a b", "a:b", "$a", "a#b"] {
        let error = Cache::at(&folder.path().join(name)).expect_err(name);
        assert!(error.to_string().contains("KMODLAB_CACHE"), "{error}");
    }
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
    let (real, link) = (folder.path().join("a b"), folder.path().join("link"));
    std::fs::create_dir(&real)?;
    std::os::unix::fs::symlink(&real, &link)?;
    for root in [&link, &link.join("below")] {
        let error = Cache::at(root).expect_err("a link");
        assert!(error.to_string().contains("' ' in its name"), "{error}");
    }
    assert_eq!(std::fs::read_dir(real)?.count(), 0);
    Ok(())
}

#[test]
fn a_failed_maker_leaves_nothing() -> Result<()> {
    let (_folder, cache, key) = cache()?;
    let made = cache.entry("things", "x", &key, |staging| {
        std::fs::create_dir(staging)?;
        std::fs::write(staging.join("half"), "")?;
        Err(anyhow!("broke"))
    });
    assert!(made.is_err());
    assert!(!cache.path("things", "x", &key).exists());
    assert_eq!(std::fs::read_dir(cache.folder("staging")?)?.count(), 0);
    Ok(())
}

#[test]
fn leftovers_of_a_killed_owner_are_removed() -> Result<()> {
    let (_folder, cache, key) = cache()?;
    let left = cache.folder("staging")?.join(format!("things-x-{key}"));
    std::fs::create_dir(&left)?;
    std::fs::write(left.join("half"), "")?;
    let entry = cache.entry("things", "x", &key, |staging| {
        assert!(!staging.exists());
        Ok(std::fs::write(staging, "whole")?)
    })?;
    assert_eq!(std::fs::read_to_string(entry.path)?, "whole");
    Ok(())
}

#[test]
fn leftovers_are_removed_unless_they_are_in_use() -> Result<()> {
    let (folder, cache, _key) = cache()?;
    let left = cache.folder("staging")?.join("kernels-left");
    std::fs::create_dir(&left)?;
    std::fs::write(cache.folder("locks")?.join("kernels-left"), "")?;
    let used = cache.work_folder("used")?;
    Cache::at(folder.path())?;
    assert!(!left.exists());
    assert!(used.path().exists());
    Ok(())
}

#[test]
fn two_xtasks_work_at_the_same_time() -> Result<()> {
    let (folder, cache, _key) = cache()?;
    let first = cache.work_folder("used")?;
    std::fs::write(first.path().join("x"), "")?;
    let second = Cache::at(folder.path())?.work_folder("used")?;
    assert!(second.path().exists() && second.path() != first.path());
    assert!(first.path().join("x").exists());
    let path = first.path().to_owned();
    drop(first);
    assert_eq!(cache.work_folder("used")?.path(), path);
    Ok(())
}

#[test]
fn a_lookup_finds_results_and_makes_none() -> Result<()> {
    let (folder, cache, key) = cache()?;
    let there = sample(&cache, "things", &key)?.path;
    drop(cache);
    std::fs::write(there.join("one"), "damaged")?;
    File::open(&there)?.set_modified(SystemTime::UNIX_EPOCH)?;
    let files = crate::key::files_below(folder.path())?;
    let lookup = Cache::at(folder.path())?.lookup();
    assert_eq!(sample(&lookup, "things", &key)?.path, there);
    let other = Inputs::new("other").key();
    let error = sample(&lookup, "things", &other).expect_err("nothing there");
    assert!(
        error.to_string().contains("does not have things/x-"),
        "{error}"
    );
    assert!(lookup.work_folder("x").is_err());
    assert_eq!(lookup.found(), BTreeSet::from([there.clone()]));
    // Neither checked nor used.
    assert_eq!(there.metadata()?.modified()?, SystemTime::UNIX_EPOCH);
    assert_eq!(crate::key::files_below(folder.path())?, files);
    Ok(())
}

#[test]
fn two_makers_of_one_thing_make_it_once() -> Result<()> {
    let (_folder, cache, key) = cache()?;
    let count = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                cache.entry("things", "x", &key, |staging| {
                    count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    Ok(std::fs::write(staging, "x")?)
                })
            });
        }
    });
    assert_eq!(count.into_inner(), 1);
    Ok(())
}

/// Makes a result with two files and a link, if the cache does not have it; returns whether it
/// had.
fn sample(cache: &Cache, kind: &str, key: &Key) -> Result<CacheEntry> {
    cache.entry(kind, "x", key, |staging| {
        std::fs::create_dir_all(staging.join("inner"))?;
        std::fs::write(staging.join("one"), "first")?;
        std::os::unix::fs::symlink("one", staging.join("link"))?;
        Ok(std::fs::write(staging.join("inner/two"), "second")?)
    })
}

type Damage = fn(&Path) -> std::io::Result<()>;

/// Ways to damage the result of [`sample`], with the clause that reports each.
const DAMAGES: [(Damage, &str); 7] = [
    (
        |entry| std::fs::write(entry.join("one"), "fir"),
        "one has 3 bytes instead of 5",
    ),
    (
        |entry| std::fs::write(entry.join("inner/two"), ""),
        "inner/two has 0 bytes instead of 6",
    ),
    (
        |entry| {
            let file = OpenOptions::new().write(true).open(entry.join("one"))?;
            file.write_all_at(b"F", 0)
        },
        "one has other contents",
    ),
    (
        |entry| std::fs::remove_file(entry.join("inner/two")),
        "inner/two is missing",
    ),
    (
        |entry| std::fs::remove_dir_all(entry.join("inner")),
        "inner/two is missing",
    ),
    (
        |entry| {
            std::fs::remove_file(entry.join("link"))?;
            std::os::unix::fs::symlink("two", entry.join("link"))
        },
        "link has other contents",
    ),
    (
        |entry| {
            std::fs::remove_dir_all(entry)?;
            std::fs::write(entry, "")
        },
        "is missing",
    ),
];

#[test]
fn a_damaged_entry_is_made_anew_with_one_note() -> Result<()> {
    for (damage, clause) in DAMAGES {
        let (folder, cache, key) = cache()?;
        let entry = sample(&cache, "things", &key)?.path;
        assert!(sample(&cache, "things", &key)?.cached);
        damage(&entry)?;
        assert!(!sample(&cache, "things", &key)?.cached, "{clause}");
        assert_eq!(std::fs::read_to_string(entry.join("inner/two"))?, "second");
        let notes = cache.notes().lines();
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains(clause), "{notes:?}");
        assert!(notes[0].contains(&entry.display().to_string()), "{notes:?}");
        // The next run is clean.
        let next = Cache::at(folder.path())?;
        assert!(sample(&next, "things", &key)?.cached);
        assert!(next.notes().lines().is_empty());
    }
    Ok(())
}

#[test]
fn a_damaged_file_is_made_anew() -> Result<()> {
    let (_folder, cache, key) = cache()?;
    let make = || {
        cache.entry("files", "x", &key, |staging| {
            Ok(std::fs::write(staging, "abc")?)
        })
    };
    let path = make()?.path;
    assert!(make()?.cached);
    for damaged in ["", "ab", "abd"] {
        std::fs::write(&path, damaged)?;
        assert!(!make()?.cached, "{damaged}");
        assert!(make()?.cached);
    }
    // A deleted entry is not a damaged one.
    std::fs::remove_file(&path)?;
    assert!(!make()?.cached);
    assert_eq!(cache.notes().lines().len(), 3);
    Ok(())
}

#[test]
fn only_the_parts_that_are_used_are_checked() -> Result<()> {
    let (_folder, cache, key) = cache()?;
    let entry = sample(&cache, "things", &key)?.path;
    std::fs::write(entry.join("inner/two"), "")?;
    let found = |parts: &[&str]| cache.find("things", "x", &key, Parts::Of(parts));
    assert!(found(&["one", "inner/tw"])?.is_some());
    assert!(cache.is_whole(&entry.join("one"), Parts::Of(&["one"]))?);
    assert!(cache.is_whole(Path::new("/usr/bin"), Parts::All)?);
    assert!(found(&["inner"])?.is_none());
    assert!(!cache.is_whole(&entry.join("one"), Parts::All)?);
    assert_eq!(cache.notes().lines().len(), 1);
    Ok(())
}

#[test]
fn a_copied_cache_is_whole() -> Result<()> {
    let (_folder, cache, key) = cache()?;
    let entry = sample(&cache, "things", &key)?.path;
    let manifest = PathBuf::from(format!("{}.manifest", entry.display()));
    let before = std::fs::read(&manifest)?;
    let copy = entry.with_file_name("copy");
    std::fs::rename(&entry, &copy)?;
    std::fs::create_dir_all(entry.join("inner"))?;
    for file in ["one", "inner/two"] {
        std::fs::copy(copy.join(file), entry.join(file))?;
    }
    std::os::unix::fs::symlink("one", entry.join("link"))?;
    assert!(sample(&cache, "things", &key)?.cached);
    let after = std::fs::read(&manifest)?;
    assert_ne!(after, before, "the next check reads no file");
    assert!(sample(&cache, "things", &key)?.cached);
    assert_eq!(std::fs::read(&manifest)?, after);
    assert!(cache.notes().lines().is_empty());
    Ok(())
}

#[test]
fn an_entry_without_a_whole_manifest_is_kept_only_if_its_making_takes_long() -> Result<()> {
    let (_folder, cache, key) = cache()?;
    for (kind, kept) in [("modules", false), ("kernels", true)] {
        let entry = sample(&cache, kind, &key)?.path;
        let manifest = PathBuf::from(format!("{}.manifest", entry.display()));
        let whole = std::fs::read_to_string(&manifest)?;
        for broken in ["", "nonsense", &whole[..whole.len() - 2]] {
            std::fs::write(&manifest, broken)?;
            assert_eq!(sample(&cache, kind, &key)?.cached, kept, "{kind}");
        }
        std::fs::remove_file(&manifest)?;
        assert_eq!(sample(&cache, kind, &key)?.cached, kept, "{kind}");
        std::fs::write(entry.join("one"), "")?;
        assert!(!sample(&cache, kind, &key)?.cached, "{kind}");
    }
    // Without a manifest, the parts that are used must at least not be empty.
    let entry = sample(&cache, "kernels", &key)?.path;
    std::fs::remove_file(format!("{}.manifest", entry.display()))?;
    std::fs::write(entry.join("one"), "")?;
    assert!(
        cache
            .find("kernels", "x", &key, Parts::Of(&["one"]))?
            .is_none()
    );
    Ok(())
}

#[test]
fn others_may_read_what_the_umask_allows() -> Result<()> {
    let (_folder, cache, _key) = cache()?;
    let path = cache.root().join("resolved/x.json");
    cache.write(&path, b"{}")?;
    let plain = cache.root().join("plain");
    std::fs::write(&plain, "")?;
    let mode = |path: &Path| std::fs::metadata(path).map(|file| file.permissions().mode());
    assert_eq!(mode(&path)?, mode(&plain)?);
    Ok(())
}

#[test]
fn two_processes_may_remove_the_same_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("log");
    let start = std::sync::Barrier::new(2);
    let remove_often = || -> Result<()> {
        let mut result = Ok(());
        for _ in 0..2000 {
            std::fs::write(&path, "x").expect("a folder of its own");
            start.wait();
            // The other thread waits, so an error is returned at the end.
            result = result.and(remove(&path));
            start.wait();
        }
        result
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(remove_often);
        let own = remove_often();
        own.and(other.join().expect("no panic"))
    })
}
