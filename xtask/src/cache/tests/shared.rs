//! A cache over one that is only read.

use super::*;

#[test]
fn a_cache_that_can_only_be_read_stays_as_it_is() -> Result<()> {
    let (folder, teacher, key) = cache()?;
    let entry = sample(&teacher, "things", &key)?.path;
    let own = tempfile::tempdir()?;
    let student = Cache::over(folder.path(), &own.path().join("kmodlab"))?;
    assert_eq!(student.notes().lines().len(), 1, "the place of new results");
    assert_eq!(sample(&student, "things", &key)?.path, entry);
    student.used(&entry, 1, Duration::ZERO)?;
    assert!(
        student
            .own()
            .find("things", "x", &key, Parts::All)?
            .is_none()
    );
    let other = Inputs::new("other").key();
    let new = sample(&student, "things", &other)?;
    assert!(!new.cached && new.path.starts_with(own.path()));
    // Other times and equal contents: the manifest with these times is the student's.
    let list = |folder: &Path| -> Result<Vec<PathBuf>> { crate::key::files_below(folder) };
    let before = list(folder.path())?;
    File::open(entry.join("one"))?.set_modified(SystemTime::UNIX_EPOCH)?;
    for _ in 0..2 {
        assert_eq!(sample(&student, "things", &key)?.path, entry);
    }
    // A damaged result is made anew in the student's cache.
    std::fs::write(entry.join("one"), "")?;
    let own_entry = sample(&student, "things", &key)?;
    assert!(!own_entry.cached && own_entry.path.starts_with(own.path()));
    assert!(sample(&student, "things", &key)?.cached);
    assert_eq!(list(folder.path())?, before);
    let next = Cache::over(folder.path(), &own.path().join("kmodlab"))?;
    assert!(sample(&next, "things", &key)?.cached);
    assert!(next.notes().lines().is_empty());
    Ok(())
}

#[test]
fn a_copy_of_a_result_that_is_only_read_stays_usable() -> Result<()> {
    let (folder, own, key) = cache()?;
    let shared_folder = tempfile::tempdir()?;
    let shared = Cache::at(shared_folder.path())?;
    let make = |staging: &Path| Ok(std::fs::write(staging, "whole")?);
    shared.entry("things", "x", &key, make)?;
    assert_eq!(own.find_shared("things", "x", &key)?, None);
    let over = Cache::over(shared_folder.path(), folder.path())?;
    let found = over.find_shared("things", "x", &key)?;
    assert_eq!(found, Some(shared.path("things", "x", &key)));
    // The copy has a manifest at the path where that of the original could be.
    for is_cached in [false, true] {
        let entry = over.own().entry("things", "x", &key, |staging| {
            let found = over.find_shared("things", "x", &key)?.context("found")?;
            Ok(std::fs::copy(found, staging).map(drop)?)
        })?;
        assert_eq!(entry.cached, is_cached);
        assert!(over.find_shared("things", "x", &key)?.is_some());
    }
    std::fs::write(shared.path("things", "x", &key), "other")?;
    assert_eq!(
        Cache::over(shared_folder.path(), folder.path())?.find_shared("things", "x", &key)?,
        None
    );
    Ok(())
}

#[test]
fn a_result_that_is_only_read_needs_a_whole_manifest() -> Result<()> {
    let (folder, shared, key) = cache()?;
    let own = tempfile::tempdir()?;
    for kind in ["things", "kernels"] {
        shared.entry(kind, "x", &key, |staging| {
            Ok(std::fs::write(staging, "whole")?)
        })?;
        let path = shared.path(kind, "x", &key);
        std::fs::write(format!("{}.manifest", path.display()), "cut")?;
    }
    let over = Cache::over(folder.path(), own.path())?;
    assert_eq!(over.find_shared("things", "x", &key)?, None);
    // A kernel takes minutes.
    assert!(over.find_shared("kernels", "x", &key)?.is_some());
    Ok(())
}
